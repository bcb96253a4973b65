//! Where the kube-scheduler connects: HTTP/1.1, over TLS where certificates are given, with proof of who
//! asks where a certificate authority for clients is. Where another replica leads, connections are passed
//! on to it ([`relay`](super::relay)).
//!
//! What asking can cost is bounded: connections, the time a handshake and a request's head may take. At the
//! end no new connections are taken, and requests that are under way are answered.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::leader::Leader;
use super::relay::Relay;

/// How many connections are served at once; others wait.
const CONNECTIONS: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a connection may idle: longer than the scheduler keeps one, so that it is the one who closes.
const IDLE: Duration = Duration::from_secs(300);
/// How often certificates are read again.
const RENEW: Duration = Duration::from_secs(10);

/// The files of TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, with those between it and the authority (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The authorities whose certificates clients must have; `None`: anybody may ask.
    pub clients: Option<PathBuf>,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds nothing that is of use.
    #[error("{}: holds no certificate", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not go together, or cannot be used.
    #[error("{}: {source}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The authorities of clients cannot be used.
    #[error("{}: {source}", .path.display())]
    Clients {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable {
                path: self.certificate.clone(),
                source,
            })?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|source| TlsError::Unusable {
                            path: path.clone(),
                            source,
                        })?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|source| TlsError::Clients {
                            path: path.clone(),
                            source,
                        })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|source| TlsError::File {
            path: self.key.clone(),
            source,
        })?;
        let mut config = builder
            .with_single_cert(certificates(&self.certificate)?, key)
            .map_err(|source| TlsError::Unusable {
                path: self.certificate.clone(),
                source,
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    match found.is_empty() {
        true => Err(TlsError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(found),
    }
}

/// The address, bound.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    tls: Option<Tls>,
}

#[derive(Debug, Clone)]
struct Tls {
    files: TlsFiles,
    now: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// What the system said, such as that somebody else has it.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<(TlsFiles, Arc<ServerConfig>)>,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            tls: tls.map(|(files, config)| Tls {
                files,
                now: Arc::new(RwLock::new(config)),
            }),
        })
    }

    /// The address, where the system chose the port.
    ///
    /// # Errors
    /// What the system said.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers, or lets the leader answer, until `stop` says so, and then for at most `drain` finishes what
    /// is under way.
    pub async fn serve(
        self,
        router: Router,
        mut leader: watch::Receiver<Leader>,
        stop: watch::Receiver<bool>,
        drain: Duration,
    ) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let relay = Arc::new(Relay::default());
        let mut connections = JoinSet::new();
        let mut stopping = stop.clone();
        let mut renewals = tokio::time::interval(RENEW);
        loop {
            let permit = Arc::clone(&room).acquire_owned();
            let accepted = async {
                let permit = permit.await;
                (self.listener.accept().await, permit)
            };
            tokio::select! {
                () = stopped(&mut stopping) => break,
                _ = renewals.tick() => self.renew(),
                Some(_) = connections.join_next() => {}
                (accepted, permit) = accepted => {
                    let stream = match accepted {
                        Ok((stream, _)) => stream,
                        Err(error) => {
                            // Out of file descriptors, say: it would fail again at once.
                            tracing::warn!(%error, "cannot accept a connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            continue;
                        }
                    };
                    let _ = stream.set_nodelay(true);
                    let (router, tls) = (router.clone(), self.acceptor());
                    let relay = Arc::clone(&relay);
                    let leads = *leader.borrow_and_update();
                    let over = over(stop.clone(), leader.clone());
                    connections.spawn(async move {
                        match (leads, tls) {
                            (Leader::At(leader), _) => relay.carry(stream, leader, over).await,
                            (_, None) => connection(stream, router, over).await,
                            (_, Some(tls)) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                                Ok(Ok(stream)) => connection(stream, router, over).await,
                                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                                Err(_) => {}
                            },
                        }
                        drop(permit);
                    });
                }
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(drain, all).await.is_err() {
            tracing::warn!("some requests were still being answered");
        }
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        let tls = self.tls.as_ref()?;
        let config = tls.now.read().unwrap_or_else(PoisonError::into_inner);
        Some(TlsAcceptor::from(Arc::clone(&config)))
    }

    /// Reads the certificates again: they are replaced before they run out.
    fn renew(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.files.read() {
            Ok(config) => *tls.now.write().unwrap_or_else(PoisonError::into_inner) = config,
            Err(error) => tracing::warn!(%error, "the earlier certificates go on serving"),
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say stop is gone: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Completes when a connection is to end: the process does, or somebody else leads than when it began.
async fn over(mut stop: watch::Receiver<bool>, mut leader: watch::Receiver<Leader>) {
    tokio::select! {
        () = stopped(&mut stop) => {}
        Ok(()) = leader.changed() => {}
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    over: impl Future<Output = ()>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // How a client ends is the client's business.
        _ = connection.as_mut() => return,
        () = over => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests;
