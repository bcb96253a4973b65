//! The node driver on a node of the cluster.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::daemon::Daemon;
use crate::devices::example;
use crate::error::{ClusterError, at};
use crate::node::Node;
use crate::ports;

/// What is served unless told otherwise.
pub const DRIVER: &str = "gpu.nvidia.com";

/// How a node driver is started.
#[derive(Debug, Clone, Default)]
pub struct DriverOptions {
    /// What it is called in logs besides its node; needed when a node has two.
    pub instance: String,
    /// The hardware: a topology file.
    pub topology: PathBuf,
    /// The administrator's configuration.
    pub config: Option<PathBuf>,
    /// The folder that policies are dropped into.
    pub policy_dir: Option<PathBuf>,
    /// The UID of the pod that it would run in: two instances can then serve side by side.
    pub pod_uid: Option<String>,
    /// How it reaches the API server; `None`: as the administrator.
    pub kubeconfig: Option<PathBuf>,
    /// More environment, such as the name of a fault point.
    pub environment: Vec<(String, String)>,
}

/// Gives the driver of a node what its DaemonSet gives it, and answers how it then reaches the API
/// server: as the account of `examples/node`, with those rights and no more.
pub async fn rights(cluster: &Cluster, node: &Node) -> Result<PathBuf, ClusterError> {
    let kubectl = cluster.kubectl();
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: supercargo}\n";
    kubectl.apply("default", namespace).await?;
    for file in ["rbac.yaml", "admission.yaml"] {
        let path = example(&format!("node/{file}"));
        let text = fs::read_to_string(&path).map_err(at("read", &path))?;
        kubectl.apply("supercargo", &text).await?;
    }
    cluster
        .kubeconfig_of_account("supercargo", "supercargo-node", node)
        .await
}

/// A running `supercargo node`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Driver {
    daemon: Daemon,
    data: PathBuf,
}

impl Driver {
    /// Starts the driver for a node. It may not be ready yet; see [`Daemon::ready`].
    pub fn start(
        cluster: &Cluster,
        node: &Node,
        program: &Path,
        options: &DriverOptions,
    ) -> Result<Self, ClusterError> {
        let [port] = ports::free()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let data = node.plugins().join(DRIVER);
        let name = format!("driver-{}{}", node.name(), options.instance);
        let kubeconfig = options.kubeconfig.as_deref();
        let process = cluster.spawn(&name, program, |command| {
            command
                .args(["node", "--driver", DRIVER, "--node-name", node.name()])
                .args(["--address", &address.to_string()])
                .arg("--topology")
                .arg(&options.topology)
                .arg("--kubeconfig")
                .arg(kubeconfig.unwrap_or(cluster.kubeconfig()))
                .arg("--registry-dir")
                .arg(node.plugin_registry())
                .arg("--data-dir")
                .arg(&data)
                .arg("--cdi-root")
                .arg(node.cdi())
                .envs(options.environment.iter().cloned());
            for (flag, value) in [
                ("--config", &options.config),
                ("--policy-dir", &options.policy_dir),
            ] {
                if let Some(path) = value {
                    command.arg(flag).arg(path);
                }
            }
            if let Some(uid) = &options.pod_uid {
                command.args(["--pod-uid", uid]);
            }
        })?;
        let daemon = Daemon { process, address };
        Ok(Self { daemon, data })
    }

    /// Leaves it running, in a detached cluster.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Its own folder: sockets, what it remembers, the simulated hardware.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl Deref for Driver {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}
