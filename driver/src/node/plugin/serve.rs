//! A gRPC server on a socket, with a bound on all that a peer can use up.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::server::Router;

use super::calls::{Calls, Handler};
use super::dra::Dra;
use super::health::HealthWatch;
use super::peers::accepted;
use super::proto::registration::registration_server::RegistrationServer;
use super::proto::{dra_v1, dra_v1beta1, health_v1, health_v1alpha1};
use super::registration::Registrar;

/// Bytes of a message from the kubelet: room for the claims of a call and their names, many times over.
pub(super) const MESSAGE_MAX: usize = 1 << 20;

/// Calls at once on one connection.
const CALLS: u32 = 64;

/// Longest a call may take whose caller sets no limit; the kubelet waits 45 s.
const CALL: Duration = Duration::from_secs(60);

/// A peer that says nothing for so long is asked whether it is still there,
const SILENCE: Duration = Duration::from_secs(30);

/// and has so long to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// Bytes of a call's headers.
const HEADERS_MAX: u32 = 16 << 10;

/// A running server. Dropping it ends it at once for those who are not connected.
#[derive(Debug)]
pub(super) struct Server(JoinHandle<()>);

impl Server {
    /// Whether it still serves.
    pub(super) fn is_serving(&self) -> bool {
        !self.0.is_finished()
    }

    /// Waits until it has ended.
    pub(super) async fn finished(mut self) {
        if let Err(error) = (&mut self.0).await {
            tracing::error!(%error, "a server of the plugin ended in a defect of the driver");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves DRA and device health.
pub(super) fn services<H: Handler>(
    listener: UnixListener,
    calls: Arc<Calls<H>>,
    health: HealthWatch,
    stopping: watch::Receiver<bool>,
) -> Server {
    use dra_v1::dra_plugin_server::DraPluginServer as V1;
    use dra_v1beta1::dra_plugin_server::DraPluginServer as V1Beta1;
    use health_v1::dra_resource_health_server::DraResourceHealthServer as HealthV1;
    use health_v1alpha1::dra_resource_health_server::DraResourceHealthServer as HealthV1Alpha1;

    let dra = Dra(calls);
    let router = bounded()
        .add_service(V1::new(dra.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(V1Beta1::new(dra).max_decoding_message_size(MESSAGE_MAX))
        .add_service(HealthV1::new(health.clone()).max_decoding_message_size(MESSAGE_MAX))
        .add_service(HealthV1Alpha1::new(health).max_decoding_message_size(MESSAGE_MAX));
    serve(router, listener, stopping)
}

/// Serves registration.
pub(super) fn registration(
    listener: UnixListener,
    registrar: Registrar,
    stopping: watch::Receiver<bool>,
) -> Server {
    let registration = RegistrationServer::new(registrar).max_decoding_message_size(MESSAGE_MAX);
    serve(bounded().add_service(registration), listener, stopping)
}

fn bounded() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .timeout(CALL)
        .max_concurrent_streams(CALLS)
        .http2_max_header_list_size(HEADERS_MAX)
        .http2_keepalive_interval(Some(SILENCE))
        .http2_keepalive_timeout(Some(ANSWER))
}

/// Serves until told to stop: then no connection is taken any more and running calls finish.
fn serve(router: Router, listener: UnixListener, mut stopping: watch::Receiver<bool>) -> Server {
    let stop = async move {
        // A plugin that is gone stops its servers too.
        let _told = stopping.wait_for(|stopping| *stopping).await;
    };
    Server(tokio::spawn(async move {
        let served = router.serve_with_incoming_shutdown(accepted(listener), stop);
        if let Err(error) = served.await {
            tracing::error!(%error, "a server of the plugin ended");
        }
    }))
}
