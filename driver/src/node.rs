//! The node driver: a DRA kubelet plugin that announces what its node has and prepares claims.
//!
//! Here its parts are put together:
//! ```text
//! kubelet ── plugin ── service ── claims ── devices (the source)
//!                         │          └───── policies (configuration, components, grants)
//!                         └── events, status, metrics
//! devices ── inventory ── slices ── API server
//! ```
//! The kubelet is met last, when claims can be served: until then an older instance, if there is one,
//! goes on. From then on nothing that goes wrong ends the process but the loss of a part that only a
//! new process can replace.

pub mod claims;
pub mod concerned;
pub mod events;
mod follow;
pub mod inventory;
pub mod lock;
pub mod metrics;
pub mod plugin;

pub mod readiness;
pub mod service;
pub mod slices;
pub mod status;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use supercargo_host::names;
use supercargo_host::policy::{Engine, EngineError, EngineOptions};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use crate::devices::simulated::{Simulated, Topology, TopologyError};
use crate::devices::{DeviceError, Source};
pub use crate::kubernetes::api;
use crate::kubernetes::{self, ConnectError};
use crate::policies::PolicyError;
use crate::probes::Probes;
pub use crate::serving as policies;
use crate::telemetry::{LogFormat, Telemetry, TelemetryError};
use api::ResourceApi;
use claims::{Claims, OpenError, Recovered, Setup};
use concerned::Concerned;
use events::{Events, Reporter};
use follow::Followers;
use inventory::{Inventory, Views};
use metrics::Metrics;
use plugin::{Plugin, PluginError};
use policies::{Change, Origin, Policies};
use readiness::{Condition, Readiness};
use service::Service;
use slices::{Owner, Publisher};
use status::DeviceStatuses;

/// Threads for what never blocks. Two, so that a probe is answered while a call is worked on.
const WORKERS: usize = 2;
/// Threads for what blocks: files, hardware, policies. Each costs memory; claims of one batch share them.
const BLOCKING: usize = 8;
/// How long a blocking thread is kept without work.
const IDLE: Duration = Duration::from_secs(5);
/// How many calls of policies run at once.
const CALLS: usize = BLOCKING;
/// How long running calls may take to finish when the process is told to end.
const DRAIN: Duration = Duration::from_secs(20);
/// How long what is still to be written may take then.
const LAST_WRITES: Duration = Duration::from_secs(3);
/// How often the parts are looked after.
const CHECK: Duration = Duration::from_secs(5);

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
    /// Where probes and metrics are answered.
    pub address: SocketAddr,
    /// What is logged.
    pub log: String,
    /// How.
    pub log_format: LogFormat,
    /// Where traces go.
    pub traces: Option<String>,
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
    /// The configuration.
    #[error(transparent)]
    Policies(#[from] PolicyError),
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
    /// A folder cannot be made.
    #[error("cannot make {}: {source}", .path.display())]
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
    #[error("cannot {what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
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
            | Self::Policies(_)
            | Self::Topology(_)
            | Self::Telemetry(_)
            | Self::Connect(_) => true,
            Self::Engine(_)
            | Self::Devices(_)
            | Self::Folder { .. }
            | Self::Open(_)
            | Self::Address { .. }
            | Self::Plugin(_)
            | Self::System { .. }
            | Self::Ended(_) => false,
        }
    }
}

/// Serves until the process is told to end, and finishes what is under way.
///
/// # Errors
/// Why it could not start, or could not go on.
pub fn run(options: Options) -> Result<(), NodeError> {
    let started = Instant::now();
    options.check()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(IDLE)
        .enable_all()
        .build()
        .map_err(|source| NodeError::System {
            what: "start threads",
            source,
        })?;
    let outcome = runtime.block_on(async {
        let flush = options.telemetry().start()?;
        let outcome = serve(&options, started).await;
        let _ = spawn_blocking(move || flush.flush()).await;
        outcome
    });
    runtime.shutdown_timeout(LAST_WRITES);
    outcome
}

impl Options {
    fn check(&self) -> Result<(), NodeError> {
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
        Ok(())
    }

    fn telemetry(&self) -> Telemetry {
        Telemetry {
            filter: self.log.clone(),
            format: self.log_format,
            traces: self.traces.clone(),
            service: "supercargo-node",
            attributes: vec![
                ("k8s.node.name", self.node.clone()),
                ("supercargo.driver", self.driver.clone()),
            ],
        }
    }

