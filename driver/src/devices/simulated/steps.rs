//! What each step changes: settled and read first, then carried out.

use supercargo_host::plan::{Step, UnitId};
use supercargo_host::policy::configuration::{ComputeMode, Placement, PropertyValue, TimeSlice};

use super::partitions::{self, Instance};
use super::state::{At, COMPUTE_MODE, MIG_MODE, PCI_DRIVER, State, TIME_SLICE, mode};
use super::topology::check::is_relative;
use super::undo::Inverse;
use super::{exposure, holdings};
use crate::devices::{DeviceError, Exposure, PreparedStep};

/// Settles what a step leaves open, reads what it will change, and changes nothing.
pub(super) fn prepare(
    state: &State,
    claim: &str,
    step: &Step,
    earlier: &[PreparedStep],
) -> Result<PreparedStep, DeviceError> {
    let mut step = step.clone();
    let inverse = match &mut step {
        Step::CreateGpuInstance {
            unit,
            profile,
            placement,
        } => {
            let at = state.gpu(unit)?;
            let there = partitions::after(state, at, claim, earlier)?;
            let place = partitions::place(state, at, profile, *placement, &there)?;
            *placement = Some(place);
            Some(Inverse::RemoveGpuInstance {
                unit: unit.clone(),
                placement: place,
            })
        }
        Step::CreateComputeInstance {
            gpu_instance,
            profile,
        } => {
            let made = Made::by(state, *gpu_instance, earlier)?;
            let inside: Vec<&str> = made.inside(earlier).collect();
            partitions::compute_fits(state, made.at, made.profile, profile, &inside)?;
            // It goes with the instance that it is in.
            None
        }
        Step::DestroyGpuInstance { unit, placement } => {
            let at = state.gpu(unit)?;
            let there = partitions::after(state, at, claim, earlier)?;
            let Some(there) = there.iter().find(|one| one.placement == *placement) else {
                return Err(state.refused(
                    at,
                    format!(
                        "remove the GPU instance at {}",
                        partitions::name(*placement)
                    ),
                    "there is none".to_owned(),
                ));
            };
            // One that an earlier step makes goes when that step is undone.
            let now = partitions::find(state, at, *placement)?;
            now.filter(|now| now.profile == there.profile)
                .map(|now| Inverse::restore(unit, now))
        }
        Step::StartDaemon { daemon, .. } | Step::StopDaemon { daemon } => {
            let running = running(state, claim, daemon, earlier)?;
            Some(Inverse::daemon(daemon, running))
        }
        Step::OpenImexChannel { channel } => {
            let single = holdings::channel(state, *channel)?;
            held_apart(state, claim, single)?;
            Some(Inverse::CloseImexChannel { channel: *channel })
        }
        Step::ActivateFabricPartition { partition, units } => {
            let single = holdings::partition(state, *partition, units)?;
            held_apart(state, claim, single)?;
            Some(Inverse::DeactivateFabricPartition {
                partition: *partition,
            })
        }
        step => {
            let change = Change::of(state, step)?;
            let by_plan = earlier
                .iter()
                .filter_map(|earlier| Change::of(state, &earlier.step).ok())
                .rfind(|other| (other.at, &other.setting) == (change.at, &change.setting));
            let before = match by_plan {
                Some(before) => Some(before.value),
                None => state
                    .layers(change.at, &change.setting)?
                    .and_then(|layers| layers.of(claim).map(str::to_owned)),
            };
            Some(Inverse::Setting {
                unit: state.unit(change.at),
                setting: change.setting,
                earlier: before,
            })
        }
    };
    Ok(PreparedStep {
        undo: inverse.map(|inverse| inverse.write()).transpose()?,
        step,
    })
}

