//! The scheduler extender: policies decide placement, and the kube-scheduler goes on scheduling.
//!
//! Here its parts are put together:
//! ```text
//! kube-scheduler ── listen ── service ── decide ── state ── watches ── API server
//!                                │          └───── policies
//!                   └ relay        ├── bind ── API server
//!                                │    └ leader, guard, heal
//!                                └── preempt ── API server
//! ```
//! In *owning* mode Supercargo allocates the claims of the pods of one scheduler: Filter and Prioritize
//! ask the allocator and the policies, Bind writes. In *co-existing* mode the in-tree plugin allocates, and
//! Supercargo only says which nodes it would not take, and which it would take first.

pub mod bind;
pub mod conditions;
pub mod decide;
pub mod guard;
pub mod heal;
pub mod leader;
pub mod listen;
pub mod metrics;
pub mod miss;
pub mod pod;
pub mod preempt;
pub mod relay;
pub mod service;
pub mod state;
pub mod wire;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use supercargo_host::allocator::{Allocator, Features};
use supercargo_host::names;
use supercargo_host::policy::{Engine, EngineError, EngineOptions};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

use crate::daemon::{self, Signals, SystemError, named, stopped};
use crate::journal::JournalError;
use crate::kubernetes::api::ResourceApi;
use crate::kubernetes::{self, ConnectError};
use crate::policies::PolicyError;
use crate::probes::{self, Probes};
use crate::serving::{Change, Origin, Policies};
use crate::telemetry::{Telemetry, TelemetryError};
use bind::Binder;
use decide::Decider;
use guard::{GuardError, Guarded};
use heal::Healer;
use leader::{Election, Leader, Leadership};
use listen::Listener;
pub use listen::{TlsError, TlsFiles};
use metrics::Metrics;
use preempt::preemptor::Preemptor;
use service::{Mode, Service};
use state::{Kind, State};

/// How long requests that are under way may take when the process is told to end.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the rest may take then.
const LAST: Duration = Duration::from_secs(3);

/// Who allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Allocates {
    /// Supercargo allocates the devices of its drivers, and binds the pods of its scheduler
    Own,
    /// The in-tree plugin allocates; Supercargo vetoes and ranks nodes
    Coexist,
}

/// What the scheduler extender is to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who allocates.
    pub mode: Allocates,
    /// Whose devices are handed out.
    pub drivers: BTreeSet<String>,
    /// The scheduler whose pods are decided for.
    pub scheduler: String,
    /// Where policies come from.
    pub policies: Origin,
    /// Where what they decide is written down.
    pub journal: Option<PathBuf>,
    /// How to reach the API server; `None`: as a pod.
    pub kubeconfig: Option<PathBuf>,
    /// Where the kube-scheduler connects.
    pub listen: SocketAddr,
    /// TLS there.
    pub tls: Option<TlsFiles>,
    /// The address by which other replicas reach this one; `None`: that of `listen`.
    pub advertise: Option<IpAddr>,
    /// Where probes and metrics are answered.
    pub address: SocketAddr,
    /// The namespace of the Lease.
    pub lease_namespace: String,
    /// The Lease.
    pub lease_name: String,
    /// How long it holds.
    pub lease_duration: Duration,
    /// Who this process is.
    pub identity: String,
    /// After which time a claim is released from a pod that did not get bound.
    pub grace: Duration,
    /// What is logged and traced.
    pub telemetry: Telemetry,
}

/// Why the scheduler extender did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
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
    /// It is not said whose devices to own.
    #[error(
        "--mode own needs --driver: name the drivers whose devices Supercargo is to allocate; all others \
         stay with the in-tree plugin"
    )]
    NoDriver,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The configuration.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// Logs and traces.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// WebAssembly does not run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else could allocate the same devices.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// An address cannot be had.
    #[error("{flag} {address}: {source}; choose another one, or port 0 for any that is free")]
    Address {
        /// The flag.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system refuses what every process gets.
    #[error(transparent)]
    System(#[from] SystemError),
    /// A part ended on its own.
    #[error("{0} ended on its own; the log says more, and a new process may help")]
    Ended(&'static str),
}

impl SchedulerError {
    /// Whether flags or files are wrong, rather than the cluster or the machine.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::NoDriver
            | Self::Policies(_)
            | Self::Journal(_)
            | Self::Telemetry(_)
            | Self::Connect(_)
            | Self::Tls(_) => true,
            Self::Engine(_)
            | Self::Guard(_)
            | Self::Address { .. }
            | Self::System(_)
            | Self::Ended(_) => false,
        }
    }
}

