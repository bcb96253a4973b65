//! The side of the node driver that the kubelet talks to.
//!
//! The kubelet finds a registration socket in its registry folder, asks there where the driver
//! serves and which services, and calls those on a second socket. All of it is gRPC over unix
//! sockets, on which only root and the driver's own user may speak.
//!
//! Two instances may serve side by side during a rolling update: with a pod UID in the configuration,
//! each has sockets of its own ([`names`]), the kubelet prefers the one that registered last, and the
//! older one serves until it is told to stop. [`leftovers`] takes the sockets of instances that died.
//!
//! [`calls`] stands between the kubelet and the [`Handler`] that does the work: it answers every claim
//! once, whatever was asked, and lets work go on when the kubelet gives up waiting for it.

mod batch;
mod calls;
mod dra;
mod health;
mod leftovers;
mod listener;
mod names;
mod peers;
pub(crate) mod proto;
mod registration;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use self::calls::Handler;
pub use self::health::{DeviceHealth, Health, HealthReport};
pub use self::registration::Registration;

use self::calls::Calls;
use self::listener::SocketFile;
use self::serve::Server;

/// Where the driver meets the kubelet.
#[derive(Debug, Clone)]
pub struct Config {
    /// The driver's name, such as `gpu.nvidia.com`.
    pub driver: String,
    /// The kubelet's folder of registration sockets, such as `/var/lib/kubelet/plugins_registry`.
    /// Inside a container it must be mounted under the path it has on the host.
    pub registry: PathBuf,
    /// The folder of the driver, such as `/var/lib/kubelet/plugins/gpu.nvidia.com`: its service socket
    /// and all that it remembers. The same on the host and in the container.
    pub data: PathBuf,
    /// The UID of the pod, for rolling updates: instances then have sockets of their own (kubelet 1.33
    /// and newer). `None`: there is one instance at a time.
    pub pod_uid: Option<String>,
}

/// Why the driver cannot meet the kubelet.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A name that becomes part of a path is none.
    #[error("{what} {name:?} {rule}")]
    Name {
        /// Whose name.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        rule: String,
    },
    /// Unix sockets have short names.
    #[error(
        "socket path {} has {} bytes, and the kernel takes {}: choose a shorter {shorten}",
        path.display(), path.as_os_str().len(), names::PATH_MAX
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// What can be made shorter.
        shorten: &'static str,
    },
    /// A folder that others could write to, or that is no folder.
    #[error("{} {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something else is where the socket should be.
    #[error("{} is there and is not a socket; remove it", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another instance serves on that socket.
    #[error(
        "another instance serves on {}; stop it first, or give each instance its pod's UID so that \
         they can serve side by side", path.display()
    )]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A running plugin. Dropping it takes its sockets away at once, and calls that run end with the
/// process; [`Plugin::drain`] does it in good order.
#[derive(Debug)]
pub struct Plugin<H> {
    calls: Arc<Calls<H>>,
    stopping: watch::Sender<bool>,
    registration: watch::Receiver<Registration>,
    registration_socket: SocketFile,
    service_socket: SocketFile,
    servers: [Server; 2],
}

impl<H: Handler> Plugin<H> {
    /// Makes the sockets and serves on them. `health` is how the devices are doing now; as long as its
    /// sender lives, what it says is taken to hold.
    pub async fn start(
        config: &Config,
        handler: H,
        health: watch::Receiver<HealthReport>,
    ) -> Result<Self, PluginError> {
        let paths = names::socket_paths(config, config.pod_uid.as_deref())?;
        listener::private_folder(&config.data)?;
        listener::folder(&config.registry)?;
        // Instances that start at once take turns, so that none takes the socket of another for dead
        // between its birth and its first connection.
        let turn = leftovers::Turn::take(&config.data).await?;
        leftovers::remove(config).await?;
        let service = listener::bind(&paths.service).await?;
        let registration = listener::bind(&paths.registration).await?;
        drop(turn);

        let (stopping, stop) = watch::channel(false);
        let calls = Arc::new(Calls::new(handler));
        let (registrar, status) =
            registration::Registrar::new(config.driver.clone(), paths.service);
        let health = health::HealthWatch::new(health, stop.clone());
        let servers = [
            serve::services(service.listener, Arc::clone(&calls), health, stop.clone()),
            serve::registration(registration.listener, registrar, stop),
        ];
        Ok(Plugin {
            calls,
            stopping,
            registration: status,
            registration_socket: registration.file,
            service_socket: service.file,
            servers,
        })
    }

    /// What became of the registration with the kubelet; the node driver is ready when it is
    /// [`Registration::Registered`].
    pub fn registration(&self) -> watch::Receiver<Registration> {
        self.registration.clone()
    }

    /// Whether both sockets are still served. If not, only a new process helps.
    pub fn is_serving(&self) -> bool {
        self.servers.iter().all(Server::is_serving)
    }

    /// Ends in good order: unregisters, takes no more calls, and gives those that run `limit` to
    /// finish. Answers for how many claims work was not finished.
    pub async fn drain(self, limit: Duration) -> usize {
        // The kubelet sees the socket go and calls another instance, where there is one.
        drop(self.registration_socket);
        self.stopping.send_replace(true);
        let [services, registration] = self.servers;
        let finish = async {
            services.finished().await;
            registration.finished().await;
            self.calls.finished().await;
        };
        // Whether it was in time is told by what is left.
        let _in_time = tokio::time::timeout(limit, finish).await;
        drop(self.service_socket);
        self.calls.running()
    }
}
