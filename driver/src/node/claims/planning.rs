//! From a claim to what is to be done for it: which policies have a say, what they plan, and what the
//! hardware needs where none plans.
//!
//! A claim's devices may be served by several policies, each of which sees only its own. Their plans
//! become one: built-in steps first, then the policies' in the order of the devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::plan::{
    Approved, ClaimError, ClaimOnNode, Step, check, question, request_class,
};
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{CallError, Hook, Policy};

use super::cdi::HostFiles;
use super::error::{PrepareError, Warning};
use super::record::{Edits, Planner, Status};
use crate::devices::{Announced, AnnouncedDevice, PreparedStep, Source};
use crate::node::policies::{Asked, Policies, Serving};

/// What is to be done for a claim.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// How many devices the claim has.
    devices: usize,
    pub(super) policies: Vec<Planner>,
    pub(super) steps: Vec<PreparedStep>,
    pub(super) edits: Vec<Edits>,
    pub(super) statuses: Vec<Status>,
    pub(super) warnings: Vec<Warning>,
}

/// Where plans come from.
#[derive(Debug)]
pub(super) struct Planners {
    pub(super) policies: Arc<Policies>,
    pub(super) source: Arc<dyn Source>,
    pub(super) files: HostFiles,
}

/// Some of a claim's devices, as a claim of their own.
pub(super) struct Portion {
    pub(super) claim: ClaimOnNode,
    /// Where its devices are in the whole claim.
    pub(super) positions: Vec<usize>,
}

/// The part of a claim that is about these requests.
pub(super) fn portion(claim: &ClaimOnNode, requests: &[String]) -> Portion {
    let (positions, devices) = claim
        .devices
        .iter()
        .enumerate()
        .filter(|(_, device)| requests.contains(&device.request))
        .map(|(position, device)| (position, device.clone()))
        .unzip();
    let parameters = claim.parameters.iter().filter_map(|parameters| {
        let mut own = parameters.clone();
        own.requests.retain(|request| requests.contains(request));
        (!own.requests.is_empty()).then_some(own)
    });
    Portion {
        positions,
        claim: ClaimOnNode {
            uid: claim.uid.clone(),
            name: claim.name.clone(),
            namespace: claim.namespace.clone(),
            node: claim.node.clone(),
            devices,
            parameters: parameters.collect(),
        },
    }
}

impl Planners {
    /// Plans for a claim. Nothing is changed by it.
    pub(super) fn plan(
        &self,
        object: &ResourceClaim,
        claim: &ClaimOnNode,
        announced: &Announced,
    ) -> Result<Planned, PrepareError> {
        let mut planned = Planned {
            devices: claim.devices.len(),
            ..Planned::default()
        };
        let mut steps = Vec::new();
        let mut approved = Vec::new();
        for (serving, requests) in self.serving(object, claim)? {
            let portion = portion(claim, &requests);
            if let Some(serving) = &serving {
                validate(serving, &portion.claim)?;
            }
            match serving {
                Some(serving) if has(&serving.policy, Hook::Prepare) => {
                    approved.push((ask(&serving, &portion.claim)?, portion, serving, requests));
                }
                _ => {
                    let unread = portion.claim.parameters.iter();
                    planned
                        .warnings
                        .extend(unread.map(|parameters| Warning::ParametersUnread {
                            requests: parameters.requests.clone(),
                            from_class: parameters.from_class,
                        }));
                    let devices = built_in(&portion.claim, announced);
                    let needed = self.source.built_in_steps(&devices);
                    steps.extend(needed.map_err(|source| PrepareError::Step {
                        step: "that the devices need to be there".to_owned(),
                        source,
                        left: None,
                    })?);
                }
            }
        }
        for (approved, portion, serving, requests) in approved {
            self.take_over(&approved, &portion, &serving, &mut steps, &mut planned)?;
            planned.policies.push(Planner {
                policy: serving.entry.name.clone(),
                digest: serving.policy.digest().to_string(),
                requests,
            });
        }
        planned.steps = self.settle(&claim.uid, &steps)?;
        Ok(planned)
    }

    /// What the claim's policies want done at its end, in the order in which they planned for it. A
    /// policy that cannot say is left out.
    pub(super) fn plan_end(
        &self,
        claim: &ClaimOnNode,
        planners: &[Planner],
    ) -> (Vec<PreparedStep>, Vec<Warning>) {
        let mut steps = Vec::new();
        let mut warnings = Vec::new();
        for planner in planners {
            match self.ask_end(claim, planner) {
                Ok(wanted) => steps.extend(shifted(&wanted, steps.len())),
                Err(reason) => warnings.push(Warning::PolicyLeftOut {
                    policy: planner.policy.clone(),
                    reason,
                }),
            }
        }
        match self.settle(&claim.uid, &steps) {
            Ok(steps) => (steps, warnings),
            Err(error) => {
                warnings.extend(planners.iter().map(|planner| Warning::PolicyLeftOut {
                    policy: planner.policy.clone(),
                    reason: error.to_string(),
                }));
                (Vec::new(), warnings)
            }
        }
    }

    /// Who serves which requests, in the order of the devices.
    fn serving(
        &self,
        object: &ResourceClaim,
        claim: &ClaimOnNode,
    ) -> Result<Vec<(Option<Serving>, Vec<String>)>, PrepareError> {
        let mut groups: Vec<(Option<Serving>, Vec<String>)> = Vec::new();
        let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
        for device in &claim.devices {
            if seen.insert(&device.request, ()).is_some() {
                continue;
            }
            let class = request_class(object, &device.request).ok_or_else(|| {
                ClaimError::NoSuchRequest {
                    claim: format!("{}/{}", claim.namespace, claim.name),
                    device: device.device.clone(),
                    request: device.request.clone(),
                }
            })?;
            let serving = self.policies.configuring(Asked {
                class,
                namespace: &claim.namespace,
                labels: object.metadata.labels.as_ref(),
            })?;
            let name = |serving: &Option<Serving>| {
                serving.as_ref().map(|serving| serving.entry.name.clone())
            };
            match groups.iter_mut().find(|(of, _)| name(of) == name(&serving)) {
                Some((_, requests)) => requests.push(device.request.clone()),
                None => groups.push((serving, vec![device.request.clone()])),
            }
        }
        Ok(groups)
    }

