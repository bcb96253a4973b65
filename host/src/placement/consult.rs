//! Asking the policies in turn and trying what they propose.

use std::collections::BTreeSet;
use std::time::Instant;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::decision::{Answer, Consultation, Outcome, Verdict, Weighed};
use super::rules::Group;
use super::{Placement, lower};
use crate::allocator::{
    AllocateError, AllocatedState, Allocation, Budget, Choice, DeviceIndex, Guidance, Plan,
};
use crate::configuration::Fallback;
use crate::journal::Reply;
use crate::policy;

/// Policies are asked at most this often for one pod on one node, however they compose.
const MAX_CALLS: usize = 256;

/// One question being answered.
pub(super) struct Search<'a, 'p> {
    pub(super) placement: &'a Placement,
    pub(super) plan: &'a Plan<'p, 'p>,
    pub(super) state: &'a AllocatedState,
    pub(super) node: &'a Node,
    pub(super) claims: &'a [&'a ResourceClaim],
    pub(super) groups: &'a [Group],
    /// The steps there were at first.
    pub(super) granted: u64,
    /// What is left.
    pub(super) budget: Budget,
    pub(super) calls: usize,
    /// One for each group that was asked, in order; a group asked again replaces its entry.
    pub(super) trace: Vec<Consultation>,
    /// What each entry of the trace was asked; empty unless somebody records it.
    pub(super) asked: Vec<Option<Asked>>,
}

/// A question that was put, for a recorder.
pub(super) struct Asked {
    pub(super) policy: policy::Policy,
    pub(super) situation: policy::Situation,
    pub(super) devices: Vec<DeviceIndex>,
    pub(super) reply: Reply,
}

impl Search<'_, '_> {
    /// Decides the groups from `depth` on. `current` is a feasible allocation under `guidance`, so
    /// leaving a group to first fit costs nothing: it is what `current` already has.
    ///
    /// `Ok(None)`: a policy from here on has no usable proposal and its administrator wants the
    /// claim to wait then.
    pub(super) fn descend(
        &mut self,
        depth: usize,
        guidance: &Guidance,
        current: Allocation,
    ) -> Result<Option<Allocation>, AllocateError> {
        let Some(group) = self.groups.get(depth) else {
            return Ok(Some(current));
        };
        self.trace.truncate(depth);
        self.asked.truncate(depth);
        let answer = self.ask(group, &current)?;
        let proposals = match &answer {
            Answer::Proposals(proposals) => proposals.len(),
            Answer::Refused(_) | Answer::Failed(_) | Answer::NotServing => 0,
        };
        let Some(advisor) = self.placement.policies.get(group.policy) else {
            return Ok(Some(current));
        };
        let fallback = match answer {
            Answer::Failed(_) | Answer::NotServing => advisor.on_failure,
            Answer::Proposals(_) | Answer::Refused(_) => advisor.on_no_proposal,
        };
        self.trace.push(Consultation {
            claim: group.claim,
            policy: advisor.name.clone(),
            requests: group.requests.iter().map(|mapped| mapped.index).collect(),
            answer,
            outcome: Outcome::Unschedulable,
        });

        for position in 0..proposals {
            let wanted = self.guided(depth, position, guidance);
            let verdict = match self
                .plan
                .allocate_from(self.node, &wanted, &mut self.budget)
            {
                Ok(None) => Verdict::Infeasible,
                Ok(Some(allocation)) => {
                    self.set_outcome(depth, Outcome::Proposal(position));
                    let decided = self.descend(depth + 1, &wanted, allocation)?;
                    if decided.is_some() {
                        self.set_verdict(depth, position, Verdict::Used);
                        return Ok(decided);
                    }
                    Verdict::BlocksLaterPolicy
                }
                Err(AllocateError::GaveUp { .. }) => Verdict::GaveUp,
                Err(error @ AllocateError::Deadline { .. }) => return Err(error),
                // What an error forbids, such as a constraint on `All`, a proposal cannot have.
                Err(AllocateError::Fatal(_) | AllocateError::NodeLocal(_)) => Verdict::Infeasible,
            };
            self.set_verdict(depth, position, verdict);
        }
        match fallback {
            Fallback::FirstFit => {
                self.set_outcome(depth, Outcome::FirstFit);
                self.descend(depth + 1, guidance, current)
            }
            Fallback::Unschedulable => {
                self.set_outcome(depth, Outcome::Unschedulable);
                Ok(None)
            }
        }
    }

