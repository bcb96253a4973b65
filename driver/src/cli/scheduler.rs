//! `supercargo scheduler`: the extender of a kube-scheduler.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::daemon::{ObservingFlags, PolicyFlags};
use super::{Exit, Failure};
use crate::scheduler::{self, Allocates, Options, TlsFiles};

const LONG_ABOUT: &str = "\
Extend a kube-scheduler: policies decide which node and which devices

The kube-scheduler asks an extender about the nodes that are left after its own rules. Supercargo answers \
with the allocator and the policies of the configuration.

In owning mode (--mode own) Supercargo allocates the claims of the pods that name its scheduler, and binds \
them: give it a kube-scheduler of its own, whose profile has the DynamicResources plugin disabled. In \
co-existing mode (--mode coexist) the plugin goes on allocating, and Supercargo only says which nodes not to \
take and which to take first. One device must never have two allocators, so --mode own starts only when \
admission makes sure that nobody else allocates devices of its drivers \
(examples/scheduler/own/guard.yaml), and stops owning when that ends.";

const NOTES: &str = "\
What the kube-scheduler has to know (KubeSchedulerConfiguration, examples/scheduler):
  urlPrefix and the verbs filter, prioritize, bind and preempt (coexist: filter and prioritize);
  nodeCacheCapable: true; no managedResources, for claims do not count there; never ignorable in owning mode.

Extended resources (--mode own):
  A container that asks for `example.com/gpu: 2` gets devices of the DeviceClass with that extendedResourceName, \
  or of the class in `deviceclass.resource.kubernetes.io/CLASS`, by a claim that Supercargo makes for the pod. \
  Nodes whose device plugin offers the resource are left to it. The kube-scheduler passes such pods on when its \
  feature gate DRAExtendedResource is on (as it is from Kubernetes 1.36), and the API server and the kubelets \
  need it, too. Where it is off, the pod's event says `Insufficient example.com/gpu`.

Preemption (--mode own):
  Where only devices are short, the kube-scheduler never asks an extender who should go. So when every node \
  was refused, Supercargo deletes pods of lower priority that hold the devices, as few as possible and \
  by the scheduler's own rules: PodDisruptionBudgets, grace, the condition DisruptionTarget, an Event \
  `Preempted`. `preemptionPolicy: Never` is respected. With 100 feasible nodes or more the kube-scheduler may \
  offer some of them only; then nobody goes while any node has the devices free (or set \
  percentageOfNodesToScore: 100).

Replicas (--mode own):
  One of them leads, by a Lease, and all are ready: whoever is asked passes the connection on to the leader, at \
  the address that the Lease says (--advertise). A leader that dies is replaced when its Lease has run out. What \
  it left half done is completed when its pod is scheduled again, or undone after --grace.

Probes and metrics (--address):
  /livez    200 while the process runs
  /readyz   200 while all is read and, in owning mode, a leader is known and the guard is in force
  /metrics  OpenMetrics; all names begin with supercargo_ or process_

Examples:
  Beside the in-tree plugin, outside a cluster
    supercargo scheduler --mode coexist --kubeconfig ~/.kube/config --config config.yaml

  In a cluster: step by step in examples/scheduler/README.md
    supercargo scheduler --mode own --driver gpu.nvidia.com --config config.yaml

Exit status: 0 told to end (SIGTERM, SIGINT) and everything finished, 1 could not go on, \
2 bad flags, configuration or certificates.";

/// Extend a kube-scheduler with policies
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = NOTES)]
pub(super) struct Scheduler {
    /// Who allocates devices
    #[arg(long, value_name = "MODE", value_enum)]
    mode: Allocates,

    /// A driver whose devices are decided about; may be given several times [default with --mode coexist: all]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    driver: Vec<String>,

    /// The scheduler whose pods are allocated for and bound: their `schedulerName` (--mode own)
    #[arg(long, value_name = "NAME", default_value = "supercargo")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    scheduler_name: String,

    #[command(flatten)]
    policies: PolicyFlags,

    /// How to reach the API server [default: as the pod this runs in]
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true)]
    #[arg(help_heading = "Kubernetes")]
    kubeconfig: Option<PathBuf>,

    /// Where the kube-scheduler connects
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:10270")]
    #[arg(help_heading = "Serving")]
    listen: SocketAddr,

    /// The certificate to serve HTTPS with, and those between it and its authority; read again every ten seconds
    #[arg(
        long,
        value_name = "FILE.pem",
        requires = "tls_key",
        help_heading = "Serving"
    )]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[arg(
        long,
        value_name = "FILE.pem",
        requires = "tls_cert",
        help_heading = "Serving"
    )]
    tls_key: Option<PathBuf>,

    /// The authorities that clients' certificates must come from; without it, anybody may ask
    #[arg(
        long,
        value_name = "FILE.pem",
        requires = "tls_cert",
        help_heading = "Serving"
    )]
    client_ca: Option<PathBuf>,

    /// By which address other replicas reach this one, at the port of --listen [default: that of --listen]
    #[arg(long, value_name = "IP", env = "POD_IP", hide_env_values = true)]
    #[arg(help_heading = "Replicas")]
    advertise: Option<IpAddr>,

    /// The namespace of the Lease by which one of several replicas leads
    #[arg(
        long,
        value_name = "NAME",
        env = "POD_NAMESPACE",
        hide_env_values = true
    )]
    #[arg(help_heading = "Replicas", default_value = "supercargo")]
    lease_namespace: String,

    /// The Lease
    #[arg(long, value_name = "NAME", default_value = "supercargo-scheduler")]
    #[arg(help_heading = "Replicas")]
    lease_name: String,

    /// How long the Lease holds without being renewed, in seconds: how long it takes to replace a leader
    /// that died
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 15,
        help_heading = "Replicas"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(4..=300))]
    lease_duration: u64,

    /// What this replica is called in the Lease, with a random part behind it
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true)]
    #[arg(help_heading = "Replicas", default_value = "supercargo")]
    identity: String,

    /// After how many seconds a claim is released from a pod that did not get bound
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        help_heading = "Replicas"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    grace: u64,

    #[command(flatten)]
    observing: ObservingFlags,
}

impl Scheduler {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let (policies, journal) = self.policies.read();
        let tls = self
            .tls_cert
            .zip(self.tls_key)
            .map(|(certificate, key)| TlsFiles {
                certificate,
                key,
                clients: self.client_ca,
            });
        // Of a process that is started again nothing is known of the one before.
        let identity = format!("{}_{}", self.identity, uuid::Uuid::new_v4());
        scheduler::run(Options {
            mode: self.mode,
            drivers: self.driver.into_iter().collect::<BTreeSet<_>>(),
            scheduler: self.scheduler_name,
            policies,
            journal,
            kubeconfig: self.kubeconfig,
            listen: self.listen,
            tls,
            advertise: self.advertise,
            address: self.observing.address,
            lease_namespace: self.lease_namespace,
            lease_name: self.lease_name,
            lease_duration: Duration::from_secs(self.lease_duration),
            grace: Duration::from_secs(self.grace),
            telemetry: self.observing.telemetry(
                "supercargo-scheduler",
                vec![("service.instance.id", identity.clone())],
            ),
            identity,
        })
        .map_err(Box::new)?;
        Ok(Exit::Done)
    }
}
