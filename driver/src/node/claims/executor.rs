//! Carries out what was planned for a claim, and takes it back.
//!
//! All of this blocks. Whoever calls it holds the claim, the hardware under it, and the lock between
//! instances ([`turns`](super::turns)).

use std::io;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use supercargo_host::plan::{ClaimOnNode, DeviceOfClaim, Step};

use super::cdi::{Composed, ContainerEdits, MOST_ANNOTATION, compose, device_names};
use super::error::{Left, PrepareError, UnprepareError, Warning};
use super::fault::{FaultPoint, reached};
use super::ledger::{Entry, Ledger};
use super::own::expose;
use super::planning::{Planned, Planners};
use super::record::{Done, Record, State};
use super::{Prepared, PreparedDevice};
use crate::claims::results;
use crate::devices::{Announced, DeviceError, Exposure, PreparedStep};

/// What carries plans out.
#[derive(Debug)]
pub(super) struct Executor {
    pub(super) ledger: Ledger,
    pub(super) planners: Planners,
    /// The boot that this is.
    pub(super) boot: String,
}

/// What went wrong while a claim was set up.
enum Failure {
    Step(String, DeviceError),
    Expose(String, DeviceError),
    File(&'static str, io::Error),
}

impl Executor {
    /// Prepares a claim, or answers from the checkpoint where it is prepared.
    pub(super) fn prepare(
        &self,
        object: &ResourceClaim,
        claim: ClaimOnNode,
        announced: &Announced,
    ) -> Result<Prepared, PrepareError> {
        if let Some(entry) = self.ledger.get(&claim.uid) {
            if self.holds(&entry) {
                return self.prepare_again(&entry, object, announced);
            }
            self.give_up(&entry)
                .map_err(|error| PrepareError::Unfinished(Box::new(error)))?;
        }
        self.check_free(&claim)?;
        let planned = self.planners.plan(object, &claim, announced)?;
        reached(FaultPoint::Planned);
        let Planned {
            policies,
            steps,
            edits,
            statuses,
            warnings,
            ..
        } = planned;
        let record = Record {
            boot: self.boot.clone(),
            steps: steps.iter().map(Done::from).collect(),
            claim,
            policies,
            edits,
            statuses,
            ending: Vec::new(),
            reduced: false,
            rest: Map::new(),
        };
        let (entry, sealed) = self
            .ledger
            .begin(record)
            .map_err(|source| PrepareError::File {
                what: "write the checkpoint",
                source,
                left: Left::Nothing,
            })?;
        reached(FaultPoint::Recorded);
        let set_up = self
            .apply(&entry.record.claim.uid, &steps)
            .and_then(|made| self.show(&entry.record, &sealed, &made, announced))
            .and_then(|()| {
                self.ledger
                    .advance(&entry, State::Prepared)
                    .map_err(|error| Failure::File("complete the checkpoint", error))
            });
        match set_up {
            Ok(entry) => {
                reached(FaultPoint::Prepared);
                Ok(self.answer(&entry, false, warnings))
            }
            Err(failure) => {
                let down = self.take_down(&entry).map_err(Box::new);
                Err(failure.because(down.map_or_else(Left::Rest, |_| Left::Undone)))
            }
        }
    }

    /// Whether a claim is prepared, and was in this boot.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        entry.state == State::Prepared && entry.record.boot == self.boot
    }

    /// Unprepares a claim. One that is not known is unprepared already.
    pub(super) fn unprepare(&self, uid: &str) -> Result<Vec<Warning>, UnprepareError> {
        let Some(entry) = self.ledger.get(uid) else {
            let removed = self.ledger.files.remove(uid);
            return removed
                .map(|()| Vec::new())
                .map_err(|source| file("remove the CDI file", source));
        };
        let (entry, mut warnings) = match entry.state {
            State::Prepared => self.begin_end(&entry)?,
            State::Preparing | State::Ending => (entry, Vec::new()),
        };
        warnings.extend(self.take_down(&entry)?);
        Ok(warnings)
    }

