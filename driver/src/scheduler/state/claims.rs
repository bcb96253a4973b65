//! Claims: as the watch showed them, and as this process has decided them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::resource::v1::{AllocationResult, ResourceClaim};
use supercargo_host::scheduling::extended;

use super::Inner;
use super::pools::pools_of;

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// By namespace and name.
    seen: HashMap<(String, String), Arc<ResourceClaim>>,
    /// Where a claim of a UID is seen.
    names: HashMap<String, (String, String)>,
    /// What was decided, by UID.
    assumed: HashMap<String, Assumption>,
    /// The special claims of pods: by the pod's UID, theirs.
    special: HashMap<String, BTreeSet<String>>,
}

#[derive(Debug)]
struct Assumption {
    claim: Arc<ResourceClaim>,
    fate: Fate,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is being written.
    UnderWay,
    /// It may have been written, or may still be: the last answer did not come, at this moment.
    Unknown(Instant),
    /// It was written, and known to be at this moment, as this version.
    Written(u64, Instant),
}

impl Fate {
    fn since(self) -> Option<Instant> {
        match self {
            Self::UnderWay => None,
            Self::Unknown(since) | Self::Written(_, since) => Some(since),
        }
    }

    fn is_written(self) -> bool {
        matches!(self, Self::Written(..))
    }
}

/// An assumption that the watch has not confirmed for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    uid: String,
    since: Instant,
}

