use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

/// An authority, and a certificate with its key from it, in files.
struct Pki {
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        for (file, text) in [
            ("ca.crt", authority.pem()),
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self, clients: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.file("tls.crt"),
            key: self.file("tls.key"),
            clients: clients.then(|| self.file("ca.crt")),
        }
    }

    /// What a client that shows a certificate, or none, gets.
    async fn get(&self, address: SocketAddr, shows: bool) -> io::Result<String> {
        let mut stream = self.connect(address, shows).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// A connection of such a client.
    async fn connect(&self, address: SocketAddr, shows: bool) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.file("ca.crt")).unwrap() {
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            false => builder.with_no_client_auth(),
            true => builder
                .with_client_auth_cert(
                    certificates(&self.file("tls.crt")).unwrap(),
                    PrivateKeyDer::from_pem_file(self.file("tls.key")).unwrap(),
                )
                .unwrap(),
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }
}

async fn serving(
    pki: &Pki,
    clients: bool,
) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    led_by(watch::Sender::new(Leader::Here).subscribe(), pki, clients).await
}

async fn led_by(
    leader: watch::Receiver<Leader>,
    pki: &Pki,
    clients: bool,
) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let files = pki.files(clients);
    let config = files.read().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(any, Some((files, config))).await.unwrap();
    let address = listener.address().unwrap();
    let (stop, stopping) = watch::channel(false);
    let router = Router::new().route("/", get(|| async { "hello" }));
    let served = tokio::spawn(listener.serve(router, leader, stopping, Duration::from_secs(5)));
    (address, stop, served)
}

#[tokio::test]
async fn who_shows_a_certificate_of_the_authority_is_answered_and_nobody_else() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (address, stop, served) = serving(&pki, true).await;
    assert!(pki.get(address, true).await.unwrap().ends_with("hello"));
    assert!(pki.get(address, false).await.is_err());
    // A client that trusts another authority does not even speak.
    assert!(other.get(address, true).await.is_err());
    stop.send_replace(true);
    served.await.unwrap();
}

#[tokio::test]
async fn where_another_replica_leads_that_one_answers_and_checks_the_certificate() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (there, _stop, leads) = serving(&pki, true).await;
    // A replica with other certificates: they are never shown.
    let leader = watch::Sender::new(Leader::At(there));
    let (here, _stop, follows) = led_by(leader.subscribe(), &other, true).await;
    assert!(pki.get(here, true).await.unwrap().ends_with("hello"));
    assert!(pki.get(here, false).await.is_err());
    leads.abort();
    follows.abort();
}

#[tokio::test]
async fn connections_end_when_somebody_else_leads() {
    let pki = Pki::new();
    for (first, next) in [
        (Leader::Here, Leader::Unknown),
        (Leader::Unknown, Leader::Here),
    ] {
        let leader = watch::Sender::new(first);
        let (address, _stop, served) = led_by(leader.subscribe(), &pki, false).await;
        let (there, _stop, leads) = led_by(leader.subscribe(), &pki, false).await;
        let through = watch::Sender::new(Leader::At(there));
        let (relays, _stop, relayed) = led_by(through.subscribe(), &pki, false).await;
        let mut connections = Vec::new();
        for address in [address, relays] {
            connections.push(pki.connect(address, false).await.unwrap());
        }
        leader.send_replace(next);
        through.send_replace(next);
        for mut connection in connections {
            // With or without a word of farewell.
            let mut rest = Vec::new();
            let ended = connection.read_to_end(&mut rest);
            let _ = timeout(HANDSHAKE, ended).await.unwrap();
        }
        for task in [served, leads, relayed] {
            task.abort();
        }
    }
}

#[tokio::test]
async fn without_an_authority_for_clients_anybody_is_answered() {
    let pki = Pki::new();
    let (address, _stop, served) = serving(&pki, false).await;
    assert!(pki.get(address, false).await.unwrap().ends_with("hello"));
    served.abort();
}

#[test]
fn files_that_hold_something_else_are_told() {
    let pki = Pki::new();
    let mut files = pki.files(false);
    files.certificate = pki.file("tls.key");
    assert!(matches!(files.read(), Err(TlsError::Empty { .. })));
    files.certificate = pki.file("nowhere");
    assert!(matches!(files.read(), Err(TlsError::File { .. })));
    let mut files = pki.files(false);
    files.certificate = pki.file("ca.crt");
    assert!(matches!(files.read(), Err(TlsError::Unusable { .. })));
}
