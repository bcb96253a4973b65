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

pub mod in_use;
pub mod node_taints;
pub mod reservation;

mod outcome;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{AllocationResult, ResourceClaim};

pub use outcome::{
    Blocker, Chosen, ClaimOutcome, ClaimState, NodeRefusal, Pending, PodClaimOutcome, PodOutcome,
    Refusal, Schedule,
};

use crate::allocator::{AllocatedState, Budget};
use crate::node_selector::{self, NodeTerms};
use crate::placement::{Decision, Placement};

/// What is to be scheduled, and onto what.
#[derive(Debug, Default)]
pub struct Input {
    /// The nodes, in any order.
    pub nodes: Vec<Node>,
    /// All claims, allocated and pending, given and generated.
    pub claims: Vec<ResourceClaim>,
    /// What to do, in this order.
    pub tasks: Vec<Task>,
    /// The device classes there are.
    pub classes: BTreeSet<String>,
    /// Namespaces whose claims may ask for admin access.
    pub admin_namespaces: BTreeSet<String>,
}

/// One thing to schedule.
#[derive(Debug)]
pub enum Task {
    /// A pod with its claims.
    Pod(PodTask),
    /// A claim that no pod uses: its position in [`Input::claims`].
    Claim(usize),
}

/// A pod to schedule.
#[derive(Debug)]
pub struct PodTask {
    /// The pod.
    pub pod: Pod,
    /// One for each entry of `spec.resourceClaims`.
    pub claims: Vec<PodClaim>,
}

/// What an entry of a pod's `spec.resourceClaims` stands for.
#[derive(Debug)]
pub struct PodClaim {
    /// The entry's name in the pod.
    pub entry: String,
    /// The claim's position in [`Input::claims`], or why there is none.
    pub claim: Result<usize, String>,
}

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

/// Schedules everything in order, each question to one node within `budget`. `progress` is told the number of each task before it begins.
pub fn schedule(input: Input, placement: &Placement, budget: Budget, progress: &mut dyn FnMut(usize)) -> Schedule {
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
        budget,
    };
    let mut pods = Vec::new();
    for (at, task) in tasks.into_iter().enumerate() {
        progress(at);
        match task {
            Task::Pod(task) => pods.push(scheduler.pod(task)),
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
    budget: Budget,
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

    /// Finds the node, and allocates there what is pending among `claims`.
    fn choose(&mut self, pod: Option<&Pod>, claims: &[usize]) -> Result<Chosen, Pending> {
        if self.nodes.is_empty() {
            return Err(Pending::NoNodes);
        }
        let (allocated, pending): (Vec<usize>, Vec<usize>) = claims.iter().partition(|&&claim| {
            self.claims
                .get(claim)
                .is_some_and(ClaimOutcome::is_allocated)
        });
        let selectors: Vec<(String, Option<NodeTerms>)> = allocated
            .iter()
            .filter_map(|&claim| self.claims.get(claim))
            .map(where_allocated)
            .collect();
        let wanted: Vec<&ResourceClaim> = pending
            .iter()
            .filter_map(|&claim| self.claims.get(claim))
            .map(|outcome| &outcome.claim)
            .collect();

        let mut refusals = Vec::new();
        let mut best: Option<(String, Decision)> = None;
        for node in &self.nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            if let Some(reason) = keeps_away(node, pod, &selectors) {
                refusals.push(NodeRefusal { node: name, reason });
                continue;
            }
            if wanted.is_empty() {
                return Ok(Chosen {
                    node: name,
                    allocated: pending,
                    decision: None,
                });
            }
            let decision = self.placement.place(&self.state, node, &wanted, self.budget);
            if decision.allocation.is_none() {
                refusals.push(NodeRefusal {
                    node: name,
                    reason: Refusal::DoesNotFit(Box::new(decision)),
                });
                continue;
            }
            let better = best
                .as_ref()
                .is_none_or(|(_, best)| rank(&decision) > rank(best));
            if better {
                best = Some((name, decision));
            }
            if !self.placement.ranks_nodes() {
                break;
            }
        }
        let Some((node, decision)) = best else {
            return Err(Pending::NoNodeFits(refusals));
        };
        let results = decision
            .allocation
            .as_ref()
            .map(|allocation| allocation.results.clone())
            .unwrap_or_default();
        for (&claim, result) in pending.iter().zip(results) {
            self.allocate(claim, result);
        }
        Ok(Chosen {
            node,
            allocated: pending,
            decision: Some(Box::new(decision)),
        })
    }

    fn allocate(&mut self, claim: usize, result: AllocationResult) {
        if let Some(outcome) = self.claims.get_mut(claim) {
            reservation::allocate(&mut outcome.claim, result);
            outcome.state = ClaimState::ForPod;
            in_use::enter(&mut self.state, &outcome.claim);
        }
    }
}

/// How a feasible node compares with others: nodes that no policy scored come last.
fn rank(decision: &Decision) -> f64 {
    decision.score.unwrap_or(f64::NEG_INFINITY)
}

/// The nodes an allocated claim can be used on: `None` for all.
fn where_allocated(outcome: &ClaimOutcome) -> (String, Option<NodeTerms>) {
    let allocation = outcome
        .claim
        .status
        .as_ref()
        .and_then(|status| status.allocation.as_ref());
    let selector = allocation.and_then(|allocation| allocation.node_selector.as_ref());
    (claim_name(&outcome.claim), selector.map(NodeTerms::lenient))
}

fn keeps_away(
    node: &Node,
    pod: Option<&Pod>,
    allocated: &[(String, Option<NodeTerms>)],
) -> Option<Refusal> {
    if let Some(pod) = pod {
        if let Err(mismatch) = node_selector::admits(node, pod) {
            return Some(Refusal::NotSelected(mismatch));
        }
        // Who names a node has been placed already; the scheduler and its taints are not asked.
        let bound = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .is_some_and(|name| !name.is_empty());
        if !bound && let Some(taint) = node_taints::untolerated(node, pod) {
            return Some(Refusal::Tainted(taint));
        }
    }
    allocated
        .iter()
        .find(|(_, terms)| terms.as_ref().is_some_and(|terms| !terms.matches(node)))
        .map(|(claim, _)| Refusal::ClaimElsewhere {
            claim: claim.clone(),
        })
}

/// Nodes that devices are published for but that nobody described: by name only, without labels.
pub fn implied_nodes<'a>(
    nodes: &[Node],
    slices: impl IntoIterator<Item = &'a k8s_openapi::api::resource::v1::ResourceSlice>,
) -> Vec<Node> {
    let known: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| node.metadata.name.as_deref())
        .collect();
    let mut implied: BTreeMap<String, Node> = BTreeMap::new();
    for slice in slices {
        let devices = slice
            .spec
            .devices
            .iter()
            .flatten()
            .filter_map(|device| device.node_name.as_deref());
        for name in slice.spec.node_name.as_deref().into_iter().chain(devices) {
            if !known.contains(name) && !implied.contains_key(name) {
                let mut node = Node::default();
                node.metadata.name = Some(name.to_owned());
                implied.insert(name.to_owned(), node);
            }
        }
    }
    implied.into_values().collect()
}
