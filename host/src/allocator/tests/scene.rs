//! Small clusters in a few words.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use serde_json::{Value, json};

use crate::allocator::{
    AllocateError, AllocatedState, Allocation, Allocator, Budget, DeviceId, DeviceIndex, Features,
    Guidance, ShareIds,
};

pub(super) const BUDGET: Budget = Budget {
    steps: 100_000,
    deadline: None,
};

/// Slices, one class without selectors, one node, what is in use.
#[derive(Default)]
pub(super) struct Scene {
    slices: Vec<ResourceSlice>,
    pub(super) state: AllocatedState,
}

pub(super) fn id(driver: &str, pool: &str, device: &str) -> DeviceId {
    DeviceId {
        driver: driver.into(),
        pool: pool.into(),
        device: device.into(),
    }
}

/// A device that draws `amount` of counter `units` in the set `set`.
pub(super) fn drawing(name: &str, set: &str, amount: u32) -> Value {
    json!({"name": name, "consumesCounters": [
        {"counterSet": set, "counters": {"units": {"value": amount.to_string()}}}
    ]})
}

/// A counter set with `amount` of counter `units`.
pub(super) fn set(name: &str, amount: u32) -> Value {
    json!({"name": name, "counters": {"units": {"value": amount.to_string()}}})
}

/// A request for `count` devices.
pub(super) fn request(name: &str, count: u32) -> Value {
    with(name, json!({"count": count}))
}

/// A request with more fields than a count.
pub(super) fn with(name: &str, fields: Value) -> Value {
    let mut exactly = json!({"deviceClassName": "any", "allocationMode": "ExactCount", "count": 1});
    for (key, value) in fields.as_object().unwrap() {
        exactly[key] = value.clone();
    }
    json!({"name": name, "exactly": exactly})
}

pub(super) fn claim(name: &str, requests: Value, constraints: Value) -> ResourceClaim {
    serde_json::from_value(json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"devices": {"requests": requests, "constraints": constraints}}
    }))
    .unwrap()
}

pub(super) fn node(name: &str) -> Node {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

impl Scene {
    /// A slice on the node `node`, whose pool has `slices` of them.
    fn slice(mut self, driver: &str, slices: usize, fields: Value) -> Self {
        let mut spec = json!({
            "driver": driver,
            "nodeName": "node",
            "pool": {"name": "pool", "generation": 1, "resourceSliceCount": slices}
        });
        for (key, value) in fields.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let name = format!("slice-{}", self.slices.len());
        let slice = json!({"metadata": {"name": name}, "spec": spec});
        self.slices.push(serde_json::from_value(slice).unwrap());
        self
    }

    /// A pool of devices.
    pub(super) fn pool(self, driver: &str, devices: Value) -> Self {
        self.slice(driver, 1, json!({"devices": devices}))
    }

    /// A pool of devices that draw from counter sets.
    pub(super) fn partitioned(self, driver: &str, sets: Value, devices: Value) -> Self {
        self.slice(driver, 2, json!({"sharedCounters": sets}))
            .slice(driver, 2, json!({"devices": devices}))
    }

    /// A slice with any fields.
    pub(super) fn any_slice(self, driver: &str, slices: usize, fields: Value) -> Self {
        self.slice(driver, slices, fields)
    }

    /// Marks a device of a driver as in use.
    pub(super) fn used(mut self, driver: &str, device: &str) -> Self {
        self.state.devices.insert(id(driver, "pool", device));
        self
    }

    pub(super) fn allocator(&self) -> Allocator {
        let class: DeviceClass =
            serde_json::from_value(json!({"metadata": {"name": "any"}, "spec": {}})).unwrap();
        Allocator::new(Features::ALL, &self.slices, &[class])
            .with_share_ids(ShareIds::Counted(0.into()))
    }

    pub(super) fn allocate(
        &self,
        claims: &[ResourceClaim],
        guidance: &Guidance,
    ) -> Result<Option<Allocation>, AllocateError> {
        let claims: Vec<&ResourceClaim> = claims.iter().collect();
        self.allocator()
            .allocate(&self.state, &node("node"), &claims, guidance, BUDGET)
    }

    /// The names of the devices that each claim gets; `None` if they do not fit.
    pub(super) fn devices(&self, claims: &[ResourceClaim]) -> Option<Vec<Vec<String>>> {
        self.guided(claims, &Guidance::default())
    }

    pub(super) fn guided(
        &self,
        claims: &[ResourceClaim],
        guidance: &Guidance,
    ) -> Option<Vec<Vec<String>>> {
        let allocation = self.allocate(claims, guidance).unwrap()?;
        let names = allocation.results.iter().map(|result| {
            let results = result
                .devices
                .as_ref()
                .and_then(|devices| devices.results.as_ref());
            results
                .into_iter()
                .flatten()
                .map(|one| one.device.clone())
                .collect()
        });
        Some(names.collect())
    }

    /// The number of a device.
    pub(super) fn index(&self, device: &str) -> DeviceIndex {
        let allocator = self.allocator();
        (0..)
            .map(DeviceIndex)
            .take(1000)
            .find(|index| allocator.device_id(*index).device == Arc::from(device))
            .unwrap()
    }
}

/// Device names, for comparing.
pub(super) fn names(claims: &[&[&str]]) -> Option<Vec<Vec<String>>> {
    let names = |claim: &&[&str]| claim.iter().map(|name| (*name).to_owned()).collect();
    Some(claims.iter().map(names).collect())
}