/// Serves until the process is told to end, and finishes what is under way.
///
/// # Errors
/// Why it could not start, or could not go on.
pub fn run(options: Options) -> Result<(), SchedulerError> {
    options.check()?;
    let mut threads = Builder::new_multi_thread();
    daemon::run(&mut threads, &options.telemetry, LAST, serve(&options))
}

impl Options {
    fn check(&self) -> Result<(), SchedulerError> {
        if self.mode == Allocates::Own && self.drivers.is_empty() {
            return Err(SchedulerError::NoDriver);
        }
        let wrong = |flag, name: &str, rule| SchedulerError::Name {
            flag,
            name: name.to_owned(),
            rule,
        };
        for driver in &self.drivers {
            names::driver(driver).map_err(|rule| wrong("--driver", driver, rule))?;
        }
        let lease = &self.lease_name;
        names::dns_subdomain(lease).map_err(|rule| wrong("--lease-name", lease, rule))?;
        Ok(())
    }

    /// Where other replicas reach this one, which listens there; `None`: nobody has said.
    fn reached_at(&self, listens: Option<SocketAddr>) -> Option<SocketAddr> {
        let listens = listens?;
        let address = self.advertise.unwrap_or(listens.ip());
        (!address.is_unspecified()).then(|| SocketAddr::new(address, listens.port()))
    }
}

/// What keeps the replica from being ready, beside the state of its caches.
#[derive(Debug, Default)]
struct Conditions {
    policies_read: AtomicBool,
    draining: AtomicBool,
}

