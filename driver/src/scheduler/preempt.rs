//! Which pods must go so that a pod's claims fit.
//!
//! The kube-scheduler asks an extender about nodes on which its own rules need victims; then more may have to
//! go for the devices ([`preempt`]). Where nothing is short but devices, it never asks: its trial run finds
//! that nobody has to go, takes that for an error, and ends. So Supercargo lets pods go itself where it
//! has refused every node that the scheduler had left ([`preemptor`]).
//!
//! The rules are upstream's, for pods that hold devices on the node: only those of lower priority; all of them
//! are taken away at first, and as many as possible are spared, those protected by a budget before the others
//! and the more important ones first; of several nodes the one with the fewest broken budgets, then the least
//! important victims, then the fewest. A pod that is ending already counts as gone. A claim that somebody else
//! uses, too, frees nothing. A node where nothing helps is dropped from the answer.

pub mod preemptor;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::Budget;
use supercargo_host::scheduling::in_use;

use super::pod::Pod;
use super::state::{NodeEntry, Shard, Snapshot, State, Wants};
use super::wire::{MetaPod, MetaVictims, PreemptResult};
use crate::claims::results;

/// What asking one node once may cost.
const STEPS: u64 = 200_000;
/// How long one call may take.
const CALL: Duration = Duration::from_secs(3);
/// How many pods are looked at on one node.
const PODS: usize = 256;
/// How many nodes are compared (upstream's `minCandidateNodesAbsolute`).
const NODES: usize = 100;

/// Answers Preempt.
#[must_use]
pub fn preempt(state: &State, pod: &Pod, victims: BTreeMap<String, MetaVictims>) -> PreemptResult {
    let mut result = PreemptResult::default();
    let Ok((wants, snapshot)) = state.wants(pod) else {
        return result;
    };
    let search = Search::new(state, pod, &wants, &snapshot);
    for (node, proposed) in victims {
        if wants.is_settled() {
            result.node_name_to_meta_victims.insert(node, proposed);
            continue;
        }
        let pods = proposed.pods.unwrap_or_default();
        let must_go = pods.iter().map(|victim| victim.uid.clone()).collect();
        if let Some(more) = search.victims(&node, &must_go) {
            let more_pods = more.pods.iter().map(|pod| MetaPod {
                uid: pod.uid.clone(),
            });
            let victims = MetaVictims {
                pods: Some(pods.into_iter().chain(more_pods).collect()),
                violations: proposed.violations.saturating_add(more.violations),
            };
            result.node_name_to_meta_victims.insert(node, victims);
        }
    }
    result
}

/// The pods that must go from a node, the most important one first.
#[derive(Debug, Clone, Default)]
pub struct Victims {
    /// The pods.
    pub pods: Vec<Arc<Pod>>,
    /// How many of them a budget protects.
    pub violations: i64,
}

impl Victims {
    /// Less is better (`pickOneNodeForPreemption`).
    fn cost(&self) -> (i64, i64, i64, usize, Reverse<Option<Timestamp>>) {
        let highest = self.pods.first().map_or(i64::MIN, |pod| pod.priority);
        // Positive, so that few pods cost less than many, whatever their priority.
        let positive = |pod: &Arc<Pod>| pod.priority.saturating_add(1 << 31);
        let sum = self.pods.iter().map(positive).sum();
        let of_highest = self.pods.iter().filter(|pod| pod.priority == highest);
        let begun = of_highest.filter_map(|pod| pod.started).min();
        let count = self.pods.len();
        (self.violations, highest, sum, count, Reverse(begun))
    }
}

/// Where room can be made for a pod.
#[derive(Debug)]
pub enum Room {
    /// When these are gone from the node, it fits.
    After(String, Victims),
    /// There is room on the node as soon as those are gone that are going.
    Coming(String),
    /// Nowhere.
    Nowhere,
}

/// Looks for room on nodes that have none.
#[must_use]
pub fn room(state: &State, pod: &Pod, nodes: &[String]) -> Room {
    let Ok((wants, snapshot)) = state.wants(pod) else {
        return Room::Nowhere;
    };
    let search = Search::new(state, pod, &wants, &snapshot);
    let none = BTreeSet::new();
    let mut found: Vec<(&String, Victims)> = Vec::new();
    for node in nodes {
        match search.victims(node, &none) {
            Some(victims) if victims.pods.is_empty() => return Room::Coming(node.clone()),
            Some(victims) => found.push((node, victims)),
            None => {}
        }
        if found.len() >= NODES {
            break;
        }
    }
    let best = found.into_iter().min_by_key(|(_, victims)| victims.cost());
    best.map_or(Room::Nowhere, |(node, victims)| {
        Room::After(node.clone(), victims)
    })
}

struct Search<'a> {
    state: &'a State,
    pod: &'a Pod,
    wants: &'a Wants,
    snapshot: &'a Snapshot,
    /// What is being freed for others that are no less important.
    nominees: std::collections::HashMap<String, Vec<(String, String)>>,
    budget: Budget,
}

