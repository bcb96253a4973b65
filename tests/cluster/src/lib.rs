//! A real Kubernetes on one machine.
//!
//! etcd, the API server, the controllers, the scheduler and any number of nodes (containerd and a
//! kubelet each), built from pinned sources, started in seconds, gone without a trace. What Supercargo
//! does to a cluster is tested here, because a mock of a kubelet only ever knows what its author knew.
//!
//! ```no_run
//! # async fn example() -> Result<(), supercargo_cluster::ClusterError> {
//! use supercargo_cluster::{Cluster, Options};
//!
//! // An API server and nothing else, in two or three seconds:
//! let cluster = Cluster::start(Options::api_server().feature_gate("DRAListTypeAttributes", true)).await?;
//! let client: kube::Client = cluster.client();
//!
//! // A whole cluster with two nodes that run pods, as root:
//! let cluster = Cluster::start(Options::nodes(2)).await?;
//! cluster.namespace("demo").await?;
//! cluster.kubectl().apply("demo", "apiVersion: v1 ...").await?;
//! let sockets = cluster.nodes()[0].plugin_registry();
//! # Ok(())
//! # }
//! ```
//!
//! A cluster ends when its [`Cluster`] is dropped, and also when the process that holds it is killed:
//! all of it lives in namespaces that end with their owner (`sandbox`). Clusters do not disturb each
//! other: ports, folders, control groups and pod networks are each one's own.
//!
//! The programs are built once a machine (`tools`), into `$SUPERCARGO_CLUSTER_CACHE` or
//! `~/.cache/supercargo/cluster`. Where they cannot run, [`Cluster::start`] answers with
//! [`ClusterError::Unavailable`], which says what to install; tests that use [`harness`] are then
//! skipped, each by name.

mod cgroups;
mod cluster;
mod command;
mod control_plane;
mod daemon;
pub mod devices;
mod driver;
mod error;
pub mod events;
mod extender;
pub mod figures;
pub mod harness;
mod image;
mod kubectl;
pub mod load;
mod log;
pub mod metrics;
mod node;
mod options;
mod owner;
pub mod owning;
mod pki;
mod ports;
mod program;
mod requirements;
mod sandbox;
mod scratch;
mod tools;
mod wait;

pub use cluster::{Cluster, down, running};
pub use daemon::{Daemon, is_ready};
pub use driver::{DRIVER, Driver, DriverOptions, rights};
pub use error::ClusterError;
pub use extender::{Extender, ExtenderOptions};
pub use image::IMAGE;
pub use kubectl::Kubectl;
pub use node::Node;
pub use options::Options;
pub use owner::Owner;
pub use ports::free as free_ports;
pub use program::{build_policy, supercargo};
pub use requirements::{Need, Unavailable};
pub use sandbox::{Process, own_processor};
pub use tools::{KUBERNETES, Tools};
pub use wait::{until, until_object, until_objects};
