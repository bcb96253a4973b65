//! How policies meet the claims of one pod on one node.
//!
//! A policy proposes, the allocator disposes. Plain first fit runs first: where the claims do not
//! fit at all no policy is asked, and which alternative of a `firstAvailable` request is served is
//! the user's order of preference and never a policy's. Then each policy is asked about the
//! requests that the rules map to it, one claim after the other, and its proposals are tried in
//! order: the allocator completes each with everything that is not decided yet and verifies the
//! whole, and the first that holds is kept. When a later policy finds none of its own proposals
//! feasible, the next proposal of the earlier one is tried, so that policies of two vendors compose
//! in one claim. All of it shares one budget.

mod consult;
mod decision;
mod lower;
mod question;
mod record;
mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

pub use decision::{Answer, Consultation, Decision, Outcome, Verdict, Weighed};
pub use question::question;

use crate::allocator::{
    AllocateError, AllocatedState, Allocation, Allocator, Budget, DeviceIndex, Guidance, Plan,
    RequestIndex,
};
use crate::configuration::{Configuration, Fallback, Rule};
use crate::journal::Recorder;
use crate::policy::{Hook, Registry};
use consult::Search;

/// A policy and what the administrator said about it.
#[derive(Debug)]
struct Advisor {
    name: Arc<str>,
    on_no_proposal: Fallback,
    on_failure: Fallback,
}

/// Decides for nodes, one at a time, from many threads.
#[derive(Debug)]
pub struct Placement {
    allocator: Arc<Allocator>,
    registry: Arc<Registry>,
    policies: Arc<[Advisor]>,
    /// With the position of each rule's policy.
    rules: Arc<[(usize, Rule)]>,
    recorder: Option<Arc<dyn Recorder>>,
}

impl Placement {
    /// The policies and rules of a configuration; `registry` serves each policy under its name
    /// there. A policy that does not serve counts as one that fails.
    #[must_use]
    pub fn new(
        allocator: Arc<Allocator>,
        configuration: &Configuration,
        registry: Arc<Registry>,
    ) -> Self {
        let policies = configuration.policies.iter().map(|entry| Advisor {
            name: entry.name.as_str().into(),
            on_no_proposal: entry.on_no_proposal,
            on_failure: entry.on_failure,
        });
        let rules = configuration.rules.iter().filter_map(|rule| {
            let policy = configuration
                .policies
                .iter()
                .position(|p| p.name == rule.policy)?;
            Some((policy, rule.clone()))
        });
        Self {
            allocator,
            registry,
            policies: policies.collect(),
            rules: rules.collect(),
            recorder: None,
        }
    }

    /// The same policies and rules over other devices.
    #[must_use]
    pub fn over(&self, allocator: Arc<Allocator>) -> Self {
        Self {
            allocator,
            registry: Arc::clone(&self.registry),
            policies: Arc::clone(&self.policies),
            rules: Arc::clone(&self.rules),
            recorder: self.recorder.clone(),
        }
    }

    /// Tells every policy's answer, and what became of it, to a recorder. Of a policy that was asked
    /// again because a later one found nothing, the last answer is told.
    #[must_use]
    pub fn recorded_by(self, recorder: Arc<dyn Recorder>) -> Self {
        Self {
            recorder: Some(recorder),
            ..self
        }
    }

    /// What is allocated from.
    #[must_use]
    pub fn allocator(&self) -> &Arc<Allocator> {
        &self.allocator
    }

    /// What serves the policies.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Whether any policy may be asked, so that nodes are worth comparing.
    #[must_use]
    pub fn ranks_nodes(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Decides which devices of `node` the claims of one pod get, given what is in use.
    #[must_use]
    pub fn place(
        &self,
        state: &AllocatedState,
        node: &Node,
        claims: &[&ResourceClaim],
        budget: Budget,
    ) -> Decision {
        let prepared = self.allocator.prepare(state);
        let plan = prepared.plan(claims);
        self.place_planned(&plan, node, budget)
    }

    /// As [`Placement::place`], of a plan that serves a sweep over many nodes. It is to be made by this
    /// placement's own allocator.
    #[must_use]
    pub fn place_planned<'p>(&self, plan: &Plan<'p, 'p>, node: &Node, budget: Budget) -> Decision {
        let mut trace = Vec::new();
        let claims = plan.claims();
        let answer = self.decide(plan, &claims, node, budget, &mut trace);
        let (allocation, failure) = match answer {
            Ok(allocation) => (allocation, None),
            Err(error) => (None, Some(error)),
        };
        let score = allocation.is_some().then(|| mean_score(&trace)).flatten();
        Decision {
            allocation,
            failure,
            score,
            consultations: trace,
        }
    }

    fn decide<'p>(
        &self,
        plan: &Plan<'p, 'p>,
        claims: &[&ResourceClaim],
        node: &Node,
        budget: Budget,
        trace: &mut Vec<Consultation>,
    ) -> Result<Option<Allocation>, AllocateError> {
        let mut left = budget;
        let free = Guidance::default();
        let Some(first_fit) = plan.allocate_from(node, &free, &mut left)? else {
            return Ok(None);
        };
        if self.rules.is_empty() {
            return Ok(Some(first_fit));
        }
        let mut groups = rules::group(
            &self.rules,
            claims,
            &first_fit,
            |device| self.driver_of(device),
            |request| plan.candidates(node, request),
        )?;
        groups.retain(|group| self.has_a_say(group.policy));
        if groups.is_empty() {
            return Ok(Some(first_fit));
        }
        let guidance = Guidance {
            alternatives: alternatives(&first_fit),
            ..free
        };
        let mut search = Search {
            placement: self,
            plan,
            state: plan.state(),
            node,
            claims,
            groups: &groups,
            granted: budget.steps,
            budget: left,
            calls: 0,
            trace: Vec::new(),
            asked: Vec::new(),
        };
        let answer = search.descend(0, &guidance, first_fit);
        if let Some(recorder) = &self.recorder {
            record::record(recorder.as_ref(), &mut search);
        }
        *trace = search.trace;
        answer
    }

    /// Whether a policy is to be asked: one that only sets devices up has no say in which they are. One
    /// that is not serving is not known not to have one.
    fn has_a_say(&self, policy: usize) -> bool {
        let name = self.policies.get(policy).map(|advisor| &advisor.name);
        let serving = name.and_then(|name| self.registry.get(name));
        serving.is_none_or(|policy| policy.description().hooks.contains(&Hook::Select))
    }

    fn driver_of(&self, device: DeviceIndex) -> String {
        self.allocator
            .view(device)
            .map(|view| view.driver.to_owned())
            .unwrap_or_default()
    }
}

/// Which alternatives an allocation serves.
fn alternatives(allocation: &Allocation) -> BTreeMap<(usize, usize), usize> {
    let chosen = |index: &RequestIndex| Some(((index.claim, index.request), index.alternative?));
    allocation.devices.keys().filter_map(chosen).collect()
}

/// The mean of the scores of the proposals that are used.
fn mean_score(trace: &[Consultation]) -> Option<f64> {
    let scores: Vec<f64> = trace
        .iter()
        .filter_map(|asked| match (&asked.answer, asked.outcome) {
            (Answer::Proposals(proposals), Outcome::Proposal(used)) => {
                proposals.get(used).map(|proposal| proposal.score)
            }
            _ => None,
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred scores at most")]
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}
