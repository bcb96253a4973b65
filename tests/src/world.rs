//! Random clusters and claims, for properties that hold in all of them.
//!
//! A world is drawn from a seed and a size and is the same for the same two, so a failing property
//! names a world that can be had again; a smaller size makes a smaller world. Worlds are made to
//! meet every rule often: devices are few and alike, so that claims compete; every kind of pool,
//! selector, constraint, counter, capacity, taint and configuration turns up. Selectors never fail:
//! where a search meets an error depends on its order, and guidance changes the order.

use fastrand::Rng;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};
use serde_json::{Value, json};
use supercargo_host::allocator::{
    AllocatedState, Choice, DeviceIndex, Features, Guidance, RequestIndex,
};

use crate::verify::{Situation, violations};

mod claims;
mod devices;
mod state;

/// The drivers of a world; their names are also their attributes' domains.
const DRIVERS: [&str; 2] = ["gpu.example.com", "nic.example.com"];

/// A cluster as one node sees it, and claims to be allocated there.
#[derive(Debug, Clone)]
pub struct World {
    /// The gates that are on; mostly all.
    pub features: Features,
    /// Everything published.
    pub slices: Vec<ResourceSlice>,
    /// The device classes.
    pub classes: Vec<DeviceClass>,
    /// The node.
    pub node: Node,
    /// What is in use.
    pub state: AllocatedState,
    /// The claims, to be allocated together.
    pub claims: Vec<ResourceClaim>,
}

impl World {
    /// Draws a world. Sizes from 1 to about 10 are sensible.
    pub fn random(seed: u64, size: usize) -> Result<Self, serde_json::Error> {
        let rng = &mut Rng::with_seed(seed);
        let slices = devices::slices(rng, size);
        let state = state::in_use(rng, &slices);
        Ok(Self {
            features: features(rng),
            slices: serde_json::from_value(Value::Array(slices))?,
            classes: serde_json::from_value(claims::classes(rng))?,
            node: serde_json::from_value(
                json!({"metadata": {"name": "node-1", "labels": {"zone": "a", "rack": "7"}}}),
            )?,
            state,
            claims: serde_json::from_value(claims::claims(rng, size))?,
        })
    }

    /// The claims by reference, as the allocator takes them.
    #[must_use]
    pub fn claims(&self) -> Vec<&ResourceClaim> {
        self.claims.iter().collect()
    }

    /// The rules that `results` break in this world.
    #[must_use]
    pub fn violations(&self, results: &[AllocationResult]) -> Vec<String> {
        let situation = Situation {
            features: self.features,
            slices: &self.slices,
            classes: &self.classes,
            state: &self.state,
            node: &self.node,
            claims: &self.claims(),
        };
        violations(&situation, results)
    }
}

fn features(rng: &mut Rng) -> Features {
    let all = rng.u8(..5) > 0;
    let mut gate = || all || rng.u8(..3) > 0;
    Features {
        admin_access: gate(),
        prioritized_list: gate(),
        partitionable_devices: gate(),
        device_taints: gate(),
        device_binding: gate(),
        consumable_capacity: gate(),
        list_type_attributes: gate(),
    }
}

/// Draws guidance of any kind, sensible or not: devices that do not exist, twice, too few, too many;
/// requests and alternatives that are not there. `exact`: whether it may forbid anything.
#[must_use]
pub fn random_guidance(seed: u64, devices: u32, exact: bool) -> Guidance {
    let rng = &mut Rng::with_seed(seed);
    let mut guidance = Guidance::default();
    for _ in 0..rng.usize(..5) {
        let request = RequestIndex {
            claim: rng.usize(..3),
            request: rng.usize(..3),
            alternative: rng.bool().then(|| rng.usize(..3)),
        };
        let listed = (0..rng.usize(..5))
            .map(|_| DeviceIndex(rng.u32(..devices + 2)))
            .collect();
        let choice = if exact && rng.bool() {
            Choice::Exact(listed)
        } else {
            Choice::Prefer(listed)
        };
        guidance.choices.insert(request, choice);
    }
    if exact && rng.u8(..4) == 0 {
        guidance
            .alternatives
            .insert((rng.usize(..2), rng.usize(..3)), rng.usize(..3));
    }
    guidance
}

/// True in `percent` of cases.
fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> Option<T> {
    rng.choice(list).copied()
}