/// Carries a prepared step out. What was done already is left as it is.
pub(super) fn apply(
    state: &State,
    claim: &str,
    step: &Step,
    earlier: &[PreparedStep],
) -> Result<Exposure, DeviceError> {
    match step {
        Step::CreateGpuInstance {
            unit,
            profile,
            placement,
        } => {
            let at = state.gpu(unit)?;
            let Some(placement) = *placement else {
                let what = format!("create a GPU instance {profile}");
                return Err(state.refused(at, what, "its place is not settled".to_owned()));
            };
            let wanted = Instance {
                placement,
                profile: profile.clone(),
                claim: claim.to_owned(),
                compute: Vec::new(),
            };
            partitions::create(state, at, &wanted)?;
            Ok(exposure::instance(state, at, placement))
        }
        Step::CreateComputeInstance {
            gpu_instance,
            profile,
        } => {
            let made = Made::by(state, *gpu_instance, earlier)?;
            let number = made.inside(earlier).count();
            partitions::create_compute(state, made.at, made.placement, number, profile)?;
            Ok(exposure::instance(state, made.at, made.placement))
        }
        Step::DestroyGpuInstance { unit, placement } => {
            partitions::remove(state, state.gpu(unit)?, *placement)?;
            Ok(Exposure::default())
        }
        Step::StartDaemon {
            daemon,
            units,
            options,
        } => {
            for unit in units {
                state.gpu(unit)?;
            }
            let wanted = holdings::Daemon::new(units, options);
            holdings::start(state, claim, daemon, &wanted)?;
            exposure::daemon(state, claim, daemon)
        }
        Step::StopDaemon { daemon } => {
            holdings::stop(state, claim, daemon)?;
            Ok(Exposure::default())
        }
        Step::OpenImexChannel { channel } => {
            let single = holdings::channel(state, *channel)?;
            single.hold(state, claim)?;
            Ok(exposure::channel(state, *channel))
        }
        Step::ActivateFabricPartition { partition, units } => {
            let single = holdings::partition(state, *partition, units)?;
            holdings::apart(state, *partition)?;
            single.hold(state, claim)?;
            Ok(Exposure::default())
        }
        step => {
            let change = Change::of(state, step)?;
            if change.setting == MIG_MODE && change.value == mode(false) {
                no_instances(state, change.at)?;
            }
            state.settle(change.at, &change.setting, |layers| {
                layers.put(claim, &change.value);
            })?;
            Ok(Exposure::default())
        }
    }
}

/// A setting and what it is to be.
#[derive(Debug)]
struct Change {
    at: At,
    /// Its file in the GPU's folder.
    setting: String,
    value: String,
}

impl Change {
    /// What a step does to a setting that the hardware has.
    fn of(state: &State, step: &Step) -> Result<Self, DeviceError> {
        let to = |unit: &UnitId, setting: &str, value: String, what: &str| {
            let at = state.gpu(unit)?;
            let setting = setting.to_owned();
            match state.read(&state.folder(at).join(&setting))? {
                Some(_) => Ok(Self { at, setting, value }),
                None => Err(state.unsupported(at, what.to_owned())),
            }
        };
        match step {
            Step::SetComputeMode { unit, mode } => {
                let value = compute_mode(*mode).to_owned();
                to(unit, COMPUTE_MODE, value, "compute modes")
            }
            Step::SetTimeSlice { unit, interval } => {
                let value = time_slice(*interval).to_owned();
                to(unit, TIME_SLICE, value, "time slices")
            }
            Step::SetMigMode { unit, enabled } => {
                to(unit, MIG_MODE, mode(*enabled).to_owned(), "MIG")
            }
            Step::BindPciDriver { unit, driver } => {
                let value = driver.clone().unwrap_or_default();
                to(unit, PCI_DRIVER, value, "PCI drivers")
            }
            Step::WriteSysfs {
                unit,
                attribute,
                value,
            } => {
                let what = format!("the sysfs attribute {attribute:?}");
                if !is_relative(attribute) {
                    return Err(state.unsupported(state.gpu(unit)?, what));
                }
                // The kernel takes a line with or without its end.
                let value = value.trim().to_owned();
                to(unit, &format!("sysfs/{attribute}"), value, &what)
            }
            Step::SetProperty { unit, name, value } => {
                let at = state.gpu(unit)?;
                let what = format!("the property {name:?}");
                let known = state.property(at, name);
                let Some(known) = known else {
                    return Err(state.unsupported(at, what));
                };
                if std::mem::discriminant(&known) != std::mem::discriminant(value) {
                    let kind = kind(&known);
                    let what = format!("{what} of that kind; it is {kind}");
                    return Err(state.unsupported(at, what));
                }
                to(unit, &format!("properties/{name}"), text(value), &what)
            }
            other => Err(DeviceError::Unsupported {
                unit: UnitId("this node".to_owned()),
                what: format!("{other:?} as a setting"),
            }),
        }
    }
}

