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
mod options;
pub mod plugin;

pub mod readiness;
pub mod service;
pub mod slices;
pub mod status;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use supercargo_host::policy::{Engine, EngineError, EngineOptions};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use crate::daemon::{self, Signals, SystemError, named, stopped};
use crate::devices::Source;
use crate::devices::simulated::{Simulated, Topology};
use crate::kubernetes::{self, api::ResourceApi};
use crate::probes::Probes;
use crate::serving::{self, Change, Policies};
use claims::{Claims, Recovered, Setup};
use concerned::Concerned;
use events::{Events, Reporter};
use follow::Followers;
use inventory::{Inventory, Views};
use metrics::Metrics;
pub use options::{NodeError, Options};
use plugin::Plugin;
use readiness::{Condition, Readiness};
use service::Service;
use slices::{Publisher, Succession};
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

/// Serves until the process is told to end, and finishes what is under way.
///
/// # Errors
/// Why it could not start, or could not go on.
pub fn run(options: Options) -> Result<(), NodeError> {
    let started = Instant::now();
    options.check()?;
    let mut threads = Builder::new_multi_thread();
    threads
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(IDLE);
    let driver = serve(&options, started);
    daemon::run(&mut threads, &options.telemetry, LAST_WRITES, driver)
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
    let policies = Arc::new(policies.recorded_in(options.journal.as_deref())?);
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
        host: options.host.clone(),
        boot: claims::boot_id().map_err(|source| SystemError {
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
        options.owner(),
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
    let succession = Succession::join(&options.data)
        .await
        .map_err(|source| NodeError::Folder {
            path: options.data.join("publishers"),
            source,
        })?;
    let plugin = Plugin::start(&options.plugin(), service, views.health).await?;

    let (stop_publishing, publishing) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let (publisher, published) = Publisher::new(api, options.owner(), views.announced);
    let mut parts = JoinSet::new();
    parts.spawn(named(
        "publishing",
        publisher.take_turns(stopped(publishing), succession),
    ));
    parts.spawn(named(
        "the inventory",
        inventory.run(stopped(stopping.clone())),
    ));
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
        serving::watch(policies, move |changes| of_policies.policies(changes)),
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
    stop_publishing.send_replace(true);
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