    fn owner(&self) -> Owner {
        Owner {
            driver: self.driver.clone(),
            node: self.node.clone(),
        }
    }
}

/// What must be there before the kubelet is met.
struct Ground {
    policies: Arc<Policies>,
    /// What came of loading policies for the first time.
    loaded: Vec<Change>,
    source: Arc<dyn Source>,
    inventory: Inventory,
    views: Views,
}

/// Reads all files and looks at the hardware. Blocks.
fn ground(options: &Options) -> Result<Ground, NodeError> {
    let topology = Topology::read(&options.topology)?;
    std::fs::create_dir_all(&options.data).map_err(|source| NodeError::Folder {
        path: options.data.clone(),
        source,
    })?;
    let policies = Policies::new(
        &options.driver,
        engine(&options.data)?,
        options.policies.clone(),
    )?;
    let policies = Arc::new(policies);
    let loaded = policies.refresh();
    let source: Arc<dyn Source> =
        Arc::new(Simulated::open(topology, &options.data.join("simulated"))?);
    let asked = Arc::clone(&policies);
    let (inventory, views) = Inventory::new(
        Arc::clone(&source),
        options.owner(),
        Arc::new(move |hook| asked.of_inventory(hook)),
        options.data.join("taints.json"),
    )?;
    Ok(Ground {
        policies,
        loaded,
        source,
        inventory,
        views,
    })
}

/// The machine that policies run on. Code is compiled once where the driver's own folder is nobody
/// else's to write to.
fn engine(data: &Path) -> Result<Engine, EngineError> {
    let options = EngineOptions {
        concurrency: CALLS,
        // The hooks of a node are not asked the same twice.
        decisions: 0,
        compiled_code: Some(data.join("compiled-code")),
    };
    match Engine::new(options.clone()) {
        Err(EngineError::CompiledCode(error)) => {
            tracing::warn!(%error, "policies are compiled anew at every start");
            Engine::new(EngineOptions {
                compiled_code: None,
                ..options
            })
        }
        other => other,
    }
}

