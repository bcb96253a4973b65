//! Who may write: of several replicas one, the holder of a Lease.
//!
//! A holder that cannot renew stops before others may take over: it leads for two thirds of the Lease's
//! duration after the last renewal it *began*, by its own clock, and the others wait for the whole duration
//! after the last renewal they *saw*, by theirs. The third between the two is time for the last write of
//! the old holder to arrive; every write is given less than that. So no two replicas write at once, and a
//! process that was killed and started again waits out its own predecessor as it would any other.
//!
//! What the old holder wrote last may not have come by the watch yet when the new one begins. So the new
//! one lists the claims once more, from the API server itself, before it leads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::PostParams;

use super::state::State;
use crate::kubernetes::api::{ApiError, Operation, ResourceApi, within};

/// The Lease, and how it is kept.
#[derive(Debug, Clone)]
pub struct Election {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// Who this process is; unique.
    pub identity: String,
    /// How long the Lease holds without renewal.
    pub duration: Duration,
}

impl Election {
    /// How long a write of the leader may take.
    #[must_use]
    pub fn write_within(&self) -> Duration {
        self.duration / 4
    }
}

/// Whether this process may write, for all who ask.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Mutex<Option<Instant>>>);

impl Leadership {
    /// Whether it may begin a write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Leads until then; not at all with `None`.
    pub fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
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
    stop: impl Future<Output = ()>,
) {
    let leases: Api<Lease> = Api::namespaced(api.client().clone(), &election.namespace);
    let mut seen: Option<Seen> = None;
    let mut leads = false;
    let mut stop = std::pin::pin!(stop);
    let mut turns = tokio::time::interval(election.duration / 8);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = turns.tick() => {}
        }
        let begun = Instant::now();
        match turn(&election, &leases, &mut seen).await {
            Ok(true) => {
                if !leads {
                    // Until it is known what the one before wrote last, nothing may be decided.
                    match catch_up(&api, &state).await {
                        Ok(()) => tracing::info!(identity = election.identity, "leads"),
                        Err(error) => {
                            tracing::warn!(%error, "has the Lease, but cannot list claims");
                            continue;
                        }
                    }
                }
                leads = true;
                leadership.set(begun.checked_add(election.duration / 3 * 2));
            }
            Ok(false) => {
                if std::mem::take(&mut leads) {
                    tracing::warn!("another process has the Lease now");
                }
                leadership.set(None);
            }
            Err(error) => {
                tracing::warn!(%error, "the Lease cannot be read or renewed");
                leads &= leadership.holds();
            }
        }
    }
    let led = leadership.holds();
    leadership.set(None);
    if led && let Err(error) = give_up(&election, &leases).await {
        tracing::warn!(%error, "the Lease runs out by itself");
    }
}

async fn catch_up(api: &ResourceApi, state: &State) -> Result<(), ApiError> {
    for claim in api.list_claims().await? {
        state.observe(claim);
    }
    Ok(())
}

const fn operation(verb: &'static str) -> Operation {
    Operation::new(verb, "coordination.k8s.io", "leases")
}

/// Renews or takes the Lease if that may be done: whether this process has it now.
async fn turn(
    election: &Election,
    leases: &Api<Lease>,
    seen: &mut Option<Seen>,
) -> Result<bool, ApiError> {
    let found = within(operation("get"), leases.get_opt(&election.name)).await?;
    let now = MicroTime(Timestamp::now());
    let Some(mut lease) = found else {
        let mut lease = Lease::default();
        lease.metadata.name = Some(election.name.clone());
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
        match seen {
            Some(known) if known.record == record => {
                let holds = spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
                let holds = u64::try_from(holds.unwrap_or_default()).unwrap_or_default();
                if known.at.elapsed() <= election.duration.max(Duration::from_secs(holds)) {
                    return Ok(false);
                }
            }
            _ => {
                *seen = Some(Seen {
                    record,
                    at: Instant::now(),
                });
                return Ok(false);
            }
        }
    }
    lease.spec = Some(mine(election, spec.filter(|_| is_mine), now));
    // With the version that was read: of two who try, one succeeds.
    let parameters = PostParams::default();
    let replaced = leases.replace(&election.name, &parameters, &lease);
    lost_or(within(operation("update"), replaced).await)
}

fn lost_or(written: Result<Lease, ApiError>) -> Result<bool, ApiError> {
    match written {
        Ok(_) => Ok(true),
        Err(ApiError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
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
