//! `supercargo scheduler` beside the cluster's scheduler.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::daemon::{Daemon, READY_WITHIN};
use crate::error::ClusterError;
use crate::ports;
use crate::wait::until;

/// How the extender is started.
#[derive(Debug, Clone, Default)]
pub struct ExtenderOptions {
    /// What it is called in logs.
    pub name: String,
    /// Where the scheduler connects; 0: where nobody else does.
    pub port: u16,
    /// How it reaches the API server; `None`: as the administrator.
    pub kubeconfig: Option<PathBuf>,
    /// More flags, `--mode` among them.
    pub flags: Vec<String>,
    /// More environment, such as the name of a fault point.
    pub environment: Vec<(String, String)>,
}

/// A running `supercargo scheduler`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Extender {
    daemon: Daemon,
    listens: SocketAddr,
    owns: bool,
}

impl Extender {
    /// Starts it. It may not be ready yet; see [`Self::ready`].
    pub fn start(
        cluster: &Cluster,
        program: &Path,
        options: &ExtenderOptions,
    ) -> Result<Self, ClusterError> {
        let [port, free] = ports::free()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listens = match options.port {
            0 => free,
            port => port,
        };
        let listens = SocketAddr::from((Ipv4Addr::LOCALHOST, listens));
        let kubeconfig = options.kubeconfig.as_deref();
        let process = cluster.spawn(&options.name, program, |command| {
            command
                .arg("scheduler")
                .args(["--address", &address.to_string()])
                .args(["--listen", &listens.to_string()])
                .arg("--kubeconfig")
                .arg(kubeconfig.unwrap_or(cluster.kubeconfig()))
                .args(&options.flags)
                .envs(options.environment.iter().cloned());
        })?;
        Ok(Self {
            daemon: Daemon { process, address },
            listens,
            owns: options.flags.iter().any(|flag| flag == "--mode=own"),
        })
    }

    /// Where the scheduler connects.
    #[must_use]
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }

    /// Waits until it is ready, and leads if it owns devices: one that is alone has to.
    pub async fn ready(&self) -> Result<(), ClusterError> {
        self.daemon.ready().await?;
        if !self.owns {
            return Ok(());
        }
        let what = format!("{} leads", self.process().name());
        until(READY_WITHIN, &what, async || {
            self.process().must_run()?;
            Ok(self.leads().await?.then_some(()))
        })
        .await
    }

    /// Whether it leads.
    pub async fn leads(&self) -> Result<bool, ClusterError> {
        Ok(self.metrics().await?.contains("\nsupercargo_leader 1\n"))
    }
}

impl Deref for Extender {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}
