//! Who may write: of several replicas one, the holder of a Lease.
//!
//! A holder that cannot renew stops before others may take over: it leads for two thirds of the Lease's
//! duration after the last renewal it *began*, by its own clock, and the others wait for the whole duration
//! after the last renewal they *saw*, by theirs. The third between the two is time for the last write of
//! the old holder to arrive; every write is given less than that. So no two replicas write at once, and a
//! process that was killed and started again waits out its own predecessor as it would any other.
//!
//! What the old holder wrote last may not have come by the watch yet when the new one begins. So the new
//! one lists the claims once more, from the API server itself, before it leads. The same holds for what the
//! in-tree plugin may have written while nothing forbade it ([`guard`](super::guard)): leading ends with
//! the guard, and begins anew with it.
//!
//! The holder writes its address into the Lease, and that is where all others lead the scheduler's
//! connections ([`relay`](super::relay)).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::timeout;

use super::bind::Busy;
use super::guard::Guarded;
use super::state::State;
use crate::kubernetes::api::{ApiError, Operation, ResourceApi, within};

/// The annotation of the Lease that says where its holder is reached: `IP:port`.
const ADDRESS: &str = "supercargo.dev/address";

/// How often is looked, at the end, whether a write is under way.
const IDLE: Duration = Duration::from_millis(20);

/// The Lease, and how it is kept.
#[derive(Debug, Clone)]
pub struct Election {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Who this process is; unique.
    pub identity: String,
    /// Where other replicas reach this one; `None`: they do not.
    pub address: Option<SocketAddr>,
    /// How long the Lease holds without renewal.
    pub duration: Duration,
}

impl Election {
    /// How long a write of the leader may take.
    #[must_use]
    pub fn write_within(&self) -> Duration {
        self.duration / 4
    }

    /// The Lease, for Events about it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("coordination.k8s.io/v1".to_owned()),
            kind: Some("Lease".to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            ..ObjectReference::default()
        }
    }
}

/// Who leads, as far as this replica knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Leader {
    /// Nobody, or somebody who does not say where.
    #[default]
    Unknown,
    /// This replica.
    Here,
    /// Another one, which is reached there.
    At(SocketAddr),
}

/// Whether this process may write, and who may, for all who ask.
#[derive(Debug, Clone)]
pub struct Leadership {
    term: Arc<Mutex<Option<Term>>>,
    leader: watch::Sender<Leader>,
    guarded: watch::Receiver<Guarded>,
}

/// For how long this process leads.
#[derive(Debug, Clone, Copy)]
struct Term {
    until: Instant,
    /// The guard that it began under; it ends with that one.
    guarded: Guarded,
}

impl Leadership {
    /// Nobody leads yet. This process may only under a guard.
    #[must_use]
    pub fn new(guarded: watch::Receiver<Guarded>) -> Self {
        Self {
            term: Arc::default(),
            leader: watch::Sender::new(Leader::Unknown),
            guarded,
        }
    }

    /// Whether it may begin a write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        let term = *self.term.lock().unwrap_or_else(PoisonError::into_inner);
        term.is_some_and(|term| Instant::now() < term.until && term.guarded == self.guarded())
    }

    /// Whether nobody else can allocate the same devices.
    #[must_use]
    pub fn guarded(&self) -> Guarded {
        *self.guarded.borrow()
    }

    /// Who leads, and every change of that.
    #[must_use]
    pub fn leader(&self) -> watch::Receiver<Leader> {
        self.leader.subscribe()
    }

    fn lead(&self, until: Option<Instant>, guarded: Guarded) {
        let term = until.map(|until| Term { until, guarded });
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term;
        self.tell(Leader::Here);
    }

    fn follow(&self, leader: Leader) {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.tell(leader);
    }

    fn tell(&self, leader: Leader) {
        self.leader.send_if_modified(|now| {
            let other = *now != leader;
            *now = leader;
            other
        });
    }
}

