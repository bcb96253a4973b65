//! What a Service is to the kube-scheduler: one address, and behind it whoever is ready. It can be told to
//! misbehave.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use supercargo_cluster::{Extender, is_ready};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Failure;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// Each goes to the next replica that is ready, and stays there.
    Straight,
    /// They are closed at once.
    Closed,
    /// Nobody ever answers.
    Mute,
    /// Whatever is asked, this is the answer.
    Says(&'static str),
    /// Bind is carried out, and the connection is cut before the answer.
    BindCut,
    /// Bind is carried out, and the answer is late.
    BindLate(Duration),
}

/// Who can be behind the address: where it serves, and where it says whether it is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replica {
    pub(crate) serves: SocketAddr,
    pub(crate) observed: SocketAddr,
}

impl From<&Extender> for Replica {
    fn from(extender: &Extender) -> Self {
        Self {
            serves: extender.listens(),
            observed: extender.observed(),
        }
    }
}

/// The address, and what is behind it.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    replicas: Vec<Replica>,
    turn: AtomicUsize,
    way: watch::Sender<Way>,
    met: AtomicUsize,
}

impl Service {
    pub(crate) async fn start(replicas: Vec<Replica>) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            replicas,
            turn: AtomicUsize::new(0),
            way: watch::Sender::new(Way::Straight),
            met: AtomicUsize::new(0),
        });
        let serving = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(Arc::clone(&shared), stream));
                }
            }
        });
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// From now on, also for connections that there are.
    pub(crate) fn goes(&self, way: Way) {
        self.shared.met.store(0, Ordering::SeqCst);
        self.shared.way.send_replace(way);
    }

    /// How often the scheduler has met what is wrong with the way.
    pub(crate) fn met(&self) -> usize {
        self.shared.met.load(Ordering::SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let mut changes = shared.way.subscribe();
    let way = *changes.borrow_and_update();
    let met = || shared.met.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        _ = changes.changed() => {}
        // Whoever is cut off finds out by itself.
        _ = carry(&shared, way, stream, met) => {}
    }
}

async fn carry(
    shared: &Shared,
    way: Way,
    mut from: TcpStream,
    met: impl Fn() -> usize,
) -> std::io::Result<()> {
    let mut asked = vec![0; 64 << 10];
    match way {
        Way::Closed => {
            met();
            return Ok(());
        }
        Way::Mute => {
            met();
            while from.read(&mut asked).await? > 0 {}
            return Ok(());
        }
        Way::Says(answer) => {
            let _ = from.read(&mut asked).await?;
            met();
            return from.write_all(answer.as_bytes()).await;
        }
        Way::Straight | Way::BindCut | Way::BindLate(_) => {}
    }
    let Some(mut to) = shared.any_that_is_ready().await else {
        return Ok(());
    };
    let mut answered = vec![0; 64 << 10];
    let mut binds = false;
    loop {
        tokio::select! {
            read = from.read(&mut asked) => {
                let Some(asked) = asked.get(..read?).filter(|it| !it.is_empty()) else { return Ok(()) };
                binds |= asked.windows(10).any(|it| it == b"POST /bind");
                to.write_all(asked).await?;
            }
            read = to.read(&mut answered) => {
                let Some(answered) = answered.get(..read?).filter(|it| !it.is_empty()) else { return Ok(()) };
                match way {
                    Way::BindCut if binds => {
                        met();
                        return Ok(());
                    }
                    Way::BindLate(late) if binds => {
                        met();
                        tokio::time::sleep(late).await;
                    }
                    _ => {}
                }
                binds = false;
                from.write_all(answered).await?;
            }
        }
    }
}

impl Shared {
    async fn any_that_is_ready(&self) -> Option<TcpStream> {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let replicas = self.replicas.iter().cycle();
        for replica in replicas
            .skip(turn % self.replicas.len())
            .take(self.replicas.len())
        {
            if is_ready(replica.observed).await
                && let Ok(stream) = TcpStream::connect(replica.serves).await
            {
                return Some(stream);
            }
        }
        None
    }
}
