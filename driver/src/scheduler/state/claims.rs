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
    /// The version that was written; `None` while the write is under way or its fate unknown.
    written: Option<u64>,
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

    /// Whether a write of it is under way.
    pub(super) fn is_being_written(&self, uid: &str) -> bool {
        let assumption = self.assumed.get(uid);
        assumption.is_some_and(|assumption| assumption.written.is_none())
    }

    pub(super) fn reserved(&self) -> Vec<Arc<ResourceClaim>> {
        let is_reserved = |claim: &&Arc<ResourceClaim>| {
            allocation(claim).is_some()
                && !self.assumed.contains_key(uid(claim))
                && claim
                    .status
                    .as_ref()
                    .and_then(|status| status.reserved_for.as_ref())
                    .is_some_and(|pods| !pods.is_empty())
        };
        self.seen.values().filter(is_reserved).cloned().collect()
    }

    pub(super) fn assumed_before(&self, then: Instant) -> Vec<(String, String, String)> {
        let overdue = self
            .assumed
            .iter()
            .filter(|(_, assumption)| assumption.since < then);
        overdue
            .map(|(uid, assumption)| {
                let (namespace, name) = place(&assumption.claim);
                (namespace, name, uid.clone())
            })
            .collect()
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
            if uid(known) != id {
                let known = uid(known).to_owned();
                self.gone(&known);
            } else if new < version(known) {
                return;
            }
        }
        let before = self.claims.in_force(&id);
        if let Some(Assumption {
            written: Some(written),
            ..
        }) = self.claims.assumed.get(&id)
            && new >= *written
        {
            self.claims.assumed.remove(&id);
        }
        if let Some(pod) = extended::owner(&claim) {
            let claims = self.claims.special.entry(pod.to_owned()).or_default();
            claims.insert(id.clone());
        }
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

    pub(super) fn assume(&mut self, claim: Arc<ResourceClaim>, written: Option<u64>) {
        let id = uid(&claim).to_owned();
        let before = self.claims.in_force(&id);
        let assumption = Assumption {
            claim,
            written,
            since: Instant::now(),
        };
        self.claims.assumed.insert(id.clone(), assumption);
        self.changed(&id, before);
    }

    /// A write succeeded, with this outcome.
    pub(super) fn wrote(&mut self, mut claim: ResourceClaim) {
        claim.metadata.managed_fields = None;
        let new = version(&claim);
        let seen = self.claims.seen.get(&place(&claim));
        let seen = seen.filter(|seen| uid(seen) == uid(&claim));
        if seen.is_some_and(|seen| version(seen) >= new) {
            // The watch was faster.
            let id = uid(&claim).to_owned();
            self.forget(&id);
        } else {
            self.assume(Arc::new(claim), Some(new));
        }
    }

    /// An assumption ends.
    pub(super) fn forget(&mut self, uid: &str) {
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
