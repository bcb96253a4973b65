//! How NVIDIA GPUs are announced, in the names that NVIDIA's own driver uses.
//!
//! Device classes, selectors and constraints in the field are written against those names, so they are
//! kept: attributes and capacities of `gpu` and `mig` devices, counter sets, device names. Whatever
//! finds the GPUs, NVML or a simulation, tells of them in the same facts, and what is announced is made
//! from these facts alone. A policy's `publish` hook is given the very same ones, so it can announce
//! all that is announced without it.
//!
//! Three things are told that NVIDIA's driver keeps to itself: which GPUs NVLink connects
//! (`supercargo.dev/nvlinkGroup`), the clique of the fabric (`supercargo.dev/nvlinkClique`), and which
//! memory slices a partition covers (`supercargo.dev/memorySliceStart` and `memorySliceCount`).

pub mod facts;
mod full;
mod nvlink;
pub(super) mod partition;
mod value;

use serde::Deserialize;
use supercargo_host::plan::{Step, UnitId};
use supercargo_host::policy::configuration::Placement;

use super::{Announced, AnnouncedDevice, DeviceError, Unit};
use facts::{Facts, Profile};

pub use partition::placement;

/// The driver's name, and the domain of its attributes.
pub const DRIVER: &str = "gpu.nvidia.com";

/// Whether GPUs are announced in parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Partitioning {
    /// GPUs are announced whole, and those in MIG mode not at all.
    #[default]
    None,
    /// Every profile at every place is announced beside the whole GPU, and counters keep them apart
    /// (KEP-4815). The instance is made when a claim gets it. GPUs before Hopper need a reset to change
    /// mode, so of them are announced either the parts, when MIG mode is on, or the whole.
    Dynamic,
}

/// What is announced of these GPUs.
///
/// # Errors
/// A fact that every GPU has is missing or of the wrong kind.
pub fn announce(units: &[Unit], partitioning: Partitioning) -> Result<Announced, DeviceError> {
    let groups = nvlink::groups(units);
    let mut announced = Announced::default();
    for (unit, group) in units.iter().zip(groups) {
        let gpu = Facts::of(unit);
        let profiles = match partitioning {
            Partitioning::Dynamic => gpu.profiles()?,
            Partitioning::None => Vec::new(),
        };
        let mig_mode = gpu.flag(facts::MIG_MODE).unwrap_or(false);
        let both = !profiles.is_empty() && gpu.changes_mig_mode_at_once();
        let parts = !profiles.is_empty() && (both || mig_mode);
        let whole = both || !mig_mode;
        let shown = |device| AnnouncedDevice {
            device,
            unit: unit.id.clone(),
        };
        if whole {
            let consumed = if parts { profiles.as_slice() } else { &[] };
            announced
                .devices
                .push(shown(full::device(&gpu, group, consumed)?));
        }
        if parts {
            announced
                .counter_sets
                .push(partition::counter_set(&gpu, &profiles)?);
            let mut partitions = partition::devices(&gpu, &profiles)?;
            partitions.sort_by(|one, other| one.name.cmp(&other.name));
            announced.devices.extend(partitions.into_iter().map(shown));
        }
    }
    Ok(announced)
}

/// The steps that make a partition, or that make a GPU whole again; `at` is the position of the first
/// of them among the steps of the claim.
#[must_use]
pub fn steps(unit: &UnitId, partition: Option<(&str, Placement)>, at: usize) -> Vec<Step> {
    let mode = |enabled| Step::SetMigMode {
        unit: unit.clone(),
        enabled,
    };
    match partition {
        None => vec![mode(false)],
        Some((profile, placement)) => vec![
            mode(true),
            Step::CreateGpuInstance {
                unit: unit.clone(),
                profile: profile.to_owned(),
                placement: Some(placement),
            },
            Step::CreateComputeInstance {
                gpu_instance: at + 1,
                profile: profile.to_owned(),
            },
        ],
    }
}

/// The most of each resource that any profile has: what the GPU has to give.
pub(super) fn most(profiles: &[Profile], of: fn(&Profile) -> i64) -> i64 {
    profiles.iter().map(of).max().unwrap_or(0)
}