    /// Asks the claim's policies about its end, and has it no longer count as prepared.
    fn begin_end(&self, entry: &Arc<Entry>) -> Result<(Arc<Entry>, Vec<Warning>), UnprepareError> {
        let record = &entry.record;
        let (steps, warnings) = self.planners.plan_end(&record.claim, &record.policies);
        let ending: Vec<Value> = steps.iter().map(|step| json(&step.step)).collect();
        let mut entry = Arc::clone(entry);
        // Not empty where an earlier attempt was cut short; what holds is what the policy wants now.
        if ending != record.ending {
            let record = Record {
                ending,
                ..record.clone()
            };
            entry = self
                .ledger
                .rewrite(State::Prepared, record)
                .map_err(|source| file("write the checkpoint", source))?;
            reached(FaultPoint::EndRecorded);
        }
        let entry = self
            .ledger
            .advance(&entry, State::Ending)
            .map_err(|source| file("write the checkpoint", source))?;
        reached(FaultPoint::Ending);
        Ok((entry, warnings))
    }

    /// Takes a claim down to the end: what policies wanted, then every step back in reverse order, then
    /// the CDI file, and the checkpoint last. What fails leaves the claim where it can be tried again;
    /// what can never be done is passed over, and told.
    pub(super) fn take_down(&self, entry: &Arc<Entry>) -> Result<Vec<Warning>, UnprepareError> {
        let uid = &entry.record.claim.uid;
        let mut warnings = Vec::new();
        // Whatever a policy wanted, what the host did is taken back.
        let wanted = self.apply_end(&entry.record, &mut warnings);
        for done in entry.record.steps.iter().rev() {
            if let Some(undo) = &done.undo {
                reached(FaultPoint::UndoBefore);
                match self.planners.source.undo(uid, undo) {
                    Ok(()) => {}
                    // Nothing is left of what was done to it.
                    Err(error @ DeviceError::NoSuchUnit(_)) => {
                        warnings.push(passed_over(uid, &done.step, &error));
                    }
                    Err(source) => {
                        return Err(UnprepareError::Undo {
                            step: done.step.to_string(),
                            source,
                        });
                    }
                }
                reached(FaultPoint::UndoAfter);
            }
        }
        wanted?;
        reached(FaultPoint::Undone);
        let hidden = self.ledger.files.remove(uid);
        hidden.map_err(|source| file("remove the CDI file", source))?;
        reached(FaultPoint::Hidden);
        let forgotten = self.ledger.forget(entry);
        forgotten.map_err(|source| file("remove the checkpoint", source))?;
        reached(FaultPoint::Forgotten);
        Ok(warnings)
    }

    /// Runs what policies wanted at the end. What the hardware can never do is passed over, and so is a
    /// step that only another release can read, with those after it, which may build on it.
    fn apply_end(
        &self,
        record: &Record,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), UnprepareError> {
        let uid = &record.claim.uid;
        let mut earlier = Vec::new();
        for wanted in &record.ending {
            let step = match decoded(wanted) {
                Ok(step) => step,
                Err(error) => {
                    warnings.push(passed_over(uid, wanted, &error));
                    break;
                }
            };
            reached(FaultPoint::EndStepBefore);
            match self
                .planners
                .source
                .apply(owner(&step, record), &step, &earlier)
            {
                Ok(_) => {}
                Err(error @ (DeviceError::Unsupported { .. } | DeviceError::NoSuchUnit(_))) => {
                    warnings.push(passed_over(uid, wanted, &error));
                }
                Err(source) => {
                    return Err(UnprepareError::Step {
                        step: wanted.to_string(),
                        source,
                    });
                }
            }
            reached(FaultPoint::EndStepAfter);
            earlier.push(PreparedStep { step, undo: None });
        }
        Ok(())
    }

    /// Answers for a claim that is prepared if it still has the devices that it is prepared for, and
    /// brings its CDI file back where it is missing.
    pub(super) fn prepare_again(
        &self,
        entry: &Entry,
        object: &ResourceClaim,
        announced: &Announced,
    ) -> Result<Prepared, PrepareError> {
        let held = &entry.record.claim.devices;
        let allocated: Vec<&DeviceRequestAllocationResult> = results(object)
            .filter(|result| held.iter().any(|device| device.driver == result.driver))
            .collect();
        let same = |(device, result): (&DeviceOfClaim, &&DeviceRequestAllocationResult)| {
            (
                &device.request,
                &device.pool,
                &device.device,
                &device.share_id,
            ) == (
                &result.request,
                &result.pool,
                &result.device,
                &result.share_id,
            )
        };
        if held.len() != allocated.len() || !held.iter().zip(&allocated).all(same) {
            let held = held.iter().map(|one| (&one.device, &one.share_id));
            let allocated = allocated.iter().map(|one| (&one.device, &one.share_id));
            return Err(PrepareError::Reallocated {
                prepared: names(held),
                allocated: names(allocated),
            });
        }
        self.prepare_known(entry, announced)
    }

