//! `supercargo scheduler` beside the cluster's scheduler.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::daemon::Daemon;
use crate::error::ClusterError;
use crate::ports;

/// How the extender is started.
#[derive(Debug, Clone, Default)]
pub struct ExtenderOptions {
    /// What it is called in logs.
    pub name: String,
    /// Where the scheduler connects.
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
pub struct Extender(Daemon);

impl Extender {
    /// Starts it. It may not be ready yet; see [`Daemon::ready`].
    pub fn start(
        cluster: &Cluster,
        program: &Path,
        options: &ExtenderOptions,
    ) -> Result<Self, ClusterError> {
        let [port] = ports::free()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let kubeconfig = options.kubeconfig.as_deref();
        let process = cluster.spawn(&options.name, program, |command| {
            command
                .arg("scheduler")
                .args(["--address", &address.to_string()])
                .args(["--listen", &listen.to_string()])
                .arg("--kubeconfig")
                .arg(kubeconfig.unwrap_or(cluster.kubeconfig()))
                .args(&options.flags)
                .envs(options.environment.iter().cloned());
        })?;
        Ok(Self(Daemon { process, address }))
    }
}

impl Deref for Extender {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.0
    }
}
