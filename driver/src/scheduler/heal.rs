//! What crashes and lost answers leave, put right.
//!
//! Three things can be left: a claim that is allocated and reserved for a pod that is not bound, a special claim
//! for a pod's extended resources that has no devices, and a write of which it is not known whether it happened.
//! The first is normal for as long as the pod is on its way, so it
//! is undone only after a while, and only after the API server has said once more that the pod is not bound.
//! The second is settled by reading the claim, after the API server must have finished the request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::scheduling::claim_name;

use super::bind::{Binder, Failure, SETTLED};
use super::conditions::{self, Conditions};
use super::leader::Leadership;
use super::metrics::Metrics;
use super::pod::Pod;
use super::state::State;
use crate::kubernetes::api::{ApiError, ResourceApi};

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(2);

/// Looks after what is left.
#[derive(Debug)]
pub struct Healer {
    /// What is known.
    pub state: Arc<State>,
    /// What releases claims.
    pub binder: Binder,
    /// Where to read.
    pub api: ResourceApi,
    /// Whether anything may be written.
    pub leadership: Leadership,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// Whose pods are looked after.
    pub scheduler: String,
    /// How long a pod may be on its way.
    pub grace: Duration,
}

impl Healer {
    /// Looks again and again. Never ends.
    pub async fn run(self) {
        let mut turns = tokio::time::interval(PERIOD);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut unbound: HashMap<(String, String), Instant> = HashMap::new();
        let mut idle: HashMap<String, Instant> = HashMap::new();
        loop {
            turns.tick().await;
            if !self.leadership.holds() || !self.state.is_synced() {
                unbound.clear();
                idle.clear();
                continue;
            }
            self.settle().await;
            self.release(&mut unbound).await;
            self.unmake(&mut idle).await;
            let clashes = self.state.clashes();
            self.metrics.clashes(clashes.len());
            for device in clashes {
                tracing::error!(device, "is held by two claims");
            }
        }
    }

    /// Finds out what became of writes.
    async fn settle(&self) {
        for overdue in self.state.overdue(SETTLED) {
            match self.api.claim(&overdue.namespace, &overdue.name).await {
                Ok(claim) => self.state.settle(&overdue, Some(claim)),
                Err(ApiError::NotFound { .. }) => self.state.settle(&overdue, None),
                // Until that is known, its devices stay taken.
                Err(error) => {
                    tracing::warn!(%error, "the fate of a write is not known yet");
                    continue;
                }
            }
            self.metrics.healed("settled");
        }
    }

    /// Releases claims from pods that did not get bound.
    async fn release(&self, unbound: &mut HashMap<(String, String), Instant>) {
        let now = Instant::now();
        let mut seen = HashMap::new();
        let reserved = self.state.reserved().into_iter().map(|claim| {
            let pods = self.stale(&claim);
            (claim, pods)
        });
        let unused = self.state.unused(&self.scheduler).into_iter();
        let unused = unused.map(|(claim, pod)| (claim, vec![pod.uid.clone()]));
        for (claim, pods) in reserved.chain(unused) {
            for pod in pods {
                let uid = claim.metadata.uid.clone().unwrap_or_default();
                let since = unbound.get(&(uid.clone(), pod.clone())).copied();
                let since = since.unwrap_or(now);
                let clashes = || self.state.clashes_with(&claim);
                if now.duration_since(since) < self.grace && !clashes() {
                    seen.insert((uid, pod), since);
                    continue;
                }
                if !self.release_from(&claim, &pod).await {
                    seen.insert((uid, pod), since);
                }
            }
        }
        *unbound = seen;
    }

    /// Deletes special claims that no attempt at their pods took up.
    async fn unmake(&self, idle: &mut HashMap<String, Instant>) {
        let now = Instant::now();
        let mut seen = HashMap::new();
        for (pod, claim) in self.state.idle_special() {
            let uid = claim.metadata.uid.clone().unwrap_or_default();
            // Those of pods that are gone are collected as garbage.
            let Some(pod) = self.state.pod(&pod) else {
                continue;
            };
            if pod.scheduler != self.scheduler || claim.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let since = idle.get(&uid).copied().unwrap_or(now);
            let waits = now.duration_since(since) < self.grace;
            if waits || !self.unmake_for(&claim, &pod).await {
                seen.insert(uid, since);
            }
        }
        *idle = seen;
    }

    async fn unmake_for(&self, claim: &ResourceClaim, pod: &Pod) -> bool {
        let Some(_hold) = self.binder.busy().hold(&pod.uid) else {
            return false;
        };
        match self.binder.unmake_special(claim, pod).await {
            Ok(()) => {
                let (claim, pod) = (claim_name(claim), pod.full_name());
                tracing::info!(claim, pod, "deleted, for the pod did not get bound with it");
                self.metrics.healed("deleted");
                true
            }
            Err(Failure::Definite(why) | Failure::Open(why)) => {
                tracing::warn!(claim = claim_name(claim), why, "cannot be deleted yet");
                false
            }
        }
    }

    /// Users of a claim that are pods of this scheduler, not bound, and do not wait for their devices.
    fn stale(&self, claim: &Arc<ResourceClaim>) -> Vec<String> {
        let status = claim.status.as_ref();
        let users = status.and_then(|status| status.reserved_for.as_ref());
        let users = users.into_iter().flatten();
        let unbound = |uid: &String| {
            self.state
                .pod(uid)
                .is_some_and(|pod| pod.is_waiting_for(&self.scheduler) && !self.waits(&pod))
        };
        users.map(|user| user.uid.clone()).filter(unbound).collect()
    }

    /// Whether devices of any of the pod's claims are being made ready.
    fn waits(&self, pod: &Pod) -> bool {
        let claims = pod.claim_names();
        let claims = claims.filter_map(|name| self.state.claim(&pod.namespace, name));
        let conditions = conditions::of(claims, Timestamp::now());
        matches!(conditions, Conditions::Waiting(_))
    }

    /// Releases a claim from one pod: whether that is settled.
    async fn release_from(&self, claim: &ResourceClaim, uid: &str) -> bool {
        let (Some(_hold), Some(pod)) = (self.binder.busy().hold(uid), self.state.pod(uid)) else {
            return false;
        };
        if self.binder.busy().is_unanswered(uid) {
            return false;
        }
        let now = self
            .binder
            .read_pod(&pod.namespace, &pod.name, &pod.uid)
            .await;
        match now {
            Ok(Some(pod)) if pod.is_bound() => return true,
            Err(_) => return false,
            // Of a pod that is gone the controller takes care, and this does no harm.
            Ok(_) => {}
        }
        match self.binder.release(claim, &[uid]).await {
            Ok(()) => {
                let (claim, pod) = (claim_name(claim), pod.full_name());
                tracing::info!(claim, pod, "released, for the pod did not get bound");
                self.metrics.healed("released");
                true
            }
            Err(Failure::Definite(why) | Failure::Open(why)) => {
                tracing::warn!(claim = claim_name(claim), why, "cannot be released yet");
                false
            }
        }
    }
}
