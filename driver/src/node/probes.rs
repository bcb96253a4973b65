//! One address for those who look after the process: `/livez`, `/readyz` and `/metrics`.
//!
//! Anybody who reaches the address may ask, so what asking can cost is bounded: connections, the time
//! a request may take to arrive, and methods and bodies, of which there are none.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::metrics::{CONTENT_TYPE, Metrics};

/// How many connections are served at once; others wait.
const CONNECTIONS: usize = 16;
/// How long a request's head may take, and how long a connection may idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may live.
const LIFE: Duration = Duration::from_secs(120);

/// What must have happened before the node driver counts as ready.
#[derive(Debug, Default)]
pub struct Readiness {
    policies: AtomicBool,
    published: AtomicBool,
    registered: AtomicBool,
    draining: AtomicBool,
}

/// One condition of readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Policies were loaded, or refused, for the first time.
    PoliciesRead,
    /// The ResourceSlices are in the API server.
    SlicesPublished,
    /// The kubelet took the plugin.
    Registered,
    /// The process was told to end.
    Draining,
}

impl Readiness {
    /// Notes how a condition is now.
    pub fn set(&self, condition: Condition, is: bool) {
        self.flag(condition).store(is, Ordering::Relaxed);
    }

    /// Whether a condition holds.
    #[must_use]
    pub fn is(&self, condition: Condition) -> bool {
        self.flag(condition).load(Ordering::Relaxed)
    }

    fn flag(&self, condition: Condition) -> &AtomicBool {
        match condition {
            Condition::PoliciesRead => &self.policies,
            Condition::SlicesPublished => &self.published,
            Condition::Registered => &self.registered,
            Condition::Draining => &self.draining,
        }
    }

    /// Whether all is well, and each condition in a line.
    fn report(&self) -> (bool, String) {
        let lines = [
            (self.is(Condition::PoliciesRead), "policies read"),
            (self.is(Condition::SlicesPublished), "slices published"),
            (
                self.is(Condition::Registered),
                "registered with the kubelet",
            ),
            (!self.is(Condition::Draining), "not shutting down"),
        ];
        let mut text = String::new();
        for (holds, what) in lines {
            let _ = writeln!(text, "[{}] {what}", if holds { '+' } else { '-' });
        }
        (lines.iter().all(|(holds, _)| *holds), text)
    }
}

/// The pages.
fn pages(metrics: Arc<Metrics>, readiness: Arc<Readiness>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(numbers).with_state(metrics))
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let (ready, report) = readiness.report();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, report).into_response()
}

async fn numbers(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The address, bound.
#[derive(Debug)]
pub struct Probes(TcpListener);

impl Probes {
    /// Takes the address.
    ///
    /// # Errors
    /// What the system said, such as that somebody else has it.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }

    /// The address, where the system chose the port.
    ///
    /// # Errors
    /// What the system said.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers whoever asks. Never ends.
    pub async fn serve(self, metrics: Arc<Metrics>, readiness: Arc<Readiness>) {
        let pages = TowerToHyperService::new(pages(metrics, readiness));
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let stream = match self.0.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, say: it would fail again at once.
                    tracing::warn!(%error, "cannot accept a connection for probes and metrics");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let pages = pages.clone();
            tokio::spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(stream), pages);
                // How a visitor ends is the visitor's business.
                let _ = timeout(LIFE, connection).await;
                drop(permit);
            });
        }
    }
}