    /// Answers from the checkpoint.
    pub(super) fn prepare_known(
        &self,
        entry: &Entry,
        announced: &Announced,
    ) -> Result<Prepared, PrepareError> {
        self.heal(&entry.record, announced)?;
        Ok(self.answer(entry, true, Vec::new()))
    }

    /// Writes a prepared claim's CDI file again if it is missing.
    fn heal(&self, record: &Record, announced: &Announced) -> Result<(), PrepareError> {
        let uid = &record.claim.uid;
        let heal = || {
            if self.ledger.files.has(uid).map_err(cdi)? {
                return Ok(());
            }
            if record.reduced {
                let lost = "what containers saw is lost with the claim's checkpoint; delete the pods that use \
                            the claim";
                return Err(cdi(io::Error::other(lost)));
            }
            let steps = record.steps.iter().map(PreparedStep::try_from);
            let steps: Vec<PreparedStep> = steps
                .collect::<Result<_, _>>()
                .map_err(|error| Failure::Step("of the checkpoint".to_owned(), error))?;
            let sealed = record.seal().map_err(cdi)?;
            // Steps that ran change nothing; they say again what they made.
            let made = self.apply(uid, &steps)?;
            self.show(record, &sealed, &made, announced)
        };
        heal().map_err(|failure: Failure| failure.because(Left::Prepared))
    }

    /// What is told of a claim that is prepared.
    fn answer(&self, entry: &Entry, again: bool, warnings: Vec<Warning>) -> Prepared {
        let record = &entry.record;
        let kind = self.ledger.files.kind();
        let devices = device_names(&record.claim)
            .into_iter()
            .zip(&record.claim.devices)
            .map(|(name, device)| PreparedDevice {
                requests: device
                    .request
                    .split('/')
                    .take(1)
                    .map(str::to_owned)
                    .collect(),
                pool: device.pool.clone(),
                device: device.device.clone(),
                cdi_device_ids: vec![format!("{kind}={name}")],
                share_id: device.share_id.clone(),
            });
        Prepared {
            devices: devices.collect(),
            claim: record.claim.clone(),
            statuses: record.statuses.clone(),
            policies: record.policies.clone(),
            again,
            warnings,
        }
    }

    /// Runs the steps. Answers what each made.
    fn apply(&self, uid: &str, steps: &[PreparedStep]) -> Result<Vec<Exposure>, Failure> {
        let mut made = Vec::with_capacity(steps.len());
        for (position, next) in steps.iter().enumerate() {
            let earlier = steps.get(..position).unwrap_or_default();
            reached(FaultPoint::StepBefore);
            let exposure = self.planners.source.apply(uid, &next.step, earlier);
            let told = || super::planning::told(position, &next.step);
            made.push(exposure.map_err(|error| Failure::Step(told(), error))?);
            reached(FaultPoint::StepAfter);
        }
        reached(FaultPoint::Configured);
        Ok(made)
    }

    /// Writes the CDI file.
    fn show(
        &self,
        record: &Record,
        sealed: &[u8],
        made: &[Exposure],
        announced: &Announced,
    ) -> Result<(), Failure> {
        let mut exposures = Vec::with_capacity(record.claim.devices.len());
        for device in &record.claim.devices {
            let exposure = expose(self.planners.source.as_ref(), device, announced);
            let named = |error| Failure::Expose(device.device.clone(), error);
            exposures.push(exposure.map_err(named)?);
        }
        let mut edits = Vec::with_capacity(record.edits.len());
        for of_policy in &record.edits {
            let mut all = ContainerEdits::default();
            for step in &of_policy.made_by {
                all.extend(made.get(*step).cloned().unwrap_or_default().into());
            }
            all.extend(of_policy.edits.clone());
            edits.push((of_policy.devices.clone(), all));
        }
        let copy = record.copy(sealed, MOST_ANNOTATION).map_err(cdi)?;
        let spec = compose(Composed {
            kind: self.ledger.files.kind(),
            claim: &record.claim,
            checkpoint: &copy,
            exposures,
            edits,
        });
        let uid = &record.claim.uid;
        self.ledger.files.write(uid, &spec).map_err(cdi)?;
        reached(FaultPoint::Exposed);
        Ok(())
    }

