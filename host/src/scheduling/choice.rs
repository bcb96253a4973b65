//! Which node takes a pod's claims.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::{
    Blocker, Chosen, ClaimOutcome, NodeRefusal, Pending, Refusal, Scheduler, claim_name,
    node_taints,
};
use crate::allocator::{AllocateError, Explanation, RequestIndex};
use crate::node_selector::{self, NodeTerms};
use crate::placement::Decision;

/// Where more nodes than this refuse something, only the [`CLOSEST`] are explained: to explain one
/// node is to look at every device there is.
const EXPLAINED: usize = 32;
/// How many nodes are explained then.
const CLOSEST: usize = 8;

impl Scheduler<'_> {
    /// Finds the node, and allocates there what is pending among `claims`.
    pub(super) fn choose(
        &mut self,
        pod: Option<&Pod>,
        claims: &[usize],
    ) -> Result<Chosen, Pending> {
        let (allocated, pending): (Vec<usize>, Vec<usize>) = claims.iter().partition(|&&claim| {
            self.claims
                .get(claim)
                .is_some_and(ClaimOutcome::is_allocated)
        });
        let chosen = self.best_node(pod, &allocated, &pending)?;
        let allocation = chosen
            .decision
            .as_ref()
            .and_then(|decision| decision.allocation.as_ref());
        let results = allocation
            .map(|allocation| allocation.results.clone())
            .unwrap_or_default();
        for (&claim, result) in pending.iter().zip(results) {
            self.allocate(claim, result);
        }
        Ok(Chosen {
            allocated: pending,
            ..chosen
        })
    }

    fn best_node(
        &self,
        pod: Option<&Pod>,
        allocated: &[usize],
        pending: &[usize],
    ) -> Result<Chosen, Pending> {
        if self.nodes.is_empty() {
            return Err(Pending::NoNodes);
        }
        let elsewhere: Vec<(String, Option<NodeTerms>)> = allocated
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
        let mut refusing: Vec<(usize, &Node)> = Vec::new();
        let mut best: Option<(&Node, Decision)> = None;
        for node in &self.nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            if let Some(reason) = keeps_away(node, pod, &elsewhere) {
                refusals.push(NodeRefusal { node: name, reason });
                continue;
            }
            if wanted.is_empty() {
                return Ok(Chosen {
                    node: name,
                    allocated: Vec::new(),
                    decision: None,
                    explanation: None,
                });
            }
            let decision = self
                .placement
                .place(&self.state, node, &wanted, self.options.budget);
            if decision.allocation.is_none() {
                if best.is_none()
                    && let Some(AllocateError::Fatal(reason)) = &decision.failure
                {
                    // The claims themselves are wrong: no other node can help.
                    return Err(Pending::Blocked(vec![Blocker::Fatal(reason.clone())]));
                }
                refusing.push((refusals.len(), node));
                let reason = Refusal::DoesNotFit {
                    decision: Box::new(decision),
                    explanation: None,
                };
                refusals.push(NodeRefusal { node: name, reason });
                continue;
            }
            if best
                .as_ref()
                .is_none_or(|(_, best)| rank(&decision) > rank(best))
            {
                best = Some((node, decision));
            }
            if !self.placement.ranks_nodes() {
                break;
            }
        }
        let Some((node, decision)) = best else {
            self.explain(&refusing, &wanted, &mut refusals);
            return Err(Pending::NoNodeFits(refusals));
        };
        let explain = |node| {
            Box::new(
                self.placement
                    .allocator()
                    .explain(&self.state, node, &wanted),
            )
        };
        Ok(Chosen {
            node: node.metadata.name.clone().unwrap_or_default(),
            allocated: Vec::new(),
            explanation: self.options.explain_all.then(|| explain(node)),
            decision: Some(Box::new(decision)),
        })
    }

    /// Adds explanations to the refusals of nodes whose devices do not suffice: to all, or where
    /// they are many to the closest.
    fn explain(
        &self,
        refusing: &[(usize, &Node)],
        wanted: &[&ResourceClaim],
        refusals: &mut [NodeRefusal],
    ) {
        let mut refusing = refusing.to_vec();
        if refusing.len() > EXPLAINED {
            refusing
                .sort_by_cached_key(|(_, node)| std::cmp::Reverse(self.candidates(node, wanted)));
            refusing.truncate(CLOSEST);
        }
        for (at, node) in refusing {
            if let Some(NodeRefusal {
                reason: Refusal::DoesNotFit { explanation, .. },
                ..
            }) = refusals.get_mut(at)
            {
                let explained: Explanation =
                    self.placement
                        .allocator()
                        .explain(&self.state, node, wanted);
                *explanation = Some(Box::new(explained));
            }
        }
    }

    /// How many devices of a node could serve the requests, each taken alone.
    fn candidates(&self, node: &Node, wanted: &[&ResourceClaim]) -> usize {
        let indexes = wanted.iter().enumerate().flat_map(|(claim, wanted)| {
            let devices = wanted.spec.as_ref().and_then(|spec| spec.devices.as_ref());
            let requests = devices
                .into_iter()
                .flat_map(|devices| devices.requests.iter().flatten());
            requests.enumerate().flat_map(move |(request, asked)| {
                let alternatives = asked.first_available.as_ref().map_or(0, Vec::len);
                let exactly = asked.exactly.is_some().then_some(None);
                exactly
                    .into_iter()
                    .chain((0..alternatives).map(Some))
                    .map(move |alternative| RequestIndex {
                        claim,
                        request,
                        alternative,
                    })
            })
        });
        let count = |index| {
            let found = self
                .placement
                .allocator()
                .candidates(&self.state, node, wanted, index);
            found.map_or(0, |devices| devices.len())
        };
        indexes.map(count).sum()
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
    elsewhere: &[(String, Option<NodeTerms>)],
) -> Option<Refusal> {
    if let Some(pod) = pod {
        if let Err(mismatch) = node_selector::admits(node, pod) {
            return Some(Refusal::NotSelected(mismatch));
        }
        // Who names a node has been placed already; the scheduler and its taints are not asked.
        let named = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        if named.is_none_or(str::is_empty)
            && let Some(taint) = node_taints::untolerated(node, pod)
        {
            return Some(Refusal::Tainted(taint));
        }
    }
    elsewhere
        .iter()
        .find(|(_, terms)| terms.as_ref().is_some_and(|terms| !terms.matches(node)))
        .map(|(claim, _)| Refusal::ClaimElsewhere {
            claim: claim.clone(),
        })
}