impl<'a> Search<'a> {
    fn new(state: &'a State, pod: &'a Pod, wants: &'a Wants, snapshot: &'a Snapshot) -> Self {
        Self {
            state,
            pod,
            wants,
            snapshot,
            nominees: state.closed_to(pod),
            budget: Budget {
                steps: STEPS,
                deadline: Instant::now().checked_add(CALL),
            },
        }
    }

    /// Who must go from a node besides those that must go anyway; `None` where nothing helps.
    fn victims(&self, node: &str, must_go: &BTreeSet<String>) -> Option<Victims> {
        let (shard, entry) = self.snapshot.node(node)?;
        let claims = self.wants.claims(&self.wants.missing(&entry.offers)).ok()?;
        let mut pending = Vec::new();
        for (uid, _) in self.nominees.get(node).into_iter().flatten() {
            let other = self.state.pod(uid)?;
            let (wants, _) = self.state.wants(&other).ok()?;
            let theirs = wants.claims(&wants.missing(&entry.offers)).ok()?;
            pending.extend(theirs.pending);
        }
        pending.extend(claims.pending);
        let question = Question {
            state: self.state,
            shard,
            entry,
            pending,
            budget: self.budget,
        };
        let there = self.state.pods_on(node);
        let (ending, staying): (Vec<_>, Vec<_>) = there.into_iter().partition(|pod| pod.over);
        let mut gone = must_go.clone();
        gone.extend(ending.iter().map(|pod| pod.uid.clone()));
        let mut lesser: Vec<Arc<Pod>> = staying
            .into_iter()
            .filter(|other| other.priority < self.pod.priority && !gone.contains(&other.uid))
            .collect();
        lesser.sort_by(|a, b| importance(a).cmp(&importance(b)));
        // Of too many, the least important ones.
        lesser.drain(..lesser.len().saturating_sub(PODS));
        if question.fits_without(&gone) {
            return Some(Victims::default());
        }
        gone.extend(lesser.iter().map(|pod| pod.uid.clone()));
        if !question.fits_without(&gone) {
            return None;
        }
        let (violating, others) = self.state.violating(&lesser);
        let mut victims = Victims::default();
        let protected = violating.len();
        for (at, pod) in violating.into_iter().chain(others).enumerate() {
            gone.remove(&pod.uid);
            if !question.fits_without(&gone) {
                gone.insert(pod.uid.clone());
                victims.violations += i64::from(at < protected);
                victims.pods.push(pod);
            }
        }
        victims
            .pods
            .sort_by(|a, b| importance(a).cmp(&importance(b)));
        Some(victims)
    }
}

/// The most important pod first: by priority, and then the one that has run longest.
fn importance(pod: &Pod) -> (Reverse<i64>, bool, Option<Timestamp>, &str) {
    let unstarted = pod.started.is_none();
    (Reverse(pod.priority), unstarted, pod.started, &pod.uid)
}

struct Question<'a> {
    state: &'a State,
    shard: &'a Arc<Shard>,
    entry: &'a NodeEntry,
    pending: Vec<Arc<ResourceClaim>>,
    budget: Budget,
}

impl Question<'_> {
    /// Whether the claims fit when these pods are gone.
    fn fits_without(&self, gone: &BTreeSet<String>) -> bool {
        let freed = self.freed(gone);
        let mut state = self.shard.in_use().clone();
        let pools: BTreeSet<(&str, &str)> = freed
            .values()
            .flat_map(|claim| results(claim))
            .map(|result| (result.driver.as_str(), result.pool.as_str()))
            .collect();
        for (driver, pool) in pools {
            in_use::leave_pool(&mut state, driver, pool);
            for claim in self.state.holders(driver, pool) {
                if !freed.contains_key(uid(&claim)) {
                    in_use::enter_where(&mut state, &claim, |result| {
                        result.driver == driver && result.pool == pool
                    });
                }
            }
        }
        let claims: Vec<&ResourceClaim> = self.pending.iter().map(|it| &**it).collect();
        let placement = self.shard.placement();
        let decision = placement.place(&state, &self.entry.node, &claims, self.budget);
        decision.allocation.is_some()
    }

    /// The claims that nobody uses when these pods are gone, by UID. A pod that nobody knows any more is gone.
    fn freed(&self, gone: &BTreeSet<String>) -> BTreeMap<String, Arc<ResourceClaim>> {
        let pods = gone.iter().filter_map(|uid| self.state.pod(uid));
        let named = pods.flat_map(|pod| {
            let claims = pod
                .claim_names()
                .filter_map(|name| self.state.claim(&pod.namespace, name));
            claims.collect::<Vec<_>>()
        });
        let local = self.entry.pools();
        let local = local.flat_map(|(driver, pool)| self.state.holders(driver, pool));
        let is_free = |claim: &Arc<ResourceClaim>| {
            let status = claim.status.as_ref();
            let users = status.and_then(|status| status.reserved_for.as_ref());
            let mut users = users.into_iter().flatten().peekable();
            users.peek().is_some()
                && users.all(|user| {
                    user.resource == "pods"
                        && (gone.contains(&user.uid) || self.state.pod(&user.uid).is_none())
                })
        };
        named
            .chain(local)
            .filter(is_free)
            .map(|claim| (uid(&claim).to_owned(), claim))
            .collect()
    }
}

fn uid(claim: &ResourceClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}
