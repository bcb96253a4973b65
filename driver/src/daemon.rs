//! What every command needs that runs until it is told to end.

use std::io;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::telemetry::{Telemetry, TelemetryError};

/// The system refuses what every process gets.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub struct SystemError {
    /// What was being done.
    pub what: &'static str,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Runs a daemon on these threads, with logs and traces around it. What is still running when it ends has
/// until `last` to finish.
///
/// # Errors
/// The daemon's own, and why it could not begin.
pub fn run<E: From<SystemError> + From<TelemetryError>>(
    threads: &mut Builder,
    telemetry: &Telemetry,
    last: Duration,
    daemon: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let runtime = threads.enable_all().build().map_err(|source| SystemError {
        what: "start threads",
        source,
    })?;
    let outcome = runtime.block_on(async {
        let flush = telemetry.start()?;
        let outcome = daemon.await;
        let _ = spawn_blocking(move || flush.flush()).await;
        outcome
    });
    runtime.shutdown_timeout(last);
    outcome
}

/// What tells the process to end: SIGTERM, as Kubernetes does, and SIGINT, as people do.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both from now on.
    ///
    /// # Errors
    /// The system does not let it.
    pub fn listen() -> Result<Self, SystemError> {
        let listen = |kind| {
            signal(kind).map_err(|source| SystemError {
                what: "listen for signals",
                source,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Completes with the first of them.
    pub async fn one(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A part that says what it was when it ends.
pub async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

/// Completes when it is time to stop.
pub async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Whoever could say stop is gone: that is a stop, too.
    let _ = stopping.wait_for(|stop| *stop).await;
}
