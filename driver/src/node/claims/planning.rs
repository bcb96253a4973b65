//! From a claim to what is to be done for it: which policies have a say, what they plan, and what the
//! hardware needs where none plans.
//!
//! A claim's devices may be served by several policies, each of which sees only its own. Their plans
//! become one: built-in steps first, then the policies' in the order of the devices.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::journal::{Question, Reply, Subject, Verdict};
use supercargo_host::plan::{Approved, ClaimOnNode, Part, Step, check, question};
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{CallError, Hook, Policy};

use super::cdi::HostFiles;
use super::error::{Left, PrepareError, Warning};
use super::own::built_in_steps;
use super::record::{Edits, Planner, Status};
use crate::devices::{Announced, PreparedStep, Source};
use crate::serving::{Asked, Policies, Serving};

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
        for (serving, part) in self.parts(object, claim)? {
            if let Some(serving) = &serving {
                self.validate(serving, &part.claim)?;
            }
            match serving {
                Some(serving) if has(&serving.policy, Hook::Prepare) => {
                    approved.push((self.ask(&serving, &part.claim)?, part, serving));
                }
                serving => {
                    let unread = part.claim.parameters.iter();
                    planned
                        .warnings
                        .extend(unread.map(|parameters| Warning::ParametersUnread {
                            requests: parameters.requests.clone(),
                            from_class: parameters.from_class,
                        }));
                    let needed = built_in_steps(self.source.as_ref(), &part.claim, announced);
                    let needed = needed.map_err(|source| PrepareError::Step {
                        step: "that the devices need to be there".to_owned(),
                        source,
                        left: Left::Nothing,
                    })?;
                    let base = steps.len();
                    steps.extend(needed.into_iter().map(|step| step.after(base)));
                    // It has nothing to say now, and may have at the end.
                    if let Some(serving) = serving
                        && has(&serving.policy, Hook::Unprepare)
                    {
                        planned.policies.push(planner(&serving, part));
                    }
                }
            }
        }
        for (approved, part, serving) in approved {
            self.take_over(&approved, &part, &serving, &mut steps, &mut planned)?;
            planned.policies.push(planner(&serving, part));
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
                Ok(wanted) => {
                    let base = steps.len();
                    steps.extend(wanted.into_iter().map(|step| step.after(base)));
                }
                Err((reason, refused)) => warnings.push(Warning::PolicyLeftOut {
                    policy: planner.policy.clone(),
                    reason,
                    refused,
                }),
            }
        }
        match self.settle(&claim.uid, &steps) {
            Ok(steps) => (steps, warnings),
            Err(error) => {
                warnings.extend(planners.iter().map(|planner| Warning::PolicyLeftOut {
                    policy: planner.policy.clone(),
                    reason: error.to_string(),
                    refused: false,
                }));
                (Vec::new(), warnings)
            }
        }
    }

    /// Who configures which requests, in the order of the devices.
    fn parts(
        &self,
        object: &ResourceClaim,
        claim: &ClaimOnNode,
    ) -> Result<Vec<(Option<Serving>, Part)>, PrepareError> {
        let name = |serving: &Option<Serving>| Some(serving.as_ref()?.entry.name.clone());
        let who = |class: &str| {
            let asked = Asked {
                class,
                namespace: &claim.namespace,
                labels: object.metadata.labels.as_ref(),
            };
            Ok::<_, PrepareError>(self.policies.configuring(asked)?)
        };
        claim.divide(object, who, |one, other| name(one) == name(other))
    }

    /// Adds a policy's checked plan to the whole.
    fn take_over(
        &self,
        approved: &Approved,
        part: &Part,
        serving: &Serving,
        steps: &mut Vec<Step>,
        planned: &mut Planned,
    ) -> Result<(), PrepareError> {
        let base = steps.len();
        let own = approved.steps().iter().cloned();
        steps.extend(own.map(|step| step.after(base)));
        let position = |device: u32| {
            let device = usize::try_from(device).ok()?;
            part.positions.get(device).copied()
        };
        let whole = part.positions.len() == planned.devices;
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
                None if !whole => part.positions.clone(),
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

    /// What a policy wants done at the end, or why it has no say, and whether that is for want of grants.
    fn ask_end(&self, claim: &ClaimOnNode, planner: &Planner) -> Result<Vec<Step>, (String, bool)> {
        let serving = self
            .policies
            .named(&planner.policy)
            .ok_or(("it does not serve any more".to_owned(), false))?;
        if !has(&serving.policy, Hook::Unprepare) {
            return Ok(Vec::new());
        }
        let part = claim.part(planner.requests.clone());
        let asked = question(&part.claim, &serving.policy.description().interests);
        let answer = serving.policy.unprepare(&asked, None);
        let reply = Reply::of(&answer, Reply::Plan);
        let approved = answer.map_err(|error| error.to_string()).and_then(|plan| {
            let checked = check(plan, &part.claim, &serving.entry.grants);
            checked.map_err(|refused| refused.to_string())
        });
        let verdict = verdict(&reply, &approved);
        let refused = matches!(verdict, Verdict::Refused(_));
        serving.record(|| {
            let subject = Subject::of(&part.claim);
            (subject, Question::Unprepare(asked), reply, verdict)
        });
        Ok(approved
            .map_err(|reason| (reason, refused))?
            .steps()
            .to_vec())
    }

    fn validate(&self, serving: &Serving, claim: &ClaimOnNode) -> Result<(), PrepareError> {
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
            let answer = serving.policy.validate(&candidate, None);
            serving.record(|| {
                let reply = Reply::of(&answer, Reply::Violations);
                let question = Question::Validate(candidate);
                (Subject::of(claim), question, reply, Verdict::Accepted)
            });
            let violations = answer.map_err(|source| failed(serving, Hook::Validate, source))?;
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

    fn ask(&self, serving: &Serving, claim: &ClaimOnNode) -> Result<Approved, PrepareError> {
        let asked = question(claim, &serving.policy.description().interests);
        let answer = serving.policy.prepare(&asked, None);
        let reply = Reply::of(&answer, Reply::Plan);
        let approved = answer
            .map_err(|source| failed(serving, Hook::Prepare, source))
            .and_then(|plan| {
                let checked = check(plan, claim, &serving.entry.grants);
                checked.map_err(|refused| PrepareError::NotGranted {
                    policy: serving.entry.name.clone(),
                    refused,
                })
            });
        serving.record(|| {
            let verdict = verdict(&reply, &approved);
            (Subject::of(claim), Question::Prepare(asked), reply, verdict)
        });
        approved
    }

    /// Settles what steps leave open and reads what they will change.
    fn settle(&self, claim: &str, steps: &[Step]) -> Result<Vec<PreparedStep>, PrepareError> {
        let mut settled = Vec::with_capacity(steps.len());
        for step in steps {
            let next = self.source.prepare_step(claim, step, &settled);
            settled.push(next.map_err(|source| PrepareError::Step {
                step: told(settled.len(), step),
                source,
                left: Left::Nothing,
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

fn planner(serving: &Serving, part: Part) -> Planner {
    Planner {
        policy: serving.entry.name.clone(),
        digest: serving.policy.digest().to_string(),
        requests: part.requests,
    }
}

fn has(policy: &Policy, hook: Hook) -> bool {
    policy.description().hooks.contains(&hook)
}

/// What became of a plan: it ran, or its grants did not admit it.
fn verdict<T>(reply: &Reply, approved: &Result<T, impl fmt::Display>) -> Verdict {
    match (reply, approved) {
        (Reply::Plan(_), Err(refused)) => Verdict::Refused(refused.to_string()),
        _ => Verdict::Accepted,
    }
}

fn failed(serving: &Serving, hook: Hook, source: CallError) -> PrepareError {
    PrepareError::Policy {
        policy: serving.entry.name.clone(),
        hook,
        source,
    }
}
