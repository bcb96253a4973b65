//! What is done for a claim: what policies plan, what the host does of its own accord, and whether it
//! works out.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::configuration::Configuration;
use supercargo_host::journal::{Question, Recorded, Recorder as _, Reply, Subject, Verdict};
use supercargo_host::plan::{
    ClaimError, ClaimOnNode, Grants, Part, Refused, Step, changes, check, offences, own_changes,
    question,
};
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{Hook, Policy, Registry};
use supercargo_host::scheduling::claim_name;

use super::node::Node;
use crate::devices::nvidia::DRIVER;
use crate::journal::Journal;
use crate::render::plan::{PlannedClaim, PlannedPart};
use crate::serving::{Asked, configuring};

pub(super) struct Planner<'a> {
    pub(super) node: &'a Node,
    pub(super) configuration: &'a Configuration,
    pub(super) registry: &'a Arc<Registry>,
    pub(super) journal: Option<&'a Journal>,
}

/// A policy, under the name that the administrator gave it, and what it is asked about.
struct About<'a> {
    name: &'a str,
    policy: &'a Policy,
    claim: &'a ClaimOnNode,
}

/// Why nothing can be planned.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("policy {0} does not serve")]
    NotServing(String),
}

/// The steps of a claim's parts, which run in this order.
#[derive(Debug, Default)]
struct Steps {
    built_in: Vec<Step>,
    of_policies: Vec<Step>,
}

impl Planner<'_> {
    /// What is planned for an allocated claim.
    pub(super) fn planned(&self, object: &ResourceClaim) -> PlannedClaim {
        let mut planned = PlannedClaim {
            claim: claim_name(object),
            ..PlannedClaim::default()
        };
        if let Err(problem) = self.plan(object, &mut planned) {
            planned.problem = Some(problem.to_string());
        }
        planned
    }

    fn plan(&self, object: &ResourceClaim, planned: &mut PlannedClaim) -> Result<(), Problem> {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let claim = ClaimOnNode::read(object, &uid, &self.node.announcement())?;
        let who = |class: &str| {
            let asked = Asked {
                class,
                namespace: &claim.namespace,
                labels: object.metadata.labels.as_ref(),
            };
            configuring(&self.configuration.rules, self.registry, DRIVER, asked)
                .map_err(|absent| Problem::NotServing(absent.to_owned()))
        };
        let parts = claim.divide(object, who, |one, other| match (one, other) {
            (Some((one, _)), Some((other, _))) => one == other,
            (one, other) => one.is_none() && other.is_none(),
        })?;
        let mut steps = Steps::default();
        for (found, part) in &parts {
            planned
                .parts
                .push(self.part(found.as_ref(), part, &mut steps));
        }
        // A plan that is refused, or a claim with wrong parameters, leaves the node as it is.
        if planned.is_admitted() {
            let base = steps.built_in.len();
            let of_policies = steps.of_policies.into_iter();
            let all = steps.built_in.into_iter();
            let all = all.chain(of_policies.map(|step| step.after(base)));
            match self.node.carry_out(&claim, all) {
                Ok(mut shown) => {
                    for (part, (_, Part { positions, .. })) in planned.parts.iter_mut().zip(parts) {
                        for position in positions {
                            let shown = shown.get_mut(position).map(std::mem::take);
                            part.changes.extend(shown.unwrap_or_default());
                        }
                    }
                }
                Err(problem) => planned.problem = Some(problem),
            }
        }
        Ok(())
    }

    fn part(&self, found: Option<&(&str, Policy)>, part: &Part, steps: &mut Steps) -> PlannedPart {
        let devices = part.claim.devices.iter();
        let mut planned = PlannedPart {
            policy: found.map(|(name, _)| (*name).to_owned()),
            devices: devices.map(|device| device.device.clone()).collect(),
            ..PlannedPart::default()
        };
        if let Some((name, policy)) = found {
            let hooks = &policy.description().hooks;
            let about = About {
                name,
                policy,
                claim: &part.claim,
            };
            if hooks.contains(&Hook::Validate) {
                planned.problems = self.violations(&about);
                if !planned.problems.is_empty() {
                    return planned;
                }
            }
            if hooks.contains(&Hook::Prepare) {
                self.ask(&about, &mut planned, steps);
                return planned;
            }
        }
        match self.node.built_in_steps(&part.claim) {
            Ok(needed) => {
                let before = |step: &Step| self.node.before(step);
                planned.changes = own_changes(&needed, &part.claim, before);
                let base = steps.built_in.len();
                let needed = needed.into_iter().map(|step| step.after(base));
                steps.built_in.extend(needed);
            }
            Err(error) => planned.problems.push(error.to_string()),
        }
        planned
    }

    fn ask(&self, about: &About<'_>, planned: &mut PlannedPart, steps: &mut Steps) {
        let About {
            name,
            policy,
            claim,
        } = *about;
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
            let mut changes = planned.changes.iter();
            !changes.any(|change| change.place == Some(offence.place))
        });
        planned.problems.extend(statuses.map(ToString::to_string));
        let verdict = match offences.first() {
            Some(offence) => Verdict::Refused(offence.to_string()),
            None => Verdict::Accepted,
        };
        planned.missing_grants = Refused { offences }.missing();
        if let Ok(approved) = check(plan.clone(), claim, grants) {
            let base = steps.of_policies.len();
            let own = approved.steps().iter().cloned();
            steps.of_policies.extend(own.map(|step| step.after(base)));
        }
        self.record(about, asked, answer, verdict);
    }

    fn record(&self, about: &About<'_>, asked: Question, answer: Reply, verdict: Verdict) {
        let Some(journal) = self.journal else { return };
        let subject = Subject::of(about.claim);
        let recorded = Recorded::new(about.name, about.policy, subject, asked, answer, verdict);
        journal.record(recorded);
    }

    /// What the policy finds wrong with parameters, and whose they are.
    fn violations(&self, about: &About<'_>) -> Vec<String> {
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
                    }));
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