/// The GPU instance that an earlier step makes.
struct Made<'e> {
    at: At,
    step: usize,
    profile: &'e str,
    placement: Placement,
}

impl<'e> Made<'e> {
    fn by(state: &State, step: usize, earlier: &'e [PreparedStep]) -> Result<Self, DeviceError> {
        match earlier.get(step).map(|earlier| &earlier.step) {
            Some(Step::CreateGpuInstance {
                unit,
                profile,
                placement: Some(placement),
            }) => Ok(Self {
                at: state.gpu(unit)?,
                step,
                profile,
                placement: *placement,
            }),
            _ => Err(DeviceError::Unsupported {
                unit: UnitId("this node".to_owned()),
                what: format!(
                    "a compute instance in what step {step} makes: it makes no GPU instance"
                ),
            }),
        }
    }

    /// The compute instances that earlier steps make in it.
    fn inside(&self, earlier: &'e [PreparedStep]) -> impl Iterator<Item = &'e str> {
        let step = self.step;
        earlier
            .iter()
            .filter_map(move |earlier| match &earlier.step {
                Step::CreateComputeInstance {
                    gpu_instance,
                    profile,
                } if *gpu_instance == step => Some(profile.as_str()),
                _ => None,
            })
    }
}

/// The claim's daemon as it will run when earlier steps have run.
fn running(
    state: &State,
    claim: &str,
    name: &str,
    earlier: &[PreparedStep],
) -> Result<Option<holdings::Daemon>, DeviceError> {
    for PreparedStep { step, .. } in earlier.iter().rev() {
        match step {
            Step::StartDaemon {
                daemon,
                units,
                options,
            } if daemon == name => return Ok(Some(holdings::Daemon::new(units, options))),
            Step::StopDaemon { daemon } if daemon == name => return Ok(None),
            _ => {}
        }
    }
    holdings::daemon(state, claim, name)
}

fn held_apart(state: &State, claim: &str, single: holdings::Single) -> Result<(), DeviceError> {
    match single.holder(state)? {
        Some(holder) if holder != claim => Err(single.refused(format!("claim {holder} has it"))),
        _ => Ok(()),
    }
}

fn no_instances(state: &State, at: At) -> Result<(), DeviceError> {
    match partitions::instances(state, at)?.first() {
        Some(one) => Err(state.refused(
            at,
            format!("set {MIG_MODE} to {:?}", mode(false)),
            format!(
                "there is a GPU instance at {}",
                partitions::name(one.placement)
            ),
        )),
        None => Ok(()),
    }
}

fn compute_mode(mode: ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Shared => "shared",
        ComputeMode::ExclusiveProcess => "exclusive-process",
        ComputeMode::Prohibited => "prohibited",
    }
}

fn time_slice(interval: TimeSlice) -> &'static str {
    match interval {
        TimeSlice::DriverDefault => "driver-default",
        TimeSlice::Short => "short",
        TimeSlice::Medium => "medium",
        TimeSlice::Long => "long",
    }
}

fn kind(value: &PropertyValue) -> &'static str {
    match value {
        PropertyValue::Int(_) => "a whole number",
        PropertyValue::Bool(_) => "true or false",
        PropertyValue::String(_) => "text",
    }
}

/// A property as it is written to its file.
pub(super) fn text(value: &PropertyValue) -> String {
    match value {
        PropertyValue::Int(number) => number.to_string(),
        PropertyValue::Bool(flag) => flag.to_string(),
        PropertyValue::String(text) => text.trim().to_owned(),
    }
}
