//! What every command needs that runs until it is told to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

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
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
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
