//! What every daemon of Supercargo answers on its address: probes and metrics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::ClusterError;
use crate::sandbox::Process;
use crate::wait::until;

/// How long it may take until it is ready: about two seconds are usual, but a Lease that a dead
/// extender left has to run out.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take to say whether it is ready; a kubelet gives it that much, too.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// A running daemon. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    pub(crate) process: Process,
    /// Where probes and metrics are answered.
    pub(crate) address: SocketAddr,
}

impl Daemon {
    /// Waits until it is ready.
    pub async fn ready(&self) -> Result<(), ClusterError> {
        let what = format!("{} is ready", self.process.name());
        until(READY_WITHIN, &what, async || {
            self.process.must_run()?;
            Ok(self.is_ready().await.then_some(()))
        })
        .await
    }

    /// Whether it is ready, and says so in time.
    pub async fn is_ready(&self) -> bool {
        is_ready(self.address).await
    }

    /// Where probes and metrics are answered.
    #[must_use]
    pub fn observed(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its metrics, as text.
    pub async fn metrics(&self) -> Result<String, ClusterError> {
        get(self.address, "/metrics").await
    }
}

/// Whether the daemon that is observed at an address is ready, and says so in time.
pub async fn is_ready(observed: SocketAddr) -> bool {
    let asked = tokio::time::timeout(ANSWERS_WITHIN, get(observed, "/readyz"));
    asked.await.is_ok_and(|answer| answer.is_ok())
}

/// What a daemon answers at a path, where that is a success.
async fn get(observed: SocketAddr, path: &str) -> Result<String, ClusterError> {
    let what = format!("GET http://{observed}{path}");
    let io = |source| ClusterError::Io {
        what: what.clone(),
        source,
    };
    let mut stream = TcpStream::connect(observed).await.map_err(io)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {observed}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(io)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(io)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    match body {
        Some(body) if answer.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(ClusterError::Answer { what, answer }),
    }
}
