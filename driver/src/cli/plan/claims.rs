//! What the policies plan for a claim.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::configuration::Configuration;
use supercargo_host::plan::{ClaimOnNode, Grants, Part, Refused, changes, offences, question};
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{Hook, Policy, Registry};
use supercargo_host::scheduling::claim_name;

use super::node::Node;
use crate::render::plan::{PlannedClaim, PlannedPart};

pub(super) struct Planner<'a> {
    pub(super) node: &'a Node,
    pub(super) configuration: &'a Configuration,
    pub(super) registry: &'a Arc<Registry>,
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
            self.plan(&name, &policy, &claim, &mut planned);
        }
        planned.policy = Some(name);
        planned
    }

    fn plan(&self, name: &str, policy: &Policy, claim: &ClaimOnNode, planned: &mut PlannedPart) {
        let hooks = &policy.description().hooks;
        if hooks.contains(&Hook::Validate) {
            planned.problems = violations(policy, claim);
        }
        if !hooks.contains(&Hook::Prepare) || !planned.problems.is_empty() {
            return;
        }
        let asked = question(claim, &policy.description().interests);
        let plan = match policy.prepare(&asked, None) {
            Ok(plan) => plan,
            Err(error) => return planned.problems.push(error.to_string()),
        };
        let nothing = Grants::default();
        let entries = &self.configuration.policies;
        let entry = entries.iter().find(|entry| entry.name == name);
        let grants = entry.map_or(&nothing, |entry| &entry.grants);
        let offences = offences(&plan, claim, grants);
        planned.changes = changes(&plan, claim, &offences, |step| self.node.before(step));
        let statuses = offences.iter().filter(|offence| {
            !planned
                .changes
                .iter()
                .any(|change| change.place == offence.place)
        });
        planned.problems.extend(statuses.map(ToString::to_string));
        planned.missing_grants = Refused { offences }.missing();
    }
}

/// What the policy finds wrong with parameters, and whose they are.
fn violations(policy: &Policy, claim: &ClaimOnNode) -> Vec<String> {
    let mut problems = Vec::new();
    for parameters in &claim.parameters {
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
        match policy.validate(&candidate, None) {
            Ok(violations) => problems.extend(violations.into_iter().map(|violation| {
                let field = match violation.field.as_str() {
                    "" => "the whole",
                    field => field,
                };
                format!("parameters of {whose}: {field} {}", violation.message)
            })),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems
}