async fn serve(options: &Options) -> Result<(), SchedulerError> {
    let mut told_to_end = Signals::listen()?;
    let client = kubernetes::client(options.kubeconfig.as_deref()).await?;
    let tls = match &options.tls {
        Some(files) => Some((files.clone(), files.read()?)),
        None => None,
    };
    let owns = options.mode == Allocates::Own;
    if owns {
        guard::check(&client, &options.drivers).await?;
    }
    let bound = |flag, address, source| SchedulerError::Address {
        flag,
        address,
        source,
    };
    let probes = Probes::bind(options.address)
        .await
        .map_err(|source| bound("--address", options.address, source))?;
    let listener = Listener::bind(options.listen, tls)
        .await
        .map_err(|source| bound("--listen", options.listen, source))?;
    for (what, address) in [
        ("probes and metrics are answered", probes.address()),
        ("the extender is served", listener.address()),
    ] {
        if let Ok(address) = address {
            tracing::info!(%address, "{what}");
        }
    }

    let policies = Policies::new(
        "",
        Engine::new(EngineOptions::default())?,
        options.policies.clone(),
    )?;
    let policies = Arc::new(policies.recorded_in(options.journal.as_deref())?);
    let api = ResourceApi::new(client.clone());
    let none = Arc::new(Allocator::from_shared(Features::ALL, [], []));
    let state = Arc::new(State::new(
        options.drivers.clone(),
        policies.placement(Arc::clone(&none)),
    ));
    let decider = Arc::new(Decider::new(Arc::clone(&state)));
    let (guarding, guarded) = watch::channel(Guarded::AT_START);
    let leadership = Leadership::new(guarded);
    let metrics = Arc::new(Metrics::new(
        Arc::clone(&policies),
        Arc::clone(&state),
        Arc::clone(&decider),
        leadership.clone(),
    ));
    let conditions = Arc::new(Conditions::default());
    let election = Election {
        namespace: options.lease_namespace.clone(),
        name: options.lease_name.clone(),
        identity: options.identity.clone(),
        address: options.reached_at(listener.address().ok()),
        duration: options.lease_duration,
    };
    let binder = owns.then(|| {
        Binder::new(
            Arc::clone(&state),
            Arc::clone(&decider),
            api.clone(),
            leadership.clone(),
            election.write_within(),
            options.scheduler.clone(),
        )
    });
    let busy = binder.as_ref().map(|binder| binder.busy().clone());

    let mut endless = JoinSet::new();
    if owns {
        let watched = guard::watch(
            client,
            options.drivers.clone(),
            guarding,
            options.identity.clone(),
            election.reference(),
        );
        endless.spawn(named("the watch on the guard", watched));
    }
    for kind in Kind::ALL {
        if kind == Kind::Budgets && !owns {
            // Who lets nobody go need not know them.
            state.synced(kind);
            continue;
        }
        let feed = state::watch::feed(api.clone(), Arc::clone(&state), kind);
        endless.spawn(named("a watch", feed));
    }
    let tell = {
        let (policies, state) = (Arc::clone(&policies), Arc::clone(&state));
        let (decider, conditions) = (Arc::clone(&decider), Arc::clone(&conditions));
        move |changes: &[Change]| {
            told(changes);
            decider.tell_apart_by(policies.told_apart_by());
            state.set_policies(policies.placement(Arc::clone(&none)));
            conditions.policies_read.store(true, Ordering::Relaxed);
        }
    };
    // The first look, before anything is decided by rules that are not read yet.
    let first = Arc::clone(&policies);
    let changes = spawn_blocking(move || first.refresh())
        .await
        .map_err(|_| SchedulerError::Ended("reading policies"))?;
    tell(&changes);
    endless.spawn(named(
        "the watch on policies",
        crate::serving::watch(policies, tell),
    ));
    endless.spawn(named("probes", {
        let ready = readiness(&state, &leadership, &conditions, owns);
        let metrics = Arc::clone(&metrics);
        probes.serve(probes::pages(ready, move || metrics.text()))
    }));
    if let Some(binder) = &binder {
        let healer = Healer {
            state: Arc::clone(&state),
            binder: binder.clone(),
            api: api.clone(),
            leadership: leadership.clone(),
            metrics: Arc::clone(&metrics),
            scheduler: options.scheduler.clone(),
            grace: options.grace,
        };
        endless.spawn(named("healing", healer.run()));
    }
    let mode = match options.mode {
        Allocates::Own => Mode::Own {
            scheduler: options.scheduler.clone(),
        },
        Allocates::Coexist => Mode::Coexist,
    };
    let preemptor = binder.clone().map(|binder| {
        let (state, decider) = (Arc::clone(&state), Arc::clone(&decider));
        Arc::new(Preemptor::new(state, decider, binder, Arc::clone(&metrics)))
    });
    if let Some(preemptor) = &preemptor {
        endless.spawn(named("preemption", Arc::clone(preemptor).run()));
    }
    let leader = match owns {
        true => leadership.leader(),
        false => watch::Sender::new(Leader::Here).subscribe(),
    };
    let service = Service::new(
        mode,
        Arc::clone(&state),
        decider,
        binder,
        preemptor,
        metrics,
    );
    let (stop, stopping) = watch::channel(false);
    let (resign, resigning) = watch::channel(false);
    let mut parts = JoinSet::new();
    parts.spawn(named(
        "serving the kube-scheduler",
        listener.serve(Arc::new(service).router(), leader, stopping, DRAIN),
    ));
    let mut leading = JoinSet::new();
    if let Some(busy) = busy {
        let elected = leader::run(election, api, state, leadership, busy, stopped(resigning));
        leading.spawn(named("the election", elected));
    }

    let ended = |name: Option<Result<&'static str, _>>| {
        Err(SchedulerError::Ended(
            name.and_then(Result::ok).unwrap_or("a part"),
        ))
    };
    let outcome = tokio::select! {
        () = told_to_end.one() => Ok(()),
        name = parts.join_next() => ended(name),
        name = endless.join_next() => ended(name),
        Some(name) = leading.join_next() => ended(Some(name)),
    };
    tracing::info!("ending: requests that are under way are finished first");
    conditions.draining.store(true, Ordering::Relaxed);
    stop.send_replace(true);
    while parts.join_next().await.is_some() {}
    // Only now: what is being bound needs the Lease.
    resign.send_replace(true);
    let resigned = async { while leading.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST, resigned).await;
    endless.shutdown().await;
    tracing::info!("ended");
    outcome
}

/// Whether requests are to come here: everything is read, and in owning mode there is a leader, here or
/// elsewhere, that answers them.
fn readiness(
    state: &Arc<State>,
    leadership: &Leadership,
    conditions: &Arc<Conditions>,
    owns: bool,
) -> impl Fn() -> (bool, String) + Clone + Send + Sync + 'static {
    let (state, leadership) = (Arc::clone(state), leadership.clone());
    let (conditions, leader) = (Arc::clone(conditions), leadership.leader());
    move || {
        let led = *leader.borrow() != Leader::Unknown;
        let is = |condition: &AtomicBool| condition.load(Ordering::Relaxed);
        probes::report([
            (is(&conditions.policies_read), "policies read"),
            (state.is_synced(), "caches synced"),
            (!owns || leadership.guarded().now, "devices guarded"),
            (!owns || led, "a leader is known"),
            (!is(&conditions.draining), "not shutting down"),
        ])
    }
}

/// Says what came of reading policies.
fn told(changes: &[Change]) {
    for change in changes {
        match change {
            Change::Configured | Change::Serves { .. } | Change::Removed { .. } => {
                tracing::info!("{change}");
            }
            Change::ConfigurationRefused { .. } | Change::Refused { .. } => {
                tracing::warn!("{change}");
            }
        }
    }
}
