//! The API server: from a kubeconfig, or from the pod this runs in.

pub mod api;

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{
    InClusterError, InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError,
};
use kube::{Client, Config};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may say nothing: somewhat longer than a watch is left quiet.
const READ: Duration = Duration::from_secs(300);

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("{}: {source}", .file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// This is not a pod.
    #[error("this does not run in a cluster ({0}); give --kubeconfig FILE")]
    NotInCluster(#[from] InClusterError),
    /// No client can be made from it.
    #[error("cannot set up the connection to the API server: {0}")]
    Client(#[from] kube::Error),
    /// What the environment says is contradictory.
    #[error("cannot find the API server: {0}")]
    Infer(#[from] InferConfigError),
}

/// A client of the API server. Nothing is sent yet.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(file) => {
            let wrong = |source| ConnectError::Kubeconfig {
                file: file.to_owned(),
                source: Box::new(source),
            };
            let kubeconfig = Kubeconfig::read_from(file).map_err(wrong)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(wrong)?
        }
        None => Config::incluster()?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(concat!("supercargo/", env!("CARGO_PKG_VERSION"))),
    ));
    Ok(Client::try_from(config)?)
}
