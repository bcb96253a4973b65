//! A part of a GPU that is made when a claim gets it, and the counters that keep parts from colliding.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::{
    Counter, CounterSet, Device, DeviceAttribute, DeviceCounterConsumption,
};
use supercargo_host::policy::configuration::Placement;

use super::facts::{self, Facts, Profile};
use super::{DRIVER, full, most, value};
use crate::devices::DeviceError;

const SLICE_START: &str = "supercargo.dev/memorySliceStart";
const SLICE_COUNT: &str = "supercargo.dev/memorySliceCount";

/// Every profile at every place.
pub(super) fn devices(gpu: &Facts<'_>, profiles: &[Profile]) -> Result<Vec<Device>, DeviceError> {
    let shared = full::shared(gpu)?;
    let parent = full::name(gpu)?;
    let uuid = gpu.needed(facts::UUID)?;
    let mut devices = Vec::new();
    for profile in profiles {
        let capacity: BTreeMap<_, _> = Profile::RESOURCES
            .iter()
            .map(|(_, name, _, of)| ((*name).to_owned(), value::capacity(name, of(profile))))
            .collect();
        for placement in &profile.placements {
            let mut attributes = shared.clone();
            let mut tell = |name: &str, value| attributes.insert(name.to_owned(), value);
            tell("type", value::text("mig"));
            tell("parentUUID", value::text(uuid));
            tell("profile", value::text(&profile.name));
            tell(SLICE_START, value::number(placement.start.into()));
            tell(SLICE_COUNT, value::number(placement.size.into()));
            devices.push(Device {
                name: name(&parent, profile, *placement),
                attributes: Some(attributes),
                capacity: Some(capacity.clone()),
                consumes_counters: Some(vec![DeviceCounterConsumption {
                    counter_set: set_name(&parent),
                    counters: counters(|of| of(profile), slices(placement)),
                    ..DeviceCounterConsumption::default()
                }]),
                ..Device::default()
            });
        }
    }
    Ok(devices)
}

/// `gpu-<minor>-mig-<profile>-<id>-<start>`; the profile without what a DNS label cannot hold.
pub(in crate::devices) fn name(gpu: &str, profile: &Profile, placement: Placement) -> String {
    let written = profile.name.replace('.', "").replace('+', "-");
    format!("{gpu}-mig-{written}-{}-{}", profile.id, placement.start)
}

/// What the GPU has to give.
pub(super) fn counter_set(
    gpu: &Facts<'_>,
    profiles: &[Profile],
) -> Result<CounterSet, DeviceError> {
    Ok(CounterSet {
        name: set_name(&full::name(gpu)?),
        counters: everything(profiles),
    })
}

/// What the whole GPU draws from its own counter set: all of it.
pub(super) fn all(
    gpu: &Facts<'_>,
    profiles: &[Profile],
) -> Result<DeviceCounterConsumption, DeviceError> {
    Ok(DeviceCounterConsumption {
        counter_set: set_name(&full::name(gpu)?),
        counters: everything(profiles),
        ..DeviceCounterConsumption::default()
    })
}

/// The memory slices of its GPU that a device covers, by its attributes; `None`: it is no partition.
#[must_use]
pub fn placement(device: &Device) -> Option<Placement> {
    let number = |name| attribute(device, name)?.int?.try_into().ok();
    Some(Placement {
        start: number(SLICE_START)?,
        size: number(SLICE_COUNT)?,
    })
}

/// A partition's profile.
pub(in crate::devices) fn profile(device: &Device) -> Option<&str> {
    attribute(device, "profile")?.string.as_deref()
}

/// Whether a device is a partition, by its type.
pub(in crate::devices) fn is_partition(device: &Device) -> bool {
    let kind = attribute(device, "type").and_then(|kind| kind.string.as_deref());
    kind == Some("mig")
}

fn attribute<'d>(device: &'d Device, name: &str) -> Option<&'d DeviceAttribute> {
    let attributes = device.attributes.as_ref()?;
    attributes
        .get(name)
        .or_else(|| attributes.get(&format!("{DRIVER}/{name}")))
}

fn set_name(gpu: &str) -> String {
    format!("{gpu}-counter-set")
}

fn everything(profiles: &[Profile]) -> BTreeMap<String, Counter> {
    let places = profiles.iter().flat_map(|profile| &profile.placements);
    let all: BTreeSet<u32> = places.flat_map(slices).collect();
    counters(|of| most(profiles, of), all)
}

fn slices(placement: &Placement) -> std::ops::Range<u32> {
    placement.start..placement.start.saturating_add(placement.size)
}

/// Counters of each resource that there is any of, and one for each memory slice.
fn counters(
    amount: impl Fn(fn(&Profile) -> i64) -> i64,
    slices: impl IntoIterator<Item = u32>,
) -> BTreeMap<String, Counter> {
    let mut counters = BTreeMap::new();
    for (_, _, name, of) in Profile::RESOURCES {
        let amount = amount(of);
        if amount > 0 {
            counters.insert(name.to_owned(), value::counter(name, amount));
        }
    }
    for slice in slices {
        let name = format!("memory-slice-{slice}");
        counters.insert(name, value::counter("slice", 1));
    }
    counters
}
