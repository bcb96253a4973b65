//! From a schedule to explanations: of what stays pending always, of everything on demand.

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::{Allocator, DeviceIndex, Explanation, RequestExplanation, Rule};
use supercargo_host::placement::{Answer, Consultation, Decision, Outcome, Weighed};
use supercargo_host::scheduling::{
    Chosen, ClaimState, NodeRefusal, Pending, PodOutcome, Refusal, Schedule, full_name,
};

use super::rows::reason;
use crate::claims::short;
use crate::render::allocation::show_score;
use crate::render::devices::fold;
use crate::render::reasons::{
    NodeReason, PolicyReason, Proposal, RequestReason, RuleReason, Subject,
};

/// What there is to tell: pods in order, then claims that no pod uses.
pub(super) struct Teller<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) allocator: &'a Allocator,
}

impl Teller<'_> {
    /// What is pending, and why.
    pub(super) fn pending(&self) -> Vec<Subject> {
        let pods = self.schedule.pods.iter().filter_map(|pod| {
            let pending = pod.result.as_ref().err()?;
            Some(self.waiting(pod_name(pod), pending, &self.claims_of(pod)))
        });
        let claims = self
            .schedule
            .claims
            .iter()
            .filter_map(|outcome| match &outcome.state {
                ClaimState::Pending(Some(pending)) => {
                    Some(self.waiting(claim_name(&outcome.claim), pending, &[&outcome.claim]))
                }
                _ => None,
            });
        pods.chain(claims).collect()
    }

    /// What was placed, and how.
    pub(super) fn placed(&self) -> Vec<Subject> {
        let pods = self.schedule.pods.iter().filter_map(|pod| {
            let chosen = pod.result.as_ref().ok()?;
            Some(self.chosen(pod_name(pod), chosen, &self.at(&chosen.allocated)))
        });
        let claims = self
            .schedule
            .claims
            .iter()
            .filter_map(|outcome| match &outcome.state {
                ClaimState::Now(chosen) => {
                    Some(self.chosen(claim_name(&outcome.claim), chosen, &[&outcome.claim]))
                }
                _ => None,
            });
        pods.chain(claims).collect()
    }

    fn at(&self, positions: &[usize]) -> Vec<&ResourceClaim> {
        let found = positions
            .iter()
            .filter_map(|&at| self.schedule.claims.get(at));
        found.map(|outcome| &outcome.claim).collect()
    }

    /// The claims that a pending pod still wants, in the order they were asked for.
    fn claims_of(&self, pod: &PodOutcome) -> Vec<&ResourceClaim> {
        let mut positions: Vec<usize> = Vec::new();
        for at in pod
            .claims
            .iter()
            .filter_map(|claim| claim.claim.as_ref().ok().copied())
        {
            let open = self
                .schedule
                .claims
                .get(at)
                .is_some_and(|claim| !claim.is_allocated());
            if open && !positions.contains(&at) {
                positions.push(at);
            }
        }
        self.at(&positions)
    }

    fn waiting(&self, name: String, pending: &Pending, claims: &[&ResourceClaim]) -> Subject {
        let mut subject = Subject {
            name,
            summary: pending.in_short(),
            pending: true,
            ..Subject::default()
        };
        match pending {
            Pending::Blocked(blockers) => {
                subject.summary = "no node can help until this is mended".to_owned();
                subject.notes = blockers.iter().map(ToString::to_string).collect();
            }
            Pending::NoNodes => {
                subject.notes =
                    vec!["add Nodes to the input, or ResourceSlices that name theirs".to_owned()];
            }
            Pending::NoNodeFits(refusals) => {
                subject.closest = closest(refusals);
                subject.nodes = refusals
                    .iter()
                    .map(|refusal| self.refused(refusal, claims))
                    .collect();
            }
        }
        subject
    }

    fn refused(&self, refusal: &NodeRefusal, claims: &[&ResourceClaim]) -> NodeReason {
        let mut reason = NodeReason {
            node: refusal.node.clone(),
            ..NodeReason::default()
        };
        match &refusal.reason {
            Refusal::NotSelected(mismatch) => reason.notes.push(mismatch.to_string()),
            Refusal::Tainted(taint) => {
                reason.notes.push(format!(
                    "the pod does not tolerate the node's taint {taint}"
                ));
            }
            Refusal::ClaimElsewhere { claim } => {
                reason
                    .notes
                    .push(format!("claim {} has its devices elsewhere", short(claim)));
            }
            Refusal::DoesNotFit {
                decision,
                explanation,
            } => {
                match explanation {
                    Some(explanation) => {
                        reason.requests = self.requests(&refusal.node, explanation, claims);
                        if decision.failure.is_none()
                            && decision.consultations.is_empty()
                            && explanation.requests.iter().all(RequestExplanation::enough)
                        {
                            reason.notes.push(
                                "each request alone could be served, but not all of them together"
                                    .to_owned(),
                            );
                        }
                    }
                    None => reason.notes.push("does not suffice, and is further from it than the nodes told above or below".to_owned()),
                }
                if let Some(failure) = &decision.failure {
                    reason.notes.push(failure.to_string());
                }
                reason.policies = self.policies(decision, claims);
            }
        }
        reason
    }

    fn chosen(&self, name: String, chosen: &Chosen, claims: &[&ResourceClaim]) -> Subject {
        let mut subject = Subject {
            name,
            summary: format!("on {}", chosen.node),
            ..Subject::default()
        };
        let Some(decision) = chosen.decision.as_deref() else {
            subject.notes.push(
                "its claims were allocated before; this is the first node that has their devices"
                    .to_owned(),
            );
            return subject;
        };
        if let Some(score) = decision.score {
            subject.summary = format!("on {}, score {}", chosen.node, show_score(score));
        }
        let requests = chosen
            .explanation
            .as_ref()
            .map(|explanation| self.requests(&chosen.node, explanation, claims))
            .unwrap_or_default();
        let policies = self.policies(decision, claims);
        subject.nodes = vec![NodeReason {
            node: chosen.node.clone(),
            notes: Vec::new(),
            requests,
            policies,
        }];
        subject
    }

    fn requests(
        &self,
        node: &str,
        explanation: &Explanation,
        claims: &[&ResourceClaim],
    ) -> Vec<RequestReason> {
        explanation
            .requests
            .iter()
            .map(|request| self.request(node, request, claims))
            .collect()
    }

    fn request(
        &self,
        node: &str,
        request: &RequestExplanation,
        claims: &[&ResourceClaim],
    ) -> RequestReason {
        let mut refused: Vec<RuleReason> = Vec::new();
        let mut seen = request.eligible.len();
        for one in request
            .refused
            .iter()
            .filter(|one| one.rule != Rule::OtherNode)
        {
            seen += 1;
            let rule = label(&one.rule);
            let device = (self.name(node, one.device), one.rule.to_string());
            match refused.iter_mut().find(|known| known.rule == rule) {
                Some(known) => known.devices.push(device),
                None => refused.push(RuleReason {
                    rule,
                    devices: vec![device],
                }),
            }
        }
        let mut notes: Vec<String> = request.error.iter().cloned().collect();
        if let Some(shortage) = &request.shortage {
            notes.push(format!(
                "{} wanted, but at most {} of them go together by {}",
                request.needed, shortage.most, shortage.attribute
            ));
        }
        let claim = claims.get(request.index.claim);
        let several = claims.len() > 1;
        let name = match claim {
            Some(claim) if several => {
                format!(
                    "{} of {}",
                    request.name,
                    claim.metadata.name.as_deref().unwrap_or_default()
                )
            }
            _ => request.name.clone(),
        };
        RequestReason {
            request: name,
            wants: claim.map_or_else(String::new, |claim| wants(claim, request)),
            eligible: request
                .eligible
                .iter()
                .map(|&device| self.name(node, device))
                .collect(),
            seen,
            refused,
            notes,
        }
    }

    /// A device's name; with its pool where that is not the node's own.
    fn name(&self, node: &str, device: DeviceIndex) -> String {
        let id = self.allocator.device_id(device);
        if *id.pool == *node {
            id.device.to_string()
        } else {
            format!("{}/{}", id.pool, id.device)
        }
    }

    fn policies(&self, decision: &Decision, claims: &[&ResourceClaim]) -> Vec<PolicyReason> {
        decision
            .consultations
            .iter()
            .map(|asked| self.policy(asked, claims))
            .collect()
    }

    fn policy(&self, asked: &Consultation, claims: &[&ResourceClaim]) -> PolicyReason {
        let claim = claims
            .get(asked.claim)
            .map_or_else(String::new, |claim| claim_name(claim));
        let used = match asked.outcome {
            Outcome::Proposal(used) => Some(used),
            Outcome::FirstFit | Outcome::Unschedulable => None,
        };
        let proposals = match &asked.answer {
            Answer::Proposals(proposals) => proposals.as_slice(),
            Answer::Refused(_) | Answer::Failed(_) | Answer::NotServing => &[],
        };
        PolicyReason {
            policy: format!("{} on {claim}", asked.policy),
            outcome: match used {
                Some(used) => format!("proposal {} of {} is used", used + 1, proposals.len()),
                None => reason(asked),
            },
            proposals: proposals
                .iter()
                .enumerate()
                .map(|(at, proposal)| self.proposal(proposal, used == Some(at)))
                .collect(),
        }
    }

    fn proposal(&self, proposal: &Weighed, used: bool) -> Proposal {
        let ids = |devices: &[DeviceIndex]| -> Vec<String> {
            devices
                .iter()
                .map(|&device| self.allocator.device_id(device).device.to_string())
                .collect()
        };
        let devices = proposal.devices.iter().map(|(_, devices)| {
            let names = ids(devices);
            fold(names.iter().map(String::as_str))
        });
        let devices = devices.collect::<Vec<_>>().join("; ");
        Proposal {
            devices: if proposal.exact {
                devices
            } else {
                format!("first {devices}")
            },
            score: show_score(proposal.score),
            reason: proposal.reason.clone(),
            verdict: proposal.verdict.reason().to_owned(),
            used,
        }
    }
}

