//! Pods and claims over nodes: which node, in what order, and what is written.
//!
//! [`placement`](crate::placement) answers for one set of claims on one node. Around it stands what
//! Kubernetes' scheduler does before and after: which nodes a pod may go to at all, what a shared
//! claim that is already allocated says about the next pod's node, which of the feasible nodes is
//! taken, and what binding enters into the claims. It is a plain function over objects, so the
//! command line, and later the extender, decide alike.
//!
//! Nodes are asked in name order. Where no policy ranks them the first that fits is taken and the
//! others are not asked; where one does, all are asked, and the best score wins, the first name
//! among equals.

pub mod extended;
pub mod in_use;
pub mod node_taints;
pub mod reservation;

mod choice;
mod input;
mod outcome;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{AllocationResult, ResourceClaim};

pub use input::{Input, PodClaim, PodTask, Task};
pub use outcome::{
    Blocker, Chosen, ClaimOutcome, ClaimState, NodeRefusal, Pending, PodClaimOutcome, PodOutcome,
    Refusal, Schedule,
};

use crate::allocator::{AllocatedState, Budget};
use crate::placement::Placement;

/// `namespace/name` of a claim.
pub fn claim_name(claim: &ResourceClaim) -> String {
    full_name(&claim.metadata)
}

/// `namespace/name`.
pub fn full_name(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> String {
    format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or("default"),
        metadata.name.as_deref().unwrap_or_default()
    )
}

/// How to schedule.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What each question to one node may cost.
    pub budget: Budget,
    /// Whether what was placed is explained too; what stays pending always is.
    pub explain_all: bool,
}

/// Schedules everything in order. `progress` is told the number of each task before it begins.
pub fn schedule(
    input: Input,
    placement: &Placement,
    options: Options,
    progress: &mut dyn FnMut(usize),
) -> Schedule {
    let Input {
        mut nodes,
        claims,
        tasks,
        classes,
        admin_namespaces,
    } = input;
    nodes.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let mut scheduler = Scheduler {
        state: in_use::in_use(&claims),
        claims: claims.into_iter().map(ClaimOutcome::found).collect(),
        nodes,
        classes,
        admin_namespaces,
        placement,
        options,
    };
    let mut pods = Vec::new();
    for (at, task) in tasks.into_iter().enumerate() {
        progress(at);
        match task {
            Task::Pod(task) => pods.push(scheduler.pod(*task)),
            Task::Claim(claim) => scheduler.lone_claim(claim),
        }
    }
    Schedule {
        claims: scheduler.claims,
        pods,
        state: scheduler.state,
        nodes: scheduler.nodes,
    }
}

struct Scheduler<'a> {
    nodes: Vec<Node>,
    claims: Vec<ClaimOutcome>,
    classes: BTreeSet<String>,
    admin_namespaces: BTreeSet<String>,
    state: AllocatedState,
    placement: &'a Placement,
    options: Options,
}

impl Scheduler<'_> {
    fn pod(&mut self, task: PodTask) -> PodOutcome {
        let PodTask { pod, claims } = task;
        let result = self.place_pod(&pod, &claims);
        let claims = claims
            .into_iter()
            .map(|claim| PodClaimOutcome {
                entry: claim.entry,
                claim: claim.claim,
            })
            .collect();
        PodOutcome {
            pod,
            claims,
            result,
        }
    }

    fn place_pod(&mut self, pod: &Pod, entries: &[PodClaim]) -> Result<Chosen, Pending> {
        let mut blockers = Vec::new();
        let mut claims: Vec<usize> = Vec::new();
        for entry in entries {
            match &entry.claim {
                Ok(claim) if claims.contains(claim) => {}
                Ok(claim) => {
                    claims.push(*claim);
                    blockers.extend(self.claim_blockers(*claim));
                    if let Some(found) = self.claims.get(*claim)
                        && !reservation::is_reserved_for(&found.claim, pod)
                        && !reservation::has_room(&found.claim)
                    {
                        blockers.push(Blocker::ClaimFull {
                            claim: claim_name(&found.claim),
                        });
                    }
                }
                Err(reason) => {
                    blockers.push(Blocker::NoClaim {
                        entry: entry.entry.clone(),
                        reason: reason.clone(),
                    });
                }
            }
        }
        let gates = pod
            .spec
            .iter()
            .flat_map(|spec| spec.scheduling_gates.iter().flatten());
        blockers.extend(gates.map(|gate| Blocker::SchedulingGate(gate.name.clone())));
        if !blockers.is_empty() {
            return Err(Pending::Blocked(blockers));
        }
        let chosen = self.choose(Some(pod), &claims)?;
        for claim in claims {
            if let Some(outcome) = self.claims.get_mut(claim) {
                reservation::reserve(&mut outcome.claim, pod);
            }
        }
        Ok(chosen)
    }

    fn lone_claim(&mut self, claim: usize) {
        let allocated = self
            .claims
            .get(claim)
            .is_none_or(ClaimOutcome::is_allocated);
        if allocated {
            return;
        }
        let blockers = self.claim_blockers(claim);
        let result = if blockers.is_empty() {
            self.choose(None, &[claim])
        } else {
            Err(Pending::Blocked(blockers))
        };
        if let Some(outcome) = self.claims.get_mut(claim) {
            outcome.state = match result {
                Ok(chosen) => ClaimState::Now(chosen),
                Err(pending) => ClaimState::Pending(Some(pending)),
            };
        }
    }

    /// What keeps a claim from being allocated on any node.
    fn claim_blockers(&self, claim: usize) -> Vec<Blocker> {
        let Some(outcome) = self.claims.get(claim) else {
            return Vec::new();
        };
        let claim = claim_name(&outcome.claim);
        let mut blockers = Vec::new();
        if outcome.claim.metadata.deletion_timestamp.is_some() {
            blockers.push(Blocker::ClaimDeleted {
                claim: claim.clone(),
            });
        }
        if outcome.is_allocated() {
            return blockers;
        }
        let namespace = outcome
            .claim
            .metadata
            .namespace
            .as_deref()
            .unwrap_or("default");
        let requests = outcome
            .claim
            .spec
            .iter()
            .flat_map(|spec| spec.devices.iter());
        let requests = requests.flat_map(|devices| devices.requests.iter().flatten());
        for request in requests {
            let exactly = request.exactly.as_ref();
            if exactly.is_some_and(|exactly| exactly.admin_access == Some(true))
                && !self.admin_namespaces.contains(namespace)
            {
                blockers.push(Blocker::AdminAccess {
                    claim: claim.clone(),
                    request: request.name.clone(),
                    namespace: namespace.to_owned(),
                });
            }
            let alternatives = request
                .first_available
                .iter()
                .flatten()
                .map(|alternative| &alternative.device_class_name);
            for class in exactly
                .map(|exactly| &exactly.device_class_name)
                .into_iter()
                .chain(alternatives)
            {
                if !self.classes.contains(class) {
                    blockers.push(Blocker::NoClass {
                        claim: claim.clone(),
                        request: request.name.clone(),
                        class: class.clone(),
                        defined: self.classes.iter().cloned().collect(),
                    });
                }
            }
        }
        blockers
    }

    fn allocate(&mut self, claim: usize, result: AllocationResult) {
        if let Some(outcome) = self.claims.get_mut(claim) {
            reservation::allocate(&mut outcome.claim, result);
            outcome.state = ClaimState::ForPod;
            in_use::enter(&mut self.state, &outcome.claim);
        }
    }
}

#[cfg(test)]
mod tests;
