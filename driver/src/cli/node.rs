//! `supercargo node`: the node driver.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::daemon::{ObservingFlags, PolicyFlags};
use super::{Exit, Failure};
use crate::node::{self, Options};

const LONG_ABOUT: &str = "\
Serve this node's devices to its kubelet

The node driver announces the devices of its node as ResourceSlices, and makes them ready for the \
containers of a pod when the kubelet asks: it reads what the claim was given, asks the policy that the \
configuration names for a plan, holds the plan against the policy's grants, carries it out, and writes a \
CDI file that shows the containers their devices. Without a policy, containers get their devices as they \
are. What was done is remembered on disk and taken back when the last container is gone.

One process serves one driver on one node, usually from a DaemonSet (examples/node). Flags have \
environment variables, so that a DaemonSet can set them from the pod's own fields.";

const NOTES: &str = "\
Policies:
  --config names policies, what they are granted, and which requests each serves. Its `wasm` files are \
  looked for in --policy-dir. Any other NAME.wasm in that folder is a policy of its own, without settings \
  and grants, that serves what no rule of the configuration is for. Both are watched: what changes holds \
  from the next call on; what is refused is reported, and the last good version goes on serving.

Probes and metrics (--address):
  /livez    200 while the process runs
  /readyz   200 while policies are read, slices are published and the kubelet has the plugin
  /metrics  OpenMetrics; all names begin with supercargo_ or process_

Examples:
  Devices of a topology file, outside a cluster, against the current kubeconfig's API server
    supercargo node --node-name worker-1 --kubeconfig ~/.kube/config --topology node.yaml

  As a DaemonSet
    kubectl apply -f examples/node

  What would be done for a claim, without doing it
    supercargo plan -f claim.yaml --topology node.yaml --config config.yaml

Exit status: 0 told to end (SIGTERM, SIGINT) and everything finished, 1 could not go on, \
2 bad flags, configuration or topology.";

/// Serve this node's devices to its kubelet
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = NOTES)]
pub(super) struct Node {
    /// The node this runs on
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    node_name: String,

    /// The hardware: a YAML topology, simulated in files under --data-dir
    #[arg(
        long,
        value_name = "FILE.yaml",
        env = "SUPERCARGO_TOPOLOGY",
        hide_env_values = true
    )]
    topology: PathBuf,

    /// The driver that is served: the `driver` of slices, allocations and opaque parameters
    #[arg(long, value_name = "NAME", env = "DRIVER_NAME", hide_env_values = true)]
    #[arg(default_value = "gpu.nvidia.com", value_parser = NonEmptyStringValueParser::new())]
    driver: String,

    #[command(flatten)]
    policies: PolicyFlags,

    /// How to reach the API server [default: as the pod this runs in]
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true)]
    #[arg(help_heading = "Kubernetes")]
    kubeconfig: Option<PathBuf>,

    /// The pod this runs in: instances of a rolling update then serve side by side (kubelet 1.33 and newer)
    #[arg(long, value_name = "UID", env = "POD_UID", hide_env_values = true)]
    #[arg(help_heading = "Kubernetes", value_parser = NonEmptyStringValueParser::new())]
    pod_uid: Option<String>,

    /// The kubelet's folder of registration sockets
    #[arg(
        long,
        value_name = "DIR",
        env = "KUBELET_REGISTRY_DIR",
        hide_env_values = true
    )]
    #[arg(
        help_heading = "Folders",
        default_value = "/var/lib/kubelet/plugins_registry"
    )]
    registry_dir: PathBuf,

    /// The driver's own folder, for its socket and what it remembers; the same path on the host and in
    /// the container [default: /var/lib/kubelet/plugins/<DRIVER>]
    #[arg(long, value_name = "DIR", env = "DATA_DIR", hide_env_values = true)]
    #[arg(help_heading = "Folders")]
    data_dir: Option<PathBuf>,

    /// The folder where the container runtime looks for CDI files
    #[arg(long, value_name = "DIR", env = "CDI_ROOT", hide_env_values = true)]
    #[arg(help_heading = "Folders", default_value = "/var/run/cdi")]
    cdi_root: PathBuf,

    /// Where the host's root is mounted in this container: what a policy shows to containers is looked
    /// up below it, and shown by its path on the host
    #[arg(long, value_name = "DIR", env = "HOST_ROOT", hide_env_values = true)]
    #[arg(help_heading = "Folders", default_value = "/")]
    host_root: PathBuf,

    #[command(flatten)]
    observing: ObservingFlags,
}

impl Node {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (policies, journal) = self.policies.read();
        let default_data = || PathBuf::from("/var/lib/kubelet/plugins").join(&self.driver);
        let attributes = vec![
            ("k8s.node.name", self.node_name.clone()),
            ("supercargo.driver", self.driver.clone()),
        ];
        let options = Options {
            data: self.data_dir.unwrap_or_else(default_data),
            node: self.node_name,
            driver: self.driver,
            topology: self.topology,
            policies,
            journal,
            kubeconfig: self.kubeconfig,
            pod_uid: self.pod_uid,
            registry: self.registry_dir,
            cdi: self.cdi_root,
            host: self.host_root,
            address: self.observing.address,
            telemetry: self.observing.telemetry("supercargo-node", attributes),
        };
        node::run(options)?;
        Ok(Exit::Done)
    }
}
