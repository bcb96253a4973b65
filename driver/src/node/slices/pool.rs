//! What a node announces, cut into the contents of ResourceSlices.
//!
//! The API takes 128 devices in a slice, but only 64 as soon as one of them has a taint, draws from
//! counters or has a list attribute. The cut is made at 64 throughout: where it follows the taints, a
//! device that turns unhealthy would move others to another slice, and a change of one slice, which
//! readers see at once, would become a new generation of the whole pool. Counters stand in slices of
//! their own, as the API wants it, and come first, for they change less often than devices do.
//! Readers take slices in the order of their names, so a slice's place in the pool is part of its
//! name (see [`name`](super::name)).

use k8s_openapi::api::resource::v1::{Device, ResourcePool, ResourceSliceSpec};

use super::Owner;
use super::defects::{self, Defects};
use crate::devices::Announced;

/// Most devices in a slice.
const DEVICES: usize = 64;
/// Most counter sets in a slice.
const COUNTER_SETS: usize = 8;

/// The slices of a pool, in order, with generation 0. At least one: a node without devices says so.
///
/// # Errors
/// What the API would refuse, by device and field.
pub fn desired(
    owner: &Owner,
    announced: &Announced,
) -> Result<Vec<ResourceSliceSpec>, Defects> {
    let specs = split(owner, announced);
    defects::check(owner, announced, &specs)?;
    Ok(specs)
}

fn split(owner: &Owner, announced: &Announced) -> Vec<ResourceSliceSpec> {
    let empty = ResourceSliceSpec {
        driver: owner.driver.clone(),
        node_name: Some(owner.node.clone()),
        pool: ResourcePool {
            name: owner.node.clone(),
            ..ResourcePool::default()
        },
        ..ResourceSliceSpec::default()
    };
    let counters = announced.counter_sets.chunks(COUNTER_SETS);
    let counters = counters.map(|sets| ResourceSliceSpec {
        shared_counters: Some(sets.to_vec()),
        ..empty.clone()
    });
    let devices: Vec<Device> = announced
        .devices
        .iter()
        .map(|announced| announced.device.clone())
        .collect();
    let devices = devices.chunks(DEVICES).map(|devices| ResourceSliceSpec {
        devices: Some(devices.to_vec()),
        ..empty.clone()
    });
    let mut specs: Vec<_> = counters.chain(devices).collect();
    if specs.is_empty() {
        specs.push(empty);
    }
    let count = i64::try_from(specs.len()).unwrap_or(i64::MAX);
    for spec in &mut specs {
        spec.pool.resource_slice_count = count;
    }
    specs
}
