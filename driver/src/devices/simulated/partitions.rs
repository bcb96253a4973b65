//! GPU instances and the compute instances in them.
//!
//! A GPU refuses an instance as a real one does: when its profile cannot sit there, when a memory slice
//! is taken, when multiprocessors or engines are used up, when MIG mode is off. It removes none that is
//! in use. An instance is a folder that appears and goes as a whole.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use supercargo_host::plan::Step;
use supercargo_host::policy::configuration::Placement;

use super::facts;
use super::state::{At, HEALTH, MIG_MODE, PROCESSES, State, reading, writing};
use super::topology::MigProfile;
use crate::devices::nvidia::facts::Profile;
use crate::devices::nvidia::most;
use crate::devices::{DeviceError, PreparedStep, folder};

const COMPUTE_INSTANCES: &str = "compute-instances";

/// A GPU instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) placement: Placement,
    pub(super) profile: String,
    /// The claim it was made for.
    pub(super) claim: String,
    /// The profiles of the compute instances in it.
    pub(super) compute: Vec<String>,
}

/// `<start>-<size>`: what an instance is called.
pub(super) fn name(placement: Placement) -> String {
    format!("{}-{}", placement.start, placement.size)
}

/// Where an instance is.
pub(super) fn path(state: &State, at: At, placement: Placement) -> PathBuf {
    state.folder(at).join("mig").join(name(placement))
}

/// The instances of a GPU, by name.
pub(super) fn instances(state: &State, at: At) -> Result<Vec<Instance>, DeviceError> {
    let mig = state.folder(at).join("mig");
    let names = folder::names(&mig).map_err(reading(&mig))?;
    let placed = names.iter().filter_map(|name| {
        let (start, size) = name.split_once('-')?;
        Some(Placement {
            start: start.parse().ok()?,
            size: size.parse().ok()?,
        })
    });
    placed
        .map(|placement| instance(state, at, placement))
        .collect()
}

fn instance(state: &State, at: At, placement: Placement) -> Result<Instance, DeviceError> {
    let path = path(state, at, placement);
    let read = |name: &str| state.read(&path.join(name)).map(Option::unwrap_or_default);
    let inner = path.join(COMPUTE_INSTANCES);
    let compute = folder::names(&inner).map_err(reading(&inner))?;
    let compute = compute
        .iter()
        .map(|number| read(&format!("{COMPUTE_INSTANCES}/{number}")));
    Ok(Instance {
        placement,
        profile: read("profile")?,
        claim: read("claim")?,
        compute: compute.collect::<Result<_, _>>()?,
    })
}

/// The instance that sits just there.
pub(super) fn find(
    state: &State,
    at: At,
    placement: Placement,
) -> Result<Option<Instance>, DeviceError> {
    let mut all = instances(state, at)?.into_iter();
    Ok(all.find(|instance| instance.placement == placement))
}

/// The instances as they will be when earlier steps have run.
pub(super) fn after(
    state: &State,
    at: At,
    claim: &str,
    earlier: &[PreparedStep],
) -> Result<Vec<Instance>, DeviceError> {
    let (unit, mut all) = (state.unit(at), instances(state, at)?);
    for PreparedStep { step, .. } in earlier {
        match step {
            Step::CreateGpuInstance {
                unit: of,
                profile,
                placement: Some(placement),
            } if *of == unit => {
                // It is there already when the plan ran up to here before.
                if !all.iter().any(|one| one.placement == *placement) {
                    all.push(Instance {
                        placement: *placement,
                        profile: profile.clone(),
                        claim: claim.to_owned(),
                        compute: Vec::new(),
                    });
                }
            }
            Step::DestroyGpuInstance {
                unit: of,
                placement,
            } if *of == unit => all.retain(|one| one.placement != *placement),
            _ => {}
        }
    }
    Ok(all)
}

/// Where an instance is to sit: just there, or in the first free place of its profile.
pub(super) fn place(
    state: &State,
    at: At,
    profile: &str,
    asked: Option<Placement>,
    there: &[Instance],
) -> Result<Placement, DeviceError> {
    let what = || format!("create a GPU instance {profile}");
    let known = self::profile(state, at, profile)?;
    if let Some(asked) = asked {
        return fits(state, at, known, asked, there)
            .map(|()| asked)
            .map_err(|reason| state.refused(at, what(), reason));
    }
    let mut reason = String::new();
    for placement in known.placements() {
        match fits(state, at, known, placement, there) {
            Ok(()) => return Ok(placement),
            Err(why) => reason = why,
        }
    }
    Err(state.refused(
        at,
        what(),
        format!("no place is free; of the last: {reason}"),
    ))
}

/// Why an instance cannot sit there.
fn fits(
    state: &State,
    at: At,
    profile: &MigProfile,
    placement: Placement,
    there: &[Instance],
) -> Result<(), String> {
    if !profile.placements().any(|possible| possible == placement) {
        let possible: Vec<String> = profile.placements().map(name).collect();
        return Err(format!(
            "it cannot sit at {}; it can at {}",
            name(placement),
            possible.join(", ")
        ));
    }
    let end = |place: Placement| place.start.saturating_add(place.size);
    let overlaps = |other: &&Instance| {
        other.placement.start < end(placement) && placement.start < end(other.placement)
    };
    if let Some(other) = there.iter().find(overlaps) {
        return Err(format!(
            "memory slices of {} are taken by {} at {}",
            name(placement),
            other.profile,
            name(other.placement)
        ));
    }
    let Ok(model) = state.model(at) else {
        return Err("the GPU is gone".to_owned());
    };
    let all: Vec<Profile> = model.mig_profiles.iter().map(facts::profile).collect();
    let wanted = facts::profile(profile);
    for (_, _, resource, of) in Profile::RESOURCES {
        let taken = there.iter().filter_map(|other| {
            let of_it = all.iter().find(|known| known.name == other.profile);
            of_it.map(of)
        });
        let (taken, most): (i64, i64) = (taken.sum(), most(&all, of));
        // Memory goes by slices, of which the largest profile has fewer than fit.
        if resource != "memory" && taken.saturating_add(of(&wanted)) > most {
            return Err(format!(
                "it needs {} {resource}, and {} of {most} are left",
                of(&wanted),
                most - taken
            ));
        }
    }
    Ok(())
}

