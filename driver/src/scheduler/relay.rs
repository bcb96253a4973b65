//! A replica that does not lead leads the scheduler's connections to the one that does.
//!
//! A kube-scheduler knows one address for its extender, and behind that, in a cluster, is a Service. If only
//! the leader were ready, the Service would lead there by itself; but then a Deployment of two replicas would
//! never be complete: its rolling update waits for a second ready replica that there cannot be, its alerts and
//! its PodDisruptionBudget count one replica as broken. If a replica that does not lead answered with
//! errors, every second connection would be one that no pod gets bound by. So every replica is ready as soon
//! as it knows who leads, and whichever is asked, the leader answers.
//!
//! What is passed on are the bytes of a connection, so the TLS session is the leader's own: it checks the
//! client's certificate, and nobody in between can read or pretend anything. Who leads stands in the Lease
//! ([`leader`](super::leader)). When that changes, the connections end, and the scheduler makes new ones. Two
//! replicas that each believe the other leads, which takes two looks at the Lease at the wrong moment,
//! would pass a connection to and fro until the next look; the bound on connections bounds that, too.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting to the leader may take.
const CONNECT: Duration = Duration::from_secs(2);

/// Passes connections on.
#[derive(Debug, Default)]
pub struct Relay {
    /// Whether it is said already that the leader is not reached: a scheduler tries many times a second.
    said: AtomicBool,
}

impl Relay {
    /// Passes a connection on until one side ends it, or `over` completes.
    pub async fn carry(
        &self,
        mut from: TcpStream,
        leader: SocketAddr,
        over: impl Future<Output = ()>,
    ) {
        let connected = timeout(CONNECT, TcpStream::connect(leader)).await;
        let mut to = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(to) => to,
            Err(error) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%leader, %error, "the leader is not reached from here");
                }
                return;
            }
        };
        self.said.store(false, Ordering::Relaxed);
        let _ = to.set_nodelay(true);
        tokio::select! {
            // How either side ends is its own business.
            _ = copy_bidirectional(&mut from, &mut to) => {}
            () = over => {}
        }
    }
}