    /// Asks the policy of a group. Devices that earlier groups have are not offered again.
    fn ask(&mut self, group: &Group, current: &Allocation) -> Result<Answer, AllocateError> {
        self.calls += 1;
        let steps = self.granted.saturating_sub(self.budget.steps);
        if self
            .budget
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(AllocateError::Deadline { steps });
        }
        if self.calls > MAX_CALLS {
            return Err(AllocateError::GaveUp { steps });
        }
        let Some(advisor) = self.placement.policies.get(group.policy) else {
            return Ok(Answer::Proposals(Vec::new()));
        };
        let Some(claim) = self.claims.get(group.claim) else {
            return Ok(Answer::Proposals(Vec::new()));
        };
        let taken = self.taken(current);
        let question = lower::Question {
            allocator: &self.placement.allocator,
            state: self.state,
            node: self.node,
            claim,
            group,
            taken: &taken,
        };
        let Some(policy) = self.placement.registry.get(&advisor.name) else {
            if self.placement.recorder.is_some() {
                self.asked.push(None);
            }
            return Ok(Answer::NotServing);
        };
        let (situation, devices) = lower::situation(&question, &policy.description().interests)?;
        let answered = policy.select(&situation, self.budget.deadline);
        let reply = match (&self.placement.recorder, &answered) {
            (None, _) => None,
            (Some(_), Ok(proposals)) => Some(Reply::Proposals(proposals.to_vec())),
            (Some(_), Err(error)) => Some(Reply::from(error)),
        };
        let answer = match answered {
            Ok(proposals) => Answer::Proposals(
                proposals
                    .iter()
                    .map(|proposal| weigh(proposal, group, &devices))
                    .collect(),
            ),
            Err(policy::CallError::Refused(refusal)) => Answer::Refused(refusal.to_string()),
            Err(error) => Answer::Failed(error),
        };
        if let Some(reply) = reply {
            self.asked.push(Some(Asked {
                policy,
                situation,
                devices,
                reply,
            }));
        }
        Ok(answer)
    }

    /// The devices that the groups before this one have, but for those that several may share.
    fn taken(&self, current: &Allocation) -> BTreeSet<DeviceIndex> {
        let shared = |device: &DeviceIndex| {
            self.placement
                .allocator
                .view(*device)
                .is_some_and(|view| view.device.allow_multiple_allocations == Some(true))
        };
        self.trace
            .iter()
            .flat_map(|consultation| &consultation.requests)
            .filter_map(|request| current.devices.get(request))
            .flatten()
            .filter(|device| !shared(device))
            .copied()
            .collect()
    }

    /// The guidance so far and what a proposal adds to it.
    fn guided(&self, depth: usize, position: usize, guidance: &Guidance) -> Guidance {
        let mut wanted = guidance.clone();
        let proposal = self.trace.get(depth).and_then(|asked| match &asked.answer {
            Answer::Proposals(proposals) => proposals.get(position),
            Answer::Refused(_) | Answer::Failed(_) | Answer::NotServing => None,
        });
        for (request, devices) in proposal.into_iter().flat_map(|proposal| &proposal.devices) {
            let exact = proposal.is_some_and(|proposal| proposal.exact);
            let choice = if exact { Choice::Exact } else { Choice::Prefer };
            wanted.choices.insert(*request, choice(devices.clone()));
        }
        wanted
    }

    fn set_outcome(&mut self, depth: usize, outcome: Outcome) {
        if let Some(asked) = self.trace.get_mut(depth) {
            asked.outcome = outcome;
        }
    }

    fn set_verdict(&mut self, depth: usize, position: usize, verdict: Verdict) {
        if let Some(Answer::Proposals(proposals)) =
            self.trace.get_mut(depth).map(|asked| &mut asked.answer)
            && let Some(proposal) = proposals.get_mut(position)
        {
            proposal.verdict = verdict;
        }
    }
}

/// A proposal in terms of the claim's requests and the allocator's devices. The engine has checked
/// that every position is within the question; one that is not is left out, and the proposal then
/// fails for want of devices.
fn weigh(proposal: &policy::Proposal, group: &Group, devices: &[DeviceIndex]) -> Weighed {
    let resolve = |assignment: &policy::Assignment| {
        let mapped = group.requests.get(assignment.request as usize)?;
        let devices = assignment
            .devices
            .iter()
            .filter_map(|&at| devices.get(at as usize))
            .copied()
            .collect();
        Some((mapped.index, devices))
    };
    Weighed {
        exact: matches!(proposal.choice, policy::Choice::Exact(_)),
        devices: proposal
            .choice
            .assignments()
            .iter()
            .filter_map(resolve)
            .collect(),
        score: proposal.score,
        reason: proposal.reason.clone(),
        verdict: Verdict::NotTried,
    }
}