/// Resource versions of one kind can be compared (KEP-5504; etcd's revisions always could).
fn version(claim: &ResourceClaim) -> u64 {
    let version = claim.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

fn uid(claim: &ResourceClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}

/// What a claim got.
pub(super) fn allocation(claim: &ResourceClaim) -> Option<&AllocationResult> {
    claim.status.as_ref()?.allocation.as_ref()
}

fn has_users(claim: &ResourceClaim) -> bool {
    let status = claim.status.as_ref();
    let users = status.and_then(|status| status.reserved_for.as_ref());
    users.is_some_and(|users| !users.is_empty())
}

fn place(claim: &ResourceClaim) -> (String, String) {
    (
        claim.metadata.namespace.clone().unwrap_or_default(),
        claim.metadata.name.clone().unwrap_or_default(),
    )
}

impl Claims {
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn assumptions(&self) -> usize {
        self.assumed.len()
    }

    /// A claim as it is in force: as assumed, or else as seen.
    pub(super) fn named(&self, namespace: &str, name: &str) -> Option<Arc<ResourceClaim>> {
        let seen = self.seen.get(&(namespace.to_owned(), name.to_owned()))?;
        Some(self.assumed.get(uid(seen)).map_or_else(
            || Arc::clone(seen),
            |assumption| Arc::clone(&assumption.claim),
        ))
    }

    /// A claim as the watch showed it.
    pub(super) fn seen(&self, uid: &str) -> Option<Arc<ResourceClaim>> {
        self.seen.get(self.names.get(uid)?).cloned()
    }

    /// The special claim of a pod, as it is in force; of several, which a lost answer may leave, the one that
    /// has devices.
    pub(super) fn special_of(&self, pod: &str) -> Option<Arc<ResourceClaim>> {
        let claims = self.special.get(pod)?.iter();
        let claims = claims.filter_map(|uid| self.in_force(uid));
        claims.max_by_key(|claim| allocation(claim).is_some())
    }

    /// Special claims that have no devices, each with its pod's UID.
    pub(super) fn idle_special(&self) -> Vec<(String, Arc<ResourceClaim>)> {
        let of_pod = |(pod, claims): (&String, &BTreeSet<String>)| {
            let claims = claims.iter().filter_map(|uid| self.in_force(uid));
            let idle = claims.filter(|claim| allocation(claim).is_none());
            idle.map(|claim| (pod.clone(), claim)).collect::<Vec<_>>()
        };
        self.special.iter().flat_map(of_pod).collect()
    }

    /// Whether it has to be seen first what comes of a write of it: one that is not answered, or one that
    /// took its devices away.
    pub(super) fn is_unsettled(&self, uid: &str) -> bool {
        let assumption = self.assumed.get(uid);
        assumption.is_some_and(|it| !it.fate.is_written() || allocation(&it.claim).is_none())
    }

    /// Claims that have devices and no users, as seen, without those that are being written.
    pub(super) fn unused(&self) -> Vec<Arc<ResourceClaim>> {
        let is_unused = |claim: &&Arc<ResourceClaim>| {
            allocation(claim).is_some()
                && !has_users(claim)
                && !self.assumed.contains_key(uid(claim))
        };
        self.seen.values().filter(is_unused).cloned().collect()
    }

    pub(super) fn reserved(&self) -> Vec<Arc<ResourceClaim>> {
        let is_reserved = |claim: &&Arc<ResourceClaim>| {
            allocation(claim).is_some()
                && has_users(claim)
                && !self.assumed.contains_key(uid(claim))
        };
        self.seen.values().filter(is_reserved).cloned().collect()
    }

    pub(super) fn assumed_before(&self, then: Instant) -> Vec<Overdue> {
        let overdue = self.assumed.iter().filter_map(|(uid, assumption)| {
            let since = assumption.fate.since().filter(|since| *since < then)?;
            let (namespace, name) = place(&assumption.claim);
            Some(Overdue {
                namespace,
                name,
                uid: uid.clone(),
                since,
            })
        });
        overdue.collect()
    }

    fn register(&mut self, claim: &ResourceClaim) {
        if let Some(pod) = extended::owner(claim) {
            let claims = self.special.entry(pod.to_owned()).or_default();
            claims.insert(uid(claim).to_owned());
        }
    }

    fn in_force(&self, uid: &str) -> Option<Arc<ResourceClaim>> {
        match self.assumed.get(uid) {
            Some(assumption) => Some(Arc::clone(&assumption.claim)),
            None => self.seen(uid),
        }
    }
}

impl Inner {
    /// The watch shows a claim, or somebody read it. What is older than what is known is no news.
    pub(super) fn observe(&mut self, mut claim: ResourceClaim) {
        claim.metadata.managed_fields = None;
        let at = place(&claim);
        let id = uid(&claim).to_owned();
        let new = version(&claim);
        if let Some(known) = self.claims.seen.get(&at) {
            if new < version(known) {
                return;
            }
            if uid(known) != id {
                let known = uid(known).to_owned();
                self.gone(&known);
            }
        }
        let before = self.claims.in_force(&id);
        let ends = self
            .claims
            .assumed
            .get(&id)
            .is_some_and(|assumption| match assumption.fate {
                Fate::Written(written, _) => new >= written,
                // Whoever allocated it: what was decided by an older version cannot be written any more.
                Fate::UnderWay | Fate::Unknown(_) => allocation(&claim).is_some(),
            });
        if ends {
            self.claims.assumed.remove(&id);
        }
        self.claims.register(&claim);
        self.claims.names.insert(id.clone(), at.clone());
        self.claims.seen.insert(at, Arc::new(claim));
        self.changed(&id, before);
    }

    /// A claim is gone.
    pub(super) fn gone(&mut self, uid: &str) {
        let before = self.claims.in_force(uid);
        if let Some(pod) = before.as_deref().and_then(extended::owner)
            && let Some(claims) = self.claims.special.get_mut(pod)
        {
            claims.remove(uid);
            if claims.is_empty() {
                self.claims.special.remove(pod);
            }
        }
        self.claims.assumed.remove(uid);
        if let Some(at) = self.claims.names.remove(uid) {
            self.claims.seen.remove(&at);
        }
        self.changed(uid, before);
    }

    /// Whether a claim is no longer the pending claim that a decision was about.
    pub(super) fn is_taken(&self, claim: &ResourceClaim) -> bool {
        let id = uid(claim);
        let pending = self
            .claims
            .in_force(id)
            .is_some_and(|claim| allocation(&claim).is_none());
        !pending || self.claims.assumed.contains_key(id)
    }

    /// A decision that is about to be written.
    pub(super) fn decided(&mut self, claim: Arc<ResourceClaim>) {
        self.assume(claim, Fate::UnderWay);
    }

    fn assume(&mut self, claim: Arc<ResourceClaim>, fate: Fate) {
        let id = uid(&claim).to_owned();
        let before = self.claims.in_force(&id);
        self.claims.register(&claim);
        let assumption = Assumption { claim, fate };
        self.claims.assumed.insert(id.clone(), assumption);
        self.changed(&id, before);
    }

    /// The API server says that it has a claim like this: it was written, or read again.
    pub(super) fn wrote(&mut self, mut claim: ResourceClaim) {
        claim.metadata.managed_fields = None;
        let new = version(&claim);
        let id = uid(&claim).to_owned();
        if let Some(assumption) = self.claims.assumed.get(&id) {
            let is_news = match assumption.fate {
                Fate::Written(written, _) => new >= written,
                // Who released it is late: it is being allocated again.
                Fate::UnderWay | Fate::Unknown(_) => allocation(&claim).is_some(),
            };
            if !is_news {
                return;
            }
        }
        let seen = self.claims.seen(&id);
        if seen.is_some_and(|seen| version(&seen) >= new) {
            // The watch was faster.
            self.end(&id);
        } else {
            self.assume(Arc::new(claim), Fate::Written(new, Instant::now()));
        }
    }

    /// What was decided did not come about.
    pub(super) fn forget(&mut self, uid: &str) {
        let assumption = self.claims.assumed.get(uid);
        if assumption.is_some_and(|assumption| !assumption.fate.is_written()) {
            self.end(uid);
        }
    }

    /// Nobody writes any more what was decided, and it is not known whether it was written.
    pub(super) fn abandon(&mut self, uid: &str) {
        if let Some(assumption) = self.claims.assumed.get_mut(uid)
            && assumption.fate == Fate::UnderWay
        {
            assumption.fate = Fate::Unknown(Instant::now());
        }
    }

    /// What the API server has instead of an assumption; `None`: the claim is gone.
    pub(super) fn settle(&mut self, overdue: &Overdue, claim: Option<ResourceClaim>) {
        let id = &overdue.uid;
        let assumption = self.claims.assumed.get(id);
        // Meanwhile it may have ended, and another one begun.
        if assumption.and_then(|it| it.fate.since()) != Some(overdue.since) {
            return;
        }
        match claim {
            Some(claim) if uid(&claim) != id => self.gone(id),
            None => self.gone(id),
            Some(claim) if self.claims.names.contains_key(id) => {
                self.observe(claim);
                self.end(id);
            }
            // The watch, which has to tell when it is gone, does not know it yet.
            Some(claim) => {
                let fate = Fate::Written(version(&claim), Instant::now());
                self.assume(Arc::new(claim), fate);
            }
        }
    }

    fn end(&mut self, uid: &str) {
        let before = self.claims.in_force(uid);
        if self.claims.assumed.remove(uid).is_some() {
            self.changed(uid, before);
        }
    }

    /// Follows a change of what a claim holds.
    fn changed(&mut self, uid: &str, before: Option<Arc<ResourceClaim>>) {
        let now = self.claims.in_force(uid);
        let mut pools = before.as_deref().map(pools_of).unwrap_or_default();
        for id in &pools {
            self.pools.hold(id, uid, None);
        }
        let holds = now.as_deref().map(pools_of).unwrap_or_default();
        if let Some(now) = &now {
            for id in &holds {
                self.pools.hold(id, uid, Some(now));
            }
        }
        // Whose reservation or status changes holds what it held: verdicts about the node stand.
        if before.as_deref().and_then(allocation) == now.as_deref().and_then(allocation) {
            return;
        }
        pools.extend(holds);
        for id in &pools {
            self.refresh(id);
        }
    }
}
