//! `supercargo scheduler` beside the cluster's scheduler.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::error::ClusterError;
use crate::ports;
use crate::sandbox::Process;
use crate::wait::until;

/// How long it may take until it is ready: a Lease that a dead one left has to run out.
const READY_WITHIN: Duration = Duration::from_secs(60);

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
pub struct Extender {
    process: Process,
    address: SocketAddr,
}

impl Extender {
    /// Starts it. It may not be ready yet; see [`Extender::ready`].
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
        Ok(Self { process, address })
    }

    /// Waits until it is ready: all is read, and it leads where that is needed.
    pub async fn ready(&self) -> Result<(), ClusterError> {
        let what = format!("{} is ready", self.process.name());
        until(READY_WITHIN, &what, async || {
            self.process.must_run()?;
            Ok(self.get("/readyz").await.is_ok().then_some(()))
        })
        .await
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its metrics, as text.
    pub async fn metrics(&self) -> Result<String, ClusterError> {
        self.get("/metrics").await
    }

    /// What it answers at a path, where that is a success.
    async fn get(&self, path: &str) -> Result<String, ClusterError> {
        let what = format!("GET {path} of {}", self.process.name());
        let io = |source| ClusterError::Io {
            what: what.clone(),
            source,
        };
        let mut stream = TcpStream::connect(self.address).await.map_err(io)?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.map_err(io)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(io)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        match body {
            Some(body) if answer.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
            _ => Err(ClusterError::Answer { what, answer }),
        }
    }
}