fn profile<'s>(state: &'s State, at: At, name: &str) -> Result<&'s MigProfile, DeviceError> {
    let profiles = &state.model(at)?.mig_profiles;
    let known = profiles.iter().find(|profile| profile.name == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = profiles.iter().map(|one| one.name.as_str()).collect();
        let what = if names.is_empty() {
            "MIG".to_owned()
        } else {
            format!(
                "the GPU instance profile {name:?}; it has {}",
                names.join(", ")
            )
        };
        state.unsupported(at, what)
    })
}

/// Makes an instance. One that was made for the claim before is left as it is.
pub(super) fn create(state: &State, at: At, wanted: &Instance) -> Result<(), DeviceError> {
    let there = instances(state, at)?;
    let same = there.iter().find(|one| one.placement == wanted.placement);
    if same.is_some_and(|one| one.claim == wanted.claim && one.profile == wanted.profile) {
        return Ok(());
    }
    place(state, at, &wanted.profile, Some(wanted.placement), &there)?;
    if state.mig_mode(at)? != Some(true) {
        return Err(state.refused(
            at,
            format!("create a GPU instance {}", wanted.profile),
            format!("{MIG_MODE} is off; turn it on in an earlier step"),
        ));
    }
    let place = name(wanted.placement);
    let uuid = uuid(&format!("{}/{place}/{}", state.unit(at), wanted.profile));
    let mut files = vec![
        ("profile".to_owned(), wanted.profile.clone()),
        ("uuid".to_owned(), uuid),
        ("claim".to_owned(), wanted.claim.clone()),
        (HEALTH.to_owned(), "ok".to_owned()),
        (PROCESSES.to_owned(), String::new()),
    ];
    for (number, profile) in wanted.compute.iter().enumerate() {
        files.push((format!("{COMPUTE_INSTANCES}/{number}"), profile.clone()));
    }
    let path = path(state, at, wanted.placement);
    folder::make(&path, &files).map_err(writing(&path))
}

/// Removes an instance and what is in it; one that is not there is fine.
pub(super) fn remove(state: &State, at: At, placement: Placement) -> Result<(), DeviceError> {
    let path = path(state, at, placement);
    if let Some(processes) = state.read(&path.join(PROCESSES))?
        && let Some(process) = processes.lines().next()
    {
        return Err(state.refused(
            at,
            format!("remove the GPU instance at {}", name(placement)),
            format!("it is in use by {process}"),
        ));
    }
    folder::unmake(&path).map_err(writing(&path))?;
    state.settle(at, MIG_MODE, |_| ())
}

/// Whether a compute instance fits into a GPU instance, beside those that are in it.
pub(super) fn compute_fits(
    state: &State,
    at: At,
    gpu_instance: &str,
    wanted: &str,
    inside: &[&str],
) -> Result<(), DeviceError> {
    let whole = profile(state, at, gpu_instance)?.compute_slices;
    let slices = |compute: &str| -> Option<u32> {
        if compute == gpu_instance {
            return Some(whole);
        }
        let count = compute.strip_suffix(gpu_instance)?.strip_suffix("c.")?;
        count
            .parse()
            .ok()
            .filter(|count| (1..whole).contains(count))
    };
    let Some(needed) = slices(wanted) else {
        let what = format!(
            "the compute instance profile {wanted:?} in {gpu_instance}; write {gpu_instance} for all of it, or 1c.{gpu_instance} for one slice"
        );
        return Err(state.unsupported(at, what));
    };
    let taken: u32 = inside.iter().filter_map(|one| slices(one)).sum();
    if taken.saturating_add(needed) > whole {
        return Err(state.refused(
            at,
            format!("create a compute instance {wanted}"),
            format!(
                "it needs {needed} compute slices, and {} of {whole} are left",
                whole - taken
            ),
        ));
    }
    Ok(())
}

/// Makes the `number`th compute instance of an instance that is there.
pub(super) fn create_compute(
    state: &State,
    at: At,
    placement: Placement,
    number: usize,
    profile: &str,
) -> Result<(), DeviceError> {
    let file = path(state, at, placement)
        .join(COMPUTE_INSTANCES)
        .join(number.to_string());
    let Some(instance) = find(state, at, placement)? else {
        return Err(state.refused(
            at,
            format!("create a compute instance {profile}"),
            format!("there is no GPU instance at {}", name(placement)),
        ));
    };
    if state.read(&file)?.as_deref() == Some(profile) {
        return Ok(());
    }
    let inside: Vec<&str> = instance.compute.iter().map(String::as_str).collect();
    compute_fits(state, at, &instance.profile, profile, &inside)?;
    state.write(&file, profile)
}

/// A UUID that is always the same for the same instance, as on real hardware.
fn uuid(of: &str) -> String {
    let digest = Sha256::digest(of.as_bytes());
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    format!(
        "MIG-{}",
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    )
}