/// What this process has seen of another one's Lease.
struct Seen {
    /// Holder and renewal, as written.
    record: (Option<String>, Option<MicroTime>),
    /// When that was first seen.
    at: Instant,
}

/// Takes part in the election until `stop` completes, and gives the Lease up then.
pub async fn run(
    election: Election,
    api: ResourceApi,
    state: Arc<State>,
    leadership: Leadership,
    busy: Busy,
    stop: impl Future<Output = ()>,
) {
    let leases: Api<Lease> = Api::namespaced(api.client().clone(), &election.namespace);
    let mut seen: Option<Seen> = None;
    let mut leads = false;
    // Since when it has the Lease for which it knows what the one before wrote, and under which guard.
    let mut caught_up = None;
    let mut stop = std::pin::pin!(stop);
    let mut turns = tokio::time::interval(election.duration / 8);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = turns.tick() => {}
        }
        let guarded = leadership.guarded();
        if !guarded.now {
            // The Lease runs out by itself, and until then nobody else has it.
            (leads, caught_up) = (false, None);
            leadership.follow(Leader::Unknown);
            continue;
        }
        let begun = Instant::now();
        let held = turn(&election, &leases, &mut seen).await;
        // Who was stopped for longer than that may have been replaced, and has been asleep.
        let lapsed = leads && !leadership.holds();
        match held {
            Ok(Held::Here { since }) => {
                if lapsed {
                    (leads, caught_up) = (false, None);
                }
                let term = Some((since, guarded));
                if caught_up != term {
                    // Until it is known what the one before wrote last, nothing may be decided.
                    match catch_up(&api, &state).await {
                        Ok(()) => {
                            // That may have taken longer than the Lease holds, so it is asked for anew.
                            caught_up = term;
                            turns.reset_immediately();
                        }
                        Err(error) => {
                            tracing::warn!(%error, "has the Lease, but cannot list claims");
                        }
                    }
                    continue;
                }
                if !leads {
                    tracing::info!(identity = election.identity, "leads");
                }
                leads = true;
                leadership.lead(begun.checked_add(election.duration / 3 * 2), guarded);
            }
            Ok(Held::Elsewhere(leader)) => {
                if leads {
                    tracing::warn!("another process has the Lease now");
                }
                (leads, caught_up) = (false, None);
                leadership.follow(leader);
            }
            Err(error) => {
                tracing::warn!(%error, "the Lease cannot be read or renewed");
                if lapsed {
                    (leads, caught_up) = (false, None);
                    leadership.follow(Leader::Unknown);
                }
            }
        }
    }
    let led = leadership.holds();
    leadership.follow(Leader::Unknown);
    // No write begins any more. While one is under way nobody else may lead.
    let idle = async {
        while !busy.is_idle() {
            tokio::time::sleep(IDLE).await;
        }
    };
    if timeout(election.write_within(), idle).await.is_err() {
        tracing::warn!("a write is under way; the Lease runs out by itself");
        return;
    }
    if led && let Err(error) = give_up(&election, &leases).await {
        tracing::warn!(%error, "the Lease runs out by itself");
    }
}

async fn catch_up(api: &ResourceApi, state: &State) -> Result<(), ApiError> {
    for claim in api.list_claims().await? {
        // Not as the watch's, which would have to tell that a claim is gone, and may have done so.
        state.wrote(claim);
    }
    Ok(())
}

const fn operation(verb: &'static str) -> Operation {
    Operation::new(verb, "coordination.k8s.io", "leases")
}

/// Who has the Lease.
enum Held {
    /// This process, without a break since then.
    Here { since: Option<MicroTime> },
    /// Another one, or nobody.
    Elsewhere(Leader),
}