fn pod_name(pod: &PodOutcome) -> String {
    format!("pod {}", short(&full_name(&pod.pod.metadata)))
}

fn claim_name(claim: &ResourceClaim) -> String {
    format!("claim {}", short(&full_name(&claim.metadata)))
}

/// What refusals are counted by: the rule without what is peculiar to a device.
fn label(rule: &Rule) -> String {
    let one_line = |text: &str| {
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        let cut: String = text.chars().take(100).collect();
        if cut.len() < text.len() {
            format!("{cut}...")
        } else {
            cut
        }
    };
    match rule {
        Rule::Selector {
            class: Some(class),
            index,
            expression,
            ..
        } => {
            format!(
                "not of class {class}, selector {index} is false: {}",
                one_line(expression)
            )
        }
        Rule::Selector {
            class: None,
            index,
            expression,
            ..
        } => {
            format!("selector {index} is false: {}", one_line(expression))
        }
        Rule::InUse { .. } => "in use".to_owned(),
        Rule::Capacity { name, asked, .. } => format!("less than {asked} of capacity {name} left"),
        Rule::Counter { .. } => "shared counters exhausted".to_owned(),
        other => other.to_string(),
    }
}

/// How many devices of which class a request is for.
fn wants(claim: &ResourceClaim, request: &RequestExplanation) -> String {
    let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    let asked = devices.and_then(|devices| devices.requests.as_ref()?.get(request.index.request));
    let exactly = asked.and_then(|asked| asked.exactly.as_ref());
    let alternative = request.index.alternative;
    let sub = asked
        .zip(alternative)
        .and_then(|(asked, at)| asked.first_available.as_ref()?.get(at));
    let (class, mode) = match (exactly, sub) {
        (_, Some(sub)) => (&sub.device_class_name, sub.allocation_mode.as_deref()),
        (Some(exactly), None) => (
            &exactly.device_class_name,
            exactly.allocation_mode.as_deref(),
        ),
        (None, None) => return request.needed.to_string(),
    };
    if mode == Some("All") {
        format!("all of {class}")
    } else {
        format!("{} of {class}", request.needed)
    }
}

/// The node that lacks least, where any has something.
fn closest(refusals: &[NodeRefusal]) -> Option<String> {
    let mut best: Option<(&str, u64, u64)> = None;
    let explained = refusals.iter().filter_map(|refusal| match &refusal.reason {
        Refusal::DoesNotFit {
            explanation: Some(explanation),
            ..
        } => Some((&refusal.node, explanation)),
        _ => None,
    });
    for (node, explanation) in explained {
        let wanted = explanation
            .requests
            .iter()
            .map(|request| request.needed.max(1))
            .sum();
        let had = |request: &RequestExplanation| {
            let most = request
                .shortage
                .as_ref()
                .map_or(request.eligible.len() as u64, |short| u64::from(short.most));
            most.min(request.needed.max(1))
        };
        let have: u64 = explanation.requests.iter().map(had).sum();
        if best.is_none_or(|(_, most, _)| have > most) {
            best = Some((node, have, wanted));
        }
    }
    let several = refusals.len() > 1;
    best.filter(|(_, have, _)| several && *have > 0)
        .map(|(node, have, wanted)| format!("{node}, {have} of the {wanted} devices wanted"))
}
