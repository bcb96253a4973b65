//! What the node driver is to do, and why it could not.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use supercargo_host::names;
use supercargo_host::policy::EngineError;

use super::claims::OpenError;
use super::plugin::{self, PluginError};
use super::slices::Owner;
use crate::daemon::SystemError;
use crate::devices::DeviceError;
use crate::devices::simulated::TopologyError;
use crate::journal::JournalError;
use crate::kubernetes::ConnectError;
use crate::policies::PolicyError;
use crate::serving::Origin;
use crate::telemetry::{Telemetry, TelemetryError};

/// What the node driver is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node's name.
    pub node: String,
    /// The driver's name.
    pub driver: String,
    /// The file that describes the hardware.
    pub topology: PathBuf,
    /// Where policies come from.
    pub policies: Origin,
    /// Where what they decide about claims is written down.
    pub journal: Option<PathBuf>,
    /// How to reach the API server; `None`: as a pod.
    pub kubeconfig: Option<PathBuf>,
    /// The UID of the pod this runs in, for rolling updates.
    pub pod_uid: Option<String>,
    /// The kubelet's folder of registration sockets.
    pub registry: PathBuf,
    /// The driver's own folder.
    pub data: PathBuf,
    /// The folder of CDI files.
    pub cdi: PathBuf,
    /// Where the host's root is seen.
    pub host: PathBuf,
    /// Where probes and metrics are answered.
    pub address: SocketAddr,
    /// What is logged and traced.
    pub telemetry: Telemetry,
}

impl Options {
    pub(super) fn check(&self) -> Result<(), NodeError> {
        let name = |flag, name: &str, checked: names::Checked| {
            checked.map_err(|rule| NodeError::Name {
                flag,
                name: name.to_owned(),
                rule,
            })
        };
        name("--node-name", &self.node, names::dns_subdomain(&self.node))?;
        name("--driver", &self.driver, names::driver(&self.driver))?;
        for (flag, path) in [
            ("--registry-dir", &self.registry),
            ("--data-dir", &self.data),
            ("--cdi-root", &self.cdi),
        ] {
            if !path.is_absolute() {
                let path = path.clone();
                return Err(NodeError::Path { flag, path });
            }
        }
        if !self.host.is_dir() {
            return Err(NodeError::HostRoot(self.host.clone()));
        }
        Ok(())
    }

    pub(super) fn owner(&self) -> Owner {
        Owner {
            driver: self.driver.clone(),
            node: self.node.clone(),
        }
    }

    pub(super) fn plugin(&self) -> plugin::Config {
        plugin::Config {
            driver: self.driver.clone(),
            registry: self.registry.clone(),
            data: self.data.clone(),
            pod_uid: self.pod_uid.clone(),
        }
    }
}

/// Why the node driver did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A name that none can have.
    #[error("{flag} {name:?} {rule}")]
    Name {
        /// The flag.
        flag: &'static str,
        /// What it was given.
        name: String,
        /// What is wrong with it.
        rule: String,
    },
    /// A folder that must be found by others, too.
    #[error("{flag} {}: must be an absolute path, for it is told to the kubelet and the container runtime", .path.display())]
    Path {
        /// The flag.
        flag: &'static str,
        /// What it was given.
        path: PathBuf,
    },
    /// The host's root is not seen there.
    #[error("--host-root {}: is no folder; mount the host's `/` there, or leave out the flag outside a container", .0.display())]
    HostRoot(PathBuf),
    /// The configuration.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The topology.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Logs and traces.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// WebAssembly does not run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The hardware cannot be used.
    #[error("the hardware cannot be used: {0}")]
    Devices(#[from] DeviceError),
    /// A folder cannot be made or used.
    #[error("cannot use {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What earlier processes left cannot be taken up.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address of probes and metrics.
    #[error("--address {address}: {source}; choose another one, or port 0 for any that is free")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kubelet cannot be met.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The system refuses what every process gets.
    #[error(transparent)]
    System(#[from] SystemError),
    /// A part ended on its own.
    #[error("{0} ended on its own; the log says more, and a new process may help")]
    Ended(&'static str),
}

impl NodeError {
    /// Whether flags or files are wrong, rather than the machine.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::Path { .. }
            | Self::HostRoot(_)
            | Self::Policies(_)
            | Self::Journal(_)
            | Self::Topology(_)
            | Self::Telemetry(_)
            | Self::Connect(_) => true,
            Self::Engine(_)
            | Self::Devices(_)
            | Self::Folder { .. }
            | Self::Open(_)
            | Self::Address { .. }
            | Self::Plugin(_)
            | Self::System(_)
            | Self::Ended(_) => false,
        }
    }
}
