//! Which pods must go so that a pod's claims fit: the scheduler's victims, and more where they are not
//! enough.
//!
//! The scheduler proposes nodes with the victims that its own rules need. Here each node is asked again as
//! if they were gone. Where the claims still do not fit, pods of lower priority that hold devices join them,
//! the least important ones first, and then those are spared again without which it fits all the same. A
//! node where nothing helps is dropped from the answer. A claim that somebody else uses, too, frees nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::Budget;
use supercargo_host::scheduling::in_use;

use super::pod::{Named, Pod};
use super::state::{NodeEntry, Shard, State, Wants};
use super::wire::{MetaPod, MetaVictims, PreemptResult};
use crate::claims::results;

/// What asking one node once may cost.
const STEPS: u64 = 200_000;
/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// How many pods are looked at on one node.
const PODS: usize = 256;

/// Answers Preempt.
#[must_use]
pub fn preempt(state: &State, pod: &Pod, victims: BTreeMap<String, MetaVictims>) -> PreemptResult {
    let mut result = PreemptResult::default();
    let Ok((wants, snapshot)) = state.wants(pod) else {
        return result;
    };
    let deadline = Instant::now().checked_add(CALL);
    for (node, proposed) in victims {
        if wants.pending.is_empty() {
            result.node_name_to_meta_victims.insert(node, proposed);
            continue;
        }
        let Some((shard, entry)) = snapshot.node(&node) else {
            continue;
        };
        let question = Question {
            state,
            shard,
            entry,
            wants: &wants,
            budget: Budget {
                steps: STEPS,
                deadline,
            },
        };
        if let Some(victims) = question.victims(pod, &node, proposed) {
            result.node_name_to_meta_victims.insert(node, victims);
        }
    }
    result
}

struct Question<'a> {
    state: &'a State,
    shard: &'a Arc<Shard>,
    entry: &'a NodeEntry,
    wants: &'a Wants,
    budget: Budget,
}

impl Question<'_> {
    fn victims(&self, pod: &Pod, node: &str, proposed: MetaVictims) -> Option<MetaVictims> {
        let must_go: BTreeSet<String> = proposed
            .pods
            .iter()
            .flatten()
            .map(|victim| victim.uid.clone())
            .collect();
        let mut more: Vec<Arc<Pod>> = self.state.pods_on(node);
        more.retain(|other| {
            other.priority < pod.priority && !other.over && !must_go.contains(&other.uid)
        });
        more.sort_by(|a, b| (a.priority, &a.uid).cmp(&(b.priority, &b.uid)));
        more.truncate(PODS);
        let mut gone = must_go;
        let mut added = Vec::new();
        let mut candidates = more.into_iter();
        while !self.fits_without(&gone) {
            let next = candidates.next()?;
            gone.insert(next.uid.clone());
            added.push(next.uid.clone());
        }
        // The last that joined is needed; of the others the most important are spared first.
        let needed = added.pop();
        for uid in added.iter().rev() {
            gone.remove(uid);
            if !self.fits_without(&gone) {
                gone.insert(uid.clone());
            }
        }
        added.extend(needed);
        let extra = added.into_iter().filter(|uid| gone.contains(uid));
        let mut pods = proposed.pods.unwrap_or_default();
        pods.extend(extra.map(|uid| MetaPod { uid }));
        Some(MetaVictims {
            pods: Some(pods),
            violations: proposed.violations,
        })
    }

    /// Whether the claims fit when these pods are gone.
    fn fits_without(&self, gone: &BTreeSet<String>) -> bool {
        let freed = self.freed(gone);
        let mut state = self.shard.in_use().clone();
        let pools: BTreeSet<(&str, &str)> = freed
            .iter()
            .flat_map(|claim| results(claim))
            .map(|result| (result.driver.as_str(), result.pool.as_str()))
            .collect();
        let freed_uids: BTreeSet<&str> = freed.iter().map(|claim| uid(claim)).collect();
        for (driver, pool) in pools {
            in_use::leave_pool(&mut state, driver, pool);
            for claim in self.state.holders(driver, pool) {
                if !freed_uids.contains(uid(&claim)) {
                    in_use::enter_where(&mut state, &claim, |result| {
                        result.driver == driver && result.pool == pool
                    });
                }
            }
        }
        let claims: Vec<&ResourceClaim> = self.wants.pending.iter().map(|it| &**it).collect();
        let placement = self.shard.placement();
        let decision = placement.place(&state, &self.entry.node, &claims, self.budget);
        decision.allocation.is_some()
    }

    /// The claims that nobody uses when these pods are gone.
    fn freed(&self, gone: &BTreeSet<String>) -> Vec<Arc<ResourceClaim>> {
        let mut freed: Vec<Arc<ResourceClaim>> = Vec::new();
        for pod in gone.iter().filter_map(|uid| self.state.pod(uid)) {
            for entry in &pod.claims {
                let (Named::Given(name) | Named::Generated(name)) = &entry.claim else {
                    continue;
                };
                let Some(claim) = self.state.claim(&pod.namespace, name) else {
                    continue;
                };
                let status = claim.status.as_ref();
                let users = status.and_then(|status| status.reserved_for.as_ref());
                let mut users = users.into_iter().flatten();
                if users.all(|user| gone.contains(&user.uid)) {
                    freed.push(claim);
                }
            }
        }
        freed
    }
}

fn uid(claim: &ResourceClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}