/// Renews or takes the Lease if that may be done: who has it now.
async fn turn(
    election: &Election,
    leases: &Api<Lease>,
    seen: &mut Option<Seen>,
) -> Result<Held, ApiError> {
    let found = within(operation("get"), leases.get_opt(&election.name)).await?;
    let now = MicroTime(Timestamp::now());
    let Some(mut lease) = found else {
        let mut lease = Lease::default();
        lease.metadata.name = Some(election.name.clone());
        announce(&mut lease, election);
        lease.spec = Some(mine(election, None, now));
        let parameters = PostParams::default();
        let created = leases.create(&parameters, &lease);
        return lost_or(within(operation("create"), created).await);
    };
    let spec = lease.spec.take();
    let record = spec
        .as_ref()
        .map(|spec| (spec.holder_identity.clone(), spec.renew_time.clone()))
        .unwrap_or_default();
    let is_mine = record.0.as_deref() == Some(election.identity.as_str());
    let is_free = record.0.as_deref().is_none_or(str::is_empty);
    if !is_mine && !is_free {
        let other = elsewhere(&lease, election);
        match seen {
            Some(known) if known.record == record => {
                let holds = spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
                let holds = u64::try_from(holds.unwrap_or_default()).unwrap_or_default();
                if known.at.elapsed() <= election.duration.max(Duration::from_secs(holds)) {
                    return Ok(Held::Elsewhere(other));
                }
            }
            _ => {
                *seen = Some(Seen {
                    record,
                    at: Instant::now(),
                });
                return Ok(Held::Elsewhere(other));
            }
        }
    }
    lease.spec = Some(mine(election, spec.filter(|_| is_mine), now));
    announce(&mut lease, election);
    // With the version that was read: of two who try, one succeeds.
    let parameters = PostParams::default();
    let replaced = leases.replace(&election.name, &parameters, &lease);
    lost_or(within(operation("update"), replaced).await)
}

fn lost_or(written: Result<Lease, ApiError>) -> Result<Held, ApiError> {
    match written {
        Ok(lease) => Ok(Held::Here {
            since: lease.spec.and_then(|spec| spec.acquire_time),
        }),
        Err(ApiError::Conflict { .. }) => Ok(Held::Elsewhere(Leader::Unknown)),
        Err(error) => Err(error),
    }
}

/// Writes into the Lease where its holder is reached.
fn announce(lease: &mut Lease, election: &Election) {
    let annotations = lease.metadata.annotations.get_or_insert_default();
    match election.address {
        Some(address) => annotations.insert(ADDRESS.to_owned(), address.to_string()),
        None => annotations.remove(ADDRESS),
    };
}

/// Where the holder of the Lease is reached. Whoever says that it is here, is not.
fn elsewhere(lease: &Lease, election: &Election) -> Leader {
    let annotations = lease.metadata.annotations.as_ref();
    let address = annotations.and_then(|them| them.get(ADDRESS)?.parse().ok());
    let other = address.filter(|address| Some(*address) != election.address);
    other.map_or(Leader::Unknown, Leader::At)
}

fn mine(election: &Election, before: Option<LeaseSpec>, now: MicroTime) -> LeaseSpec {
    let seconds = election.duration.as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let seconds = seconds as i32;
    LeaseSpec {
        holder_identity: Some(election.identity.clone()),
        lease_duration_seconds: Some(seconds.max(1)),
        acquire_time: before
            .as_ref()
            .and_then(|before| before.acquire_time.clone())
            .or_else(|| Some(now.clone())),
        renew_time: Some(now),
        ..before.unwrap_or_default()
    }
}

async fn give_up(election: &Election, leases: &Api<Lease>) -> Result<(), ApiError> {
    let mut lease = within(operation("get"), leases.get(&election.name)).await?;
    if let Some(spec) = &mut lease.spec
        && spec.holder_identity.as_deref() == Some(election.identity.as_str())
    {
        spec.holder_identity = Some(String::new());
        let parameters = PostParams::default();
        let replaced = leases.replace(&election.name, &parameters, &lease);
        within(operation("update"), replaced).await?;
    }
    Ok(())
}
