//! Flags that all commands have which run until they are told to end.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::journaled::JournalFlag;
use crate::serving::Origin;
use crate::telemetry::{LogFormat, Telemetry};

/// Where policies come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Policies")]
pub(super) struct PolicyFlags {
    /// The configuration: policies with settings, limits and grants, and rules that say who serves what
    #[arg(
        long,
        value_name = "FILE.yaml",
        env = "SUPERCARGO_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// The folder that policies are dropped into
    #[arg(
        long,
        value_name = "DIR",
        env = "SUPERCARGO_POLICY_DIR",
        hide_env_values = true
    )]
    policy_dir: Option<PathBuf>,

    #[command(flatten)]
    journal: JournalFlag,
}

impl PolicyFlags {
    /// Where policies come from, and the journal.
    pub(super) fn read(self) -> (Origin, Option<PathBuf>) {
        let origin = Origin {
            configuration: self.config,
            folder: self.policy_dir,
        };
        (origin, self.journal.file())
    }
}

/// What an operator sees of the process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Observing")]
pub(super) struct ObservingFlags {
    /// Where probes and metrics are answered
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "SUPERCARGO_ADDRESS",
        hide_env_values = true
    )]
    #[arg(default_value = "0.0.0.0:8080")]
    pub(super) address: SocketAddr,

    /// What is logged: error, warn, info, debug, trace, or pairs such as supercargo=debug,kube=info
    #[arg(
        long,
        value_name = "FILTER",
        env = "SUPERCARGO_LOG",
        hide_env_values = true
    )]
    #[arg(default_value = "info")]
    log: String,

    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SUPERCARGO_LOG_FORMAT",
        hide_env_values = true
    )]
    #[arg(default_value = "text", value_enum)]
    log_format: LogFormat,

    /// Where traces go, by OTLP over gRPC; without it none are made
    #[arg(
        long,
        value_name = "URL",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    otlp_endpoint: Option<String>,
}

impl ObservingFlags {
    /// What is logged and traced of this service.
    pub(super) fn telemetry(
        self,
        service: &'static str,
        attributes: Vec<(&'static str, String)>,
    ) -> Telemetry {
        Telemetry {
            filter: self.log,
            format: self.log_format,
            traces: self.otlp_endpoint,
            service,
            attributes,
        }
    }
}
