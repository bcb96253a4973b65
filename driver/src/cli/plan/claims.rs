//! What the policies plan for a claim.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::configuration::Configuration;
use supercargo_host::journal::{Question, Recorded, Recorder as _, Reply, Subject, Verdict};
use supercargo_host::plan::{ClaimOnNode, Grants, Part, Refused, changes, offences, question};
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{Hook, Policy, Registry};
use supercargo_host::scheduling::claim_name;

use super::node::Node;
use crate::journal::Journal;
use crate::render::plan::{PlannedClaim, PlannedPart};

pub(super) struct Planner<'a> {
    pub(super) node: &'a Node,
    pub(super) configuration: &'a Configuration,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) journal: Option<&'a Journal>,
}

/// A policy, under the name that the administrator gave it, and what it is asked about.
struct Asked<'a> {
    name: &'a str,
    policy: &'a Policy,
    claim: &'a ClaimOnNode,
}

impl Planner<'_> {
    /// What is planned for an allocated claim.
    pub(super) fn planned(&self, claim: &ResourceClaim) -> PlannedClaim {
        let uid = claim.metadata.uid.clone().unwrap_or_default();
        let rules = &self.configuration.rules;
        let parts = ClaimOnNode::read(claim, &uid, &self.node.announcement())
            .and_then(|on_node| on_node.parts(claim, rules));
        let claim = claim_name(claim);
        match parts {
            Ok(parts) => PlannedClaim {
                claim,
                problem: None,
                parts: parts.into_iter().map(|part| self.part(part)).collect(),
            },
            Err(error) => PlannedClaim {
                claim,
                problem: Some(error.to_string()),
                parts: Vec::new(),
            },
        }
    }

    fn part(&self, part: Part) -> PlannedPart {
        let Part { policy, claim } = part;
        let devices = claim.devices.iter();
        let mut planned = PlannedPart {
            devices: devices.map(|device| device.device.clone()).collect(),
            ..PlannedPart::default()
        };
        let Some(name) = policy else { return planned };
        if let Some(policy) = self.registry.get(&name) {
            let asked = Asked {
                name: &name,
                policy: &policy,
                claim: &claim,
            };
            self.plan(&asked, &mut planned);
        }
        planned.policy = Some(name);
        planned
    }

    fn plan(&self, about: &Asked<'_>, planned: &mut PlannedPart) {
        let Asked {
            name,
            policy,
            claim,
        } = *about;
        let hooks = &policy.description().hooks;
        if hooks.contains(&Hook::Validate) {
            planned.problems = self.violations(about);
        }
        if !hooks.contains(&Hook::Prepare) || !planned.problems.is_empty() {
            return;
        }
        let asked = Question::Prepare(question(claim, &policy.description().interests));
        let answer = asked.ask(policy, None);
        let Reply::Plan(plan) = &answer else {
            planned.problems.push(unanswered(&answer));
            return self.record(about, asked, answer, Verdict::Accepted);
        };
        let nothing = Grants::default();
        let entries = &self.configuration.policies;
        let entry = entries.iter().find(|entry| entry.name == name);
        let grants = entry.map_or(&nothing, |entry| &entry.grants);
        let offences = offences(plan, claim, grants);
        planned.changes = changes(plan, claim, &offences, |step| self.node.before(step));
        let statuses = offences.iter().filter(|offence| {
            !planned
                .changes
                .iter()
                .any(|change| change.place == offence.place)
        });
        planned.problems.extend(statuses.map(ToString::to_string));
        let verdict = match offences.first() {
            Some(offence) => Verdict::Refused(offence.to_string()),
            None => Verdict::Accepted,
        };
        planned.missing_grants = Refused { offences }.missing();
        self.record(about, asked, answer, verdict);
    }

    fn record(&self, about: &Asked<'_>, asked: Question, answer: Reply, verdict: Verdict) {
        let Some(journal) = self.journal else { return };
        let claim = about.claim;
        let subject = Subject {
            claim: format!("{}/{}", claim.namespace, claim.name),
            node: claim.node.clone(),
            ..Subject::default()
        };
        let recorded = Recorded::new(about.name, about.policy, subject, asked, answer, verdict);
        journal.record(recorded);
    }

    /// What the policy finds wrong with parameters, and whose they are.
    fn violations(&self, about: &Asked<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        for parameters in &about.claim.parameters {
            let (source, whose) = if parameters.from_class {
                (ParameterSource::DeviceClass, "the device class")
            } else {
                (ParameterSource::Claim, "the claim")
            };
            let candidate = CandidateParameters {
                driver: parameters.driver.as_str().into(),
                source,
                json: parameters.json.as_str().into(),
            };
            let asked = Question::Validate(candidate);
            let answer = asked.ask(about.policy, None);
            match &answer {
                Reply::Violations(violations) => {
                    problems.extend(violations.iter().map(|violation| {
                        let field = match violation.field.as_str() {
                            "" => "the whole",
                            field => field,
                        };
                        format!("parameters of {whose}: {field} {}", violation.message)
                    }))
                }
                other => problems.push(unanswered(other)),
            }
            self.record(about, asked, answer, Verdict::Accepted);
        }
        problems
    }
}

/// Why there is no answer.
fn unanswered(answer: &Reply) -> String {
    match answer {
        Reply::Refused(reason) => reason.clone(),
        Reply::Failed(failure) => failure.message.clone(),
        _ => "the answer is one to another question".to_owned(),
    }
}