    /// The last line of defence: refuses a device that another claim has, unless both share it or
    /// either only looks at it.
    fn check_free(&self, claim: &ClaimOnNode) -> Result<(), PrepareError> {
        let others = self.ledger.all();
        let others = others
            .iter()
            .filter(|entry| entry.record.claim.uid != claim.uid);
        for other in others.map(|entry| &entry.record.claim) {
            for wanted in claim.devices.iter().filter(|device| !device.admin_access) {
                let mut held = other.devices.iter();
                if let Some(held) = held.find(|held| excludes(held, wanted)) {
                    return Err(PrepareError::Held {
                        device: match held.device == wanted.device {
                            true => wanted.device.clone(),
                            false => format!("{} (there: {})", wanted.device, held.device),
                        },
                        holder: format!("{}/{}", other.namespace, other.name),
                        uid: other.uid.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl Failure {
    fn because(self, left: Left) -> PrepareError {
        match self {
            Self::Step(step, source) => PrepareError::Step { step, source, left },
            Self::Expose(device, source) => PrepareError::Expose {
                device,
                source,
                left,
            },
            Self::File(what, source) => PrepareError::File { what, source, left },
        }
    }
}

impl From<&PreparedStep> for Done {
    fn from(prepared: &PreparedStep) -> Self {
        Self {
            step: json(&prepared.step),
            undo: prepared.undo.clone(),
        }
    }
}

impl TryFrom<&Done> for PreparedStep {
    type Error = DeviceError;

    fn try_from(done: &Done) -> Result<Self, DeviceError> {
        Ok(Self {
            step: decoded(&done.step)?,
            undo: done.undo.clone(),
        })
    }
}

fn json(step: &Step) -> Value {
    // Steps have text keys only, which is all that could fail.
    serde_json::to_value(step).unwrap_or_default()
}

fn decoded(step: &Value) -> Result<Step, DeviceError> {
    Step::deserialize(step).map_err(|source| DeviceError::Failed {
        what: "a step that another release of the driver recorded".to_owned(),
        source: source.into(),
    })
}

/// Under whose name a step of a policy's `unprepare` runs. A setting that is changed at the end is meant
/// to stay; under the claim's name it would stay as something that the claim, which is over, still wants.
fn owner<'a>(step: &Step, record: &'a Record) -> &'a str {
    match step {
        Step::SetComputeMode { .. }
        | Step::SetTimeSlice { .. }
        | Step::SetMigMode { .. }
        | Step::BindPciDriver { .. }
        | Step::WriteSysfs { .. }
        | Step::SetProperty { .. } => "unprepared",
        _ => &record.claim.uid,
    }
}

fn cdi(error: io::Error) -> Failure {
    Failure::File("write the CDI file", error)
}

fn file(what: &'static str, source: io::Error) -> UnprepareError {
    UnprepareError::File { what, source }
}

/// Whether who holds a device keeps another from having it. Hardware may be announced under another name
/// by now, or in other parts, so it counts as well as the name.
fn excludes(held: &DeviceOfClaim, wanted: &DeviceOfClaim) -> bool {
    let shared =
        held.share_id.is_some() && wanted.share_id.is_some() && held.share_id != wanted.share_id;
    let same_device = held.pool == wanted.pool && held.device == wanted.device;
    let overlapping = || match (held.memory_slices, wanted.memory_slices) {
        (Some(held), Some(wanted)) => {
            held.start < wanted.start.saturating_add(wanted.size)
                && wanted.start < held.start.saturating_add(held.size)
        }
        _ => false,
    };
    let same_hardware =
        held.unit == wanted.unit && (held.whole_unit || wanted.whole_unit || overlapping());
    (same_device || same_hardware) && !held.admin_access && !shared
}

/// Devices, with their shares, for people.
fn names<'a>(devices: impl Iterator<Item = (&'a String, &'a Option<String>)>) -> String {
    let names: Vec<String> = devices
        .map(|(device, share)| match share {
            Some(share) => format!("{device} (share {share})"),
            None => device.clone(),
        })
        .collect();
    names.join(", ")
}

/// Says that something is not done at the end of a claim.
fn passed_over(claim: &str, step: &Value, error: &DeviceError) -> Warning {
    tracing::warn!(claim, %step, %error, "a step is passed over when a claim is unprepared");
    Warning::StepLeftOut {
        step: step.to_string(),
        reason: error.to_string(),
    }
}
