//! The guard, while Supercargo owns devices: whoever takes it away is noticed.
//!
//! Policies and bindings are watched, and every change is a reason to look at all of them again. The guard is
//! lost with the first look that does not find it, or that is not allowed; an API server that does not answer
//! says nothing, and while it does not nothing can be written anyway. The guard counts again only when it has
//! been there for a while, for the API server itself needs a moment until it enforces a policy.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{GuardError, check};
use crate::kubernetes::api::ApiError;

/// How long the guard has to be back before it counts: the API server reads its policies every second.
const SETTLES: Duration = Duration::from_secs(3);
/// How long is waited before an API server that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(2);
/// How many changes are one when they come at once.
const AT_ONCE: usize = 64;
/// How long telling may take.
const TELL: Duration = Duration::from_secs(5);
/// The API's limit on an Event's note, in bytes.
const NOTE: usize = 1024;

/// Whether nobody else can allocate the devices, and how often somebody could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// Whether nobody can now.
    pub now: bool,
    /// How often the guard was lost: what was decided before that is not known to hold after it.
    pub losses: u64,
}

impl Guarded {
    /// As it was found at the start.
    pub const AT_START: Self = Self {
        now: true,
        losses: 0,
    };
}

/// Looks again at every change. Tells by `guarded`, in the log, and by an Event about `lease`, for that is
/// what whoever asks why nobody leads looks at. Never ends.
pub async fn watch(
    client: Client,
    drivers: BTreeSet<String>,
    guarded: watch::Sender<Guarded>,
    instance: String,
    lease: ObjectReference,
) {
    let reporter = Reporter {
        controller: "supercargo-scheduler".to_owned(),
        instance: Some(instance),
    };
    let recorder = Recorder::new(client.clone(), reporter);
    let mut changes = std::pin::pin!(changes(&client));
    loop {
        match check(&client, &drivers).await {
            Ok(()) if guarded.borrow().now => {}
            Ok(()) => {
                tokio::time::sleep(SETTLES).await;
                if check(&client, &drivers).await.is_err() {
                    continue;
                }
                guarded.send_modify(|guarded| guarded.now = true);
                let note = "nobody else can allocate the devices any more: owning goes on";
                tracing::info!("{note}");
                tell(&recorder, &lease, EventType::Normal, "Guarded", note).await;
            }
            Err(GuardError::Api(
                error @ (ApiError::TimedOut { .. } | ApiError::Unavailable { .. }),
            )) => {
                tracing::warn!(%error, "cannot tell whether devices are still guarded");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            Err(error) if guarded.borrow().now => {
                guarded.send_modify(|guarded| {
                    guarded.now = false;
                    guarded.losses = guarded.losses.saturating_add(1);
                });
                tracing::error!(%error, "owning stops until the guard is back");
                let note = format!("owning stops until the guard is back: {error}");
                tell(&recorder, &lease, EventType::Warning, "NotGuarded", &note).await;
            }
            Err(_) => {}
        }
        if changes.next().await.is_none() {
            // A watcher never ends.
            return;
        }
    }
}

/// An item for every change of what the guard consists of.
fn changes(client: &Client) -> impl Stream<Item = ()> + use<> {
    let policies: Api<PartialObjectMeta<ValidatingAdmissionPolicy>> = Api::all(client.clone());
    let bindings: Api<PartialObjectMeta<ValidatingAdmissionPolicyBinding>> =
        Api::all(client.clone());
    let any = watcher::Config::default;
    let policies = watcher::watcher(policies, any()).default_backoff();
    let bindings = watcher::watcher(bindings, any()).default_backoff();
    stream::select(policies.filter_map(change), bindings.filter_map(change))
        .ready_chunks(AT_ONCE)
        .map(drop)
}

/// Trouble is a change, too: it may be that watching is no longer allowed. One list is one change.
async fn change<K>(event: watcher::Result<watcher::Event<K>>) -> Option<()> {
    match event {
        Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => None,
        Ok(_) => Some(()),
        Err(error) => {
            tracing::warn!(%error, "trouble with the watch on the guard");
            Some(())
        }
    }
}

async fn tell(
    recorder: &Recorder,
    lease: &ObjectReference,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    let note = note.get(..note.floor_char_boundary(NOTE)).unwrap_or(note);
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note.to_owned()),
        action: "Own".to_owned(),
        secondary: None,
    };
    match timeout(TELL, recorder.publish(&event, lease)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, reason, "an Event was not taken"),
        Err(_) => tracing::warn!(reason, "an Event was not taken in time"),
    }
}
