//! One address for those who look after the process: `/livez`, `/readyz` and `/metrics`.
//!
//! Anybody who reaches the address may ask, so what asking can cost is bounded: connections, the time
//! a request may take to arrive, and methods and bodies, of which there are none.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::metrics::CONTENT_TYPE;

/// How many connections are served at once; others wait.
const CONNECTIONS: usize = 16;
/// How long a request's head may take, and how long a connection may idle.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may live.
const LIFE: Duration = Duration::from_secs(120);

/// The pages. `ready` tells whether all is well, and each condition in a line; `numbers` is all
/// metrics as OpenMetrics text.
pub fn pages(
    ready: impl Fn() -> (bool, String) + Clone + Send + Sync + 'static,
    numbers: impl Fn() -> Result<String, fmt::Error> + Clone + Send + Sync + 'static,
) -> Router {
    let ready = move || {
        let (ready, report) = ready();
        let status = match ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        std::future::ready((status, report))
    };
    let numbers = move || {
        std::future::ready(match numbers() {
            Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        })
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
}

/// Each condition in a line, and whether all of them hold.
pub fn report<'a>(conditions: impl IntoIterator<Item = (bool, &'a str)>) -> (bool, String) {
    let mut all = true;
    let mut text = String::new();
    for (holds, what) in conditions {
        all &= holds;
        let _ = writeln!(text, "[{}] {what}", if holds { '+' } else { '-' });
    }
    (all, text)
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
    pub async fn serve(self, pages: Router) {
        let pages = TowerToHyperService::new(pages);
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
