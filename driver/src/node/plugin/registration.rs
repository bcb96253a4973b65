//! What the kubelet's plugin watcher asks on the registration socket, and what it tells.
//!
//! A kubelet that restarts finds the socket again and asks again, so nothing here is done only once.

use std::path::PathBuf;

use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::proto::registration as proto;

/// The services on the service socket, newest first: the kubelet takes the first that it knows.
const SERVICES: [&str; 4] = [
    "v1.DRAPlugin",
    "v1beta1.DRAPlugin",
    "v1.DRAResourceHealth",
    "v1alpha1.DRAResourceHealth",
];

/// Longest reason of the kubelet that is kept, in bytes.
const REASON_MAX: usize = 4096;

/// What became of the registration with the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// The kubelet has not come yet.
    Unregistered,
    /// The kubelet calls this instance.
    Registered,
    /// The kubelet refused, and says why. It may come again.
    Failed(String),
}

/// Answers the kubelet's plugin watcher.
#[derive(Debug)]
pub(super) struct Registrar {
    driver: String,
    endpoint: PathBuf,
    status: watch::Sender<Registration>,
}

impl Registrar {
    /// For a driver that serves on `endpoint`.
    pub(super) fn new(driver: String, endpoint: PathBuf) -> (Self, watch::Receiver<Registration>) {
        let (status, seen) = watch::channel(Registration::Unregistered);
        let registrar = Registrar {
            driver,
            endpoint,
            status,
        };
        (registrar, seen)
    }
}

#[tonic::async_trait]
impl proto::registration_server::Registration for Registrar {
    async fn get_info(
        &self,
        _: Request<proto::InfoRequest>,
    ) -> Result<Response<proto::PluginInfo>, Status> {
        Ok(Response::new(proto::PluginInfo {
            r#type: "DRAPlugin".to_owned(),
            name: self.driver.clone(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: SERVICES.map(str::to_owned).into(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<proto::RegistrationStatus>,
    ) -> Result<Response<proto::RegistrationStatusResponse>, Status> {
        let told = request.into_inner();
        if told.plugin_registered {
            tracing::info!(driver = self.driver, "registered with the kubelet");
            self.status.send_replace(Registration::Registered);
            return Ok(Response::new(proto::RegistrationStatusResponse {}));
        }
        let mut reason = told.error;
        reason.truncate(reason.floor_char_boundary(REASON_MAX));
        tracing::error!(
            driver = self.driver,
            reason,
            "the kubelet refuses the driver"
        );
        self.status
            .send_replace(Registration::Failed(reason.clone()));
        Err(Status::failed_precondition(format!(
            "driver {} is not registered: {reason}",
            self.driver
        )))
    }
}