async fn serve(options: &Options, started: Instant) -> Result<(), NodeError> {
    let mut told_to_end = Signals::listen()?;
    let client = kubernetes::client(options.kubeconfig.as_deref()).await?;
    let probes = bound(options.address)
        .await
        .map_err(|source| NodeError::Address {
            address: options.address,
            source,
        })?;
    let in_background = options.clone();
    let ground = spawn_blocking(move || ground(&in_background))
        .await
        .map_err(|_| NodeError::Ended("starting"))??;
    let Ground {
        policies,
        loaded,
        source,
        inventory,
        views,
    } = ground;
    let api = ResourceApi::new(client.clone());
    let (claims, recovered) = Claims::open(Setup {
        driver: options.driver.clone(),
        node: options.node.clone(),
        pool: options.node.clone(),
        data: options.data.clone(),
        cdi: options.cdi.clone(),
        host: PathBuf::from("/"),
        boot: claims::boot_id().map_err(|source| NodeError::System {
            what: "read the boot ID",
            source,
        })?,
        source,
        announced: views.announced.clone(),
        policies: Arc::clone(&policies),
        api: api.clone(),
    })
    .await?;
    said(&recovered);

    let counted = Arc::clone(&claims);
    let metrics = Arc::new(Metrics::new(
        &options.driver,
        Arc::clone(&policies),
        move || {
            let prepared = counted.prepared();
            let devices = prepared.iter().map(|claim| claim.devices.len());
            (prepared.len(), devices.sum())
        },
    ));
    let reporter = Reporter {
        controller: options.driver.clone(),
        instance: options.node.clone(),
    };
    let (events, writes_events) = Events::start(client, reporter, Arc::clone(&metrics));
    let (statuses, writes_statuses) = DeviceStatuses::start(
        api.clone(),
        &options.driver,
        &options.node,
        Arc::clone(&metrics),
    );
    let (concerned, tells) = Concerned::start(
        api.clone(),
        &options.driver,
        events.clone(),
        statuses.clone(),
    );
    let readiness = Arc::new(Readiness::default());
    let followers = Followers {
        node: options.node.clone(),
        started,
        events,
        metrics: Arc::clone(&metrics),
        readiness: Arc::clone(&readiness),
    };
    followers.recovered(&recovered);
    followers.policies(&loaded);
    readiness.set(Condition::PoliciesRead, true);

    let service = Service {
        claims: Arc::clone(&claims),
        metrics: Arc::clone(&metrics),
        concerned,
        statuses,
    };
    let plugin = Plugin::start(&options.plugin(), service, views.health).await?;

    let (stop, stopping) = watch::channel(false);
    let (publisher, published) = Publisher::new(api, options.owner(), views.announced);
    let mut parts = JoinSet::new();
    parts.spawn(named("publishing", publisher.run(stopped(&stopping))));
    parts.spawn(named("the inventory", inventory.run(stopped(&stopping))));
    // What follows has nothing to finish.
    let mut endless = JoinSet::new();
    endless.spawn(named("the sweep of claims", claims.run()));
    let reported = {
        let readiness = Arc::clone(&readiness);
        move || readiness.report()
    };
    let numbers = {
        let metrics = Arc::clone(&metrics);
        move || metrics.text()
    };
    endless.spawn(named(
        "probes",
        probes.serve(crate::probes::pages(reported, numbers)),
    ));
    let of_policies = followers.clone();
    endless.spawn(named(
        "the watch on policies",
        policies::watch(policies, move |changes| of_policies.policies(changes)),
    ));
    endless.spawn(named(
        "following the kubelet",
        followers.clone().registration(plugin.registration()),
    ));
    endless.spawn(named(
        "following the hardware",
        followers.clone().troubles(views.troubles),
    ));
    endless.spawn(named(
        "following the ResourceSlices",
        followers.clone().slices(published),
    ));
    drop(followers);

    let outcome = tokio::select! {
        () = told_to_end.one() => Ok(()),
        ended = parts.join_next() => Err(NodeError::Ended(ended.and_then(Result::ok).unwrap_or("a part"))),
        ended = endless.join_next() => Err(NodeError::Ended(ended.and_then(Result::ok).unwrap_or("a part"))),
        () = unserved(&plugin) => Err(NodeError::Ended("serving the kubelet")),
    };
    tracing::info!("ending: running calls are finished first");
    readiness.set(Condition::Draining, true);
    let unfinished = plugin.drain(DRAIN).await;
    if unfinished > 0 {
        tracing::warn!(
            unfinished,
            "claims were still being worked on; the next process goes on"
        );
    }
    stop.send_replace(true);
    while parts.join_next().await.is_some() {}
    endless.shutdown().await;
    last_writes([tells, writes_events, writes_statuses]).await;
    tracing::info!("ended");
    outcome
}

impl Options {
    fn plugin(&self) -> plugin::Config {
        plugin::Config {
            driver: self.driver.clone(),
            registry: self.registry.clone(),
            data: self.data.clone(),
            pod_uid: self.pod_uid.clone(),
        }
    }
}

/// The address of probes and metrics, bound; its port may have been left to the system.
async fn bound(address: SocketAddr) -> io::Result<Probes> {
    let probes = Probes::bind(address).await?;
    tracing::info!(address = %probes.address()?, "probes and metrics are answered");
    Ok(probes)
}

/// Says what earlier processes left.
fn said(recovered: &Recovered) {
    tracing::info!(
        prepared = recovered.prepared,
        taken_down = recovered.taken_down.len(),
        left = recovered.left.len(),
        set_aside = recovered.set_aside.len(),
        "took up the claims of earlier processes"
    );
    for (claim, error) in &recovered.left {
        tracing::warn!(claim, %error, "a claim of an earlier process cannot be taken down yet");
    }
}

async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

/// Completes when the parts are to stop.
fn stopped(stopping: &watch::Receiver<bool>) -> impl Future<Output = ()> + use<> {
    let mut stopping = stopping.clone();
    async move {
        // Whoever could say stop is gone: that is a stop, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}

/// Completes when the sockets are no longer served.
async fn unserved(plugin: &Plugin<Service>) {
    let mut check = tokio::time::interval(CHECK);
    while plugin.is_serving() {
        check.tick().await;
    }
}

/// Waits for what writes, whose queues are closed by now.
async fn last_writes(tasks: [JoinHandle<()>; 3]) {
    let all = futures::future::join_all(tasks);
    if tokio::time::timeout(LAST_WRITES, all).await.is_err() {
        tracing::warn!("some Events or statuses of claims were not written");
    }
}

/// What tells the process to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, NodeError> {
        let listen = |kind| {
            signal(kind).map_err(|source| NodeError::System {
                what: "listen for signals",
                source,
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn one(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