    /// Adds a policy's checked plan to the whole.
    fn take_over(
        &self,
        approved: &Approved,
        portion: &Portion,
        serving: &Serving,
        steps: &mut Vec<Step>,
        planned: &mut Planned,
    ) -> Result<(), PrepareError> {
        let base = steps.len();
        steps.extend(shifted(approved.steps(), base));
        let position = |device: u32| {
            let device = usize::try_from(device).ok()?;
            portion.positions.get(device).copied()
        };
        let whole = portion.positions.len() == planned.devices;
        for edits in approved.edits() {
            let shown = self
                .files
                .show(edits)
                .map_err(|source| PrepareError::Edits {
                    policy: serving.entry.name.clone(),
                    source,
                })?;
            let devices = match edits.device {
                Some(device) => position(device).into_iter().collect(),
                // The rest of the claim is another policy's business.
                None if !whole => portion.positions.clone(),
                None => Vec::new(),
            };
            let made_by = edits.made_by.iter();
            let made_by = made_by.filter_map(|&step| Some(base + usize::try_from(step).ok()?));
            planned.edits.push(Edits {
                devices,
                edits: shown,
                made_by: made_by.collect(),
            });
        }
        for status in approved.statuses() {
            if let Some(device) = position(status.device) {
                planned.statuses.push(Status {
                    device,
                    json: status.json.clone(),
                });
            }
        }
        Ok(())
    }

    fn ask_end(&self, claim: &ClaimOnNode, planner: &Planner) -> Result<Vec<Step>, String> {
        let serving = self
            .policies
            .named(&planner.policy)
            .ok_or("it does not serve any more")?;
        if !has(&serving.policy, Hook::Unprepare) {
            return Ok(Vec::new());
        }
        let portion = portion(claim, &planner.requests);
        let asked = question(&portion.claim, &serving.policy.description().interests);
        let plan = serving.policy.unprepare(&asked, None);
        let plan = plan.map_err(|error| error.to_string())?;
        let approved = check(plan, &portion.claim, &serving.entry.grants);
        let approved = approved.map_err(|refused| refused.to_string())?;
        Ok(approved.steps().to_vec())
    }

    /// Settles what steps leave open and reads what they will change.
    fn settle(&self, claim: &str, steps: &[Step]) -> Result<Vec<PreparedStep>, PrepareError> {
        let mut settled = Vec::with_capacity(steps.len());
        for step in steps {
            let next = self.source.prepare_step(claim, step, &settled);
            settled.push(next.map_err(|source| PrepareError::Step {
                step: told(settled.len(), step),
                source,
                left: None,
            })?);
        }
        Ok(settled)
    }
}

/// A step for people.
pub(super) fn told(position: usize, step: &Step) -> String {
    let json = serde_json::to_string(step).unwrap_or_default();
    format!("{position} {json}")
}

fn has(policy: &Policy, hook: Hook) -> bool {
    policy.description().hooks.contains(&hook)
}

/// Steps that come after `base` others: where they refer to each other, they refer to where they are now.
fn shifted(steps: &[Step], base: usize) -> impl Iterator<Item = Step> {
    steps.iter().cloned().map(move |step| match step {
        Step::CreateComputeInstance {
            gpu_instance,
            profile,
        } => Step::CreateComputeInstance {
            gpu_instance: gpu_instance + base,
            profile,
        },
        other => other,
    })
}

fn built_in(claim: &ClaimOnNode, announced: &Announced) -> Vec<AnnouncedDevice> {
    let of_claim = |device: &&AnnouncedDevice| {
        let name = &device.device.name;
        claim.devices.iter().any(|held| held.device == *name)
    };
    announced.devices.iter().filter(of_claim).cloned().collect()
}

fn validate(serving: &Serving, claim: &ClaimOnNode) -> Result<(), PrepareError> {
    if !has(&serving.policy, Hook::Validate) {
        return Ok(());
    }
    for parameters in &claim.parameters {
        let candidate = CandidateParameters {
            driver: parameters.driver.as_str().into(),
            source: if parameters.from_class {
                ParameterSource::DeviceClass
            } else {
                ParameterSource::Claim
            },
            json: parameters.json.as_str().into(),
        };
        let violations = serving
            .policy
            .validate(&candidate, None)
            .map_err(|source| failed(serving, Hook::Validate, source))?;
        if !violations.is_empty() {
            return Err(PrepareError::Parameters {
                policy: serving.entry.name.clone(),
                from_class: parameters.from_class,
                violations,
            });
        }
    }
    Ok(())
}

fn ask(serving: &Serving, claim: &ClaimOnNode) -> Result<Approved, PrepareError> {
    let asked = question(claim, &serving.policy.description().interests);
    let plan = serving
        .policy
        .prepare(&asked, None)
        .map_err(|source| failed(serving, Hook::Prepare, source))?;
    check(plan, claim, &serving.entry.grants).map_err(|refused| PrepareError::NotGranted {
        policy: serving.entry.name.clone(),
        refused,
    })
}

fn failed(serving: &Serving, hook: Hook, source: CallError) -> PrepareError {
    PrepareError::Policy {
        policy: serving.entry.name.clone(),
        hook,
        source,
    }
}
