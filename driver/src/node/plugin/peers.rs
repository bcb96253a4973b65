//! Who may connect, and how many at once.
//!
//! The kubelet runs as root. Whoever else could reach the socket is turned away before a byte of
//! theirs is read.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::Connected;

/// Connections at once on one socket; a kubelet makes a handful.
const CONNECTIONS: usize = 32;

/// How long to wait when the process has run out of something that connections need.
const BREATH: Duration = Duration::from_millis(100);

/// A connection of somebody who may talk to the driver.
#[derive(Debug)]
pub(super) struct Peer {
    stream: UnixStream,
    _slot: OwnedSemaphorePermit,
}

/// Whether a user may talk to the driver.
fn may_connect(peer: u32, own: u32) -> bool {
    peer == 0 || peer == own
}

/// The connections of those who may, for ever.
pub(super) fn accepted(listener: UnixListener) -> impl Stream<Item = Result<Peer, Infallible>> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    futures::stream::unfold((listener, slots), |(listener, slots)| async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match admit(stream, &slots) {
                    Ok(peer) => return Some((Ok(peer), (listener, slots))),
                    Err(reason) => tracing::warn!(reason, "connection refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    })
}

fn admit(stream: UnixStream, slots: &Arc<Semaphore>) -> Result<Peer, String> {
    let peer = stream
        .peer_cred()
        .map_err(|error| format!("the peer does not say who it is: {error}"))?;
    if !may_connect(peer.uid(), rustix::process::geteuid().as_raw()) {
        return Err(format!(
            "user {} (process {:?}) is neither root nor the driver's own user",
            peer.uid(),
            peer.pid()
        ));
    }
    let slot = Arc::clone(slots)
        .try_acquire_owned()
        .map_err(|_| format!("{CONNECTIONS} connections are open already"))?;
    Ok(Peer {
        stream,
        _slot: slot,
    })
}

impl Connected for Peer {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_drivers_own_user_may_connect_and_nobody_else() {
        assert!(may_connect(0, 0));
        assert!(may_connect(0, 1000));
        assert!(may_connect(1000, 1000));
        assert!(!may_connect(1000, 0));
        assert!(!may_connect(1001, 1000));
    }

    #[tokio::test]
    async fn one_connection_too_many_is_refused_until_another_ends() {
        let slots = Arc::new(Semaphore::new(1));
        let pair = || UnixStream::pair().unwrap().0;
        let first = admit(pair(), &slots).unwrap();
        assert!(admit(pair(), &slots).unwrap_err().contains("open already"));
        drop(first);
        assert!(admit(pair(), &slots).is_ok());
    }
}
