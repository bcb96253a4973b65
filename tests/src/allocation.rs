//! A recorded allocation problem: cluster objects, what is in use, claims, and upstream's answer.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};
use serde::Deserialize;
use supercargo_host::allocator::{
    AllocatedState, Allocation, Allocator, Budget, DeviceId, Features, Guidance,
};
use supercargo_host::quantity::Quantity;

use crate::case::CaseError;
use crate::verify::{Situation, violations};

mod answer;
mod outline;

use answer::{Expect, Expected};

/// Far beyond what any recorded problem takes: a search that needs more is a finding.
pub const BUDGET: Budget = Budget {
    steps: 5_000_000,
    deadline: None,
};

/// One line of a file of allocation problems.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Unique in its file.
    pub name: String,
    features: Vec<String>,
    #[serde(default)]
    sweep: bool,
    node: Option<Node>,
    nodes: Option<Vec<Node>>,
    classes: Option<Vec<DeviceClass>>,
    slices: Option<Vec<ResourceSlice>>,
    claims: Option<Vec<ResourceClaim>>,
    allocated_devices: Option<Vec<String>>,
    #[serde(rename = "allocatedSharedDeviceIDs")]
    allocated_shared_device_ids: Option<Vec<String>>,
    aggregated_capacity: Option<BTreeMap<String, BTreeMap<String, String>>>,
    #[serde(default)]
    expect: Expect,
    expected: Option<Expected>,
    expected_fit: Option<Vec<String>>,
}

impl Problem {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, CaseError> {
        let problem: Self = serde_json::from_str(line)?;
        problem.features()?;
        problem.state()?;
        match (problem.sweep, &problem.node, &problem.nodes) {
            (true, _, None) | (false, None, _) => return Err(CaseError::Nodes),
            _ => {}
        }
        match (problem.sweep, &problem.expected, &problem.expected_fit) {
            (true, _, None) => Err(CaseError::Answer("expectedFit")),
            (false, None, _) => Err(CaseError::Answer("expected")),
            _ => Ok(problem),
        }
    }

    /// The gates that are on.
    pub fn features(&self) -> Result<Features, CaseError> {
        let mut features = Features {
            admin_access: false,
            prioritized_list: false,
            partitionable_devices: false,
            device_taints: false,
            device_binding: false,
            consumable_capacity: false,
            list_type_attributes: false,
        };
        for gate in &self.features {
            let on = match gate.as_str() {
                "DRAAdminAccess" => &mut features.admin_access,
                "DRAPrioritizedList" => &mut features.prioritized_list,
                "DRAPartitionableDevices" => &mut features.partitionable_devices,
                "DRADeviceTaints" => &mut features.device_taints,
                "DRADeviceBindingConditions+DRAResourceClaimDeviceStatus" => {
                    &mut features.device_binding
                }
                "DRAConsumableCapacity" => &mut features.consumable_capacity,
                "DRAListTypeAttributes" => &mut features.list_type_attributes,
                other => return Err(CaseError::Feature(other.to_owned())),
            };
            *on = true;
        }
        Ok(features)
    }

    /// What is in use.
    pub fn state(&self) -> Result<AllocatedState, CaseError> {
        let mut state = AllocatedState::default();
        for id in self.allocated_devices.iter().flatten() {
            state.devices.insert(device_id(id)?);
        }
        for id in self.allocated_shared_device_ids.iter().flatten() {
            let shared = || CaseError::SharedDevice(id.clone());
            let (device, share) = id.rsplit_once('/').ok_or_else(shared)?;
            state
                .shared
                .insert((device_id(device).map_err(|_| shared())?, share.into()));
        }
        for (device, capacities) in self.aggregated_capacity.iter().flatten() {
            let consumed = state.capacity.entry(device_id(device)?).or_default();
            for (name, text) in capacities {
                let amount = text.parse::<Quantity>().map_err(|_| CaseError::Quantity {
                    device: device.clone(),
                    name: name.clone(),
                    text: text.clone(),
                })?;
                consumed.insert(name.clone(), amount);
            }
        }
        Ok(state)
    }

    /// The nodes to try: of a sweep all, else the one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        match (self.sweep, &self.nodes, &self.node) {
            (true, Some(nodes), _) => nodes,
            (_, _, Some(node)) => std::slice::from_ref(node),
            _ => &[],
        }
    }

    /// The slices.
    #[must_use]
    pub fn slices(&self) -> &[ResourceSlice] {
        self.slices.as_deref().unwrap_or_default()
    }

    /// The device classes.
    #[must_use]
    pub fn classes(&self) -> &[DeviceClass] {
        self.classes.as_deref().unwrap_or_default()
    }

    /// The claims to allocate, in order.
    #[must_use]
    pub fn claims(&self) -> Vec<&ResourceClaim> {
        self.claims.iter().flatten().collect()
    }

    /// What the host finds for a problem of one node; none where it does not fit or is an error.
    pub fn solve(&self) -> Result<Option<Allocation>, CaseError> {
        let [node] = self.nodes() else {
            return Ok(None);
        };
        let allocator = Allocator::new(self.features()?, self.slices(), self.classes());
        let guidance = Guidance::default();
        Ok(allocator
            .allocate(&self.state()?, node, &self.claims(), &guidance, BUDGET)
            .ok()
            .flatten())
    }

    /// Answers the case and compares: `Err` is the readable difference.
    pub fn check(&self) -> Result<(), String> {
        let features = self.features().map_err(|error| error.to_string())?;
        let state = self.state().map_err(|error| error.to_string())?;
        let allocator = Allocator::new(features, self.slices(), self.classes());
        let claims = self.claims();
        let allocate =
            |node: &Node| allocator.allocate(&state, node, &claims, &Guidance::default(), BUDGET);
        match (&self.expected_fit, &self.expected, self.nodes()) {
            (Some(want), _, nodes) if self.sweep => answer::check_sweep(want, nodes, allocate),
            (_, Some(want), [node]) => answer::check(want, &self.expect, &allocate(node)),
            _ => Err("the case has no answer to compare with".to_owned()),
        }
    }

    /// Whether upstream found an allocation.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.expected
            .as_ref()
            .is_some_and(|expected| !expected.results.is_null())
    }

    /// The rules that upstream's recorded allocation breaks: none, or the verifier is wrong.
    pub fn violations_of_recorded(&self) -> Result<Vec<String>, CaseError> {
        let Some(Expected { results, .. }) = &self.expected else {
            return Ok(Vec::new());
        };
        let Some(mut results) = Option::<Vec<AllocationResult>>::deserialize(results)? else {
            return Ok(Vec::new());
        };
        // Recorded share ids are all alike; real ones never are.
        let devices = results
            .iter_mut()
            .filter_map(|result| result.devices.as_mut());
        let shares = devices
            .flat_map(|devices| devices.results.iter_mut().flatten())
            .enumerate();
        for (i, device) in shares.filter(|(_, device)| device.share_id.is_some()) {
            device.share_id = Some(format!("share-{i}"));
        }
        self.violations(&results)
    }

    /// The rules that an allocation breaks.
    pub fn violations(&self, results: &[AllocationResult]) -> Result<Vec<String>, CaseError> {
        let [node] = self.nodes() else {
            return Ok(Vec::new());
        };
        let situation = Situation {
            features: self.features()?,
            slices: self.slices(),
            classes: self.classes(),
            state: &self.state()?,
            node,
            claims: &self.claims(),
        };
        Ok(violations(&situation, results))
    }
}

/// Parses `driver/pool/device`; a pool's name may itself contain slashes.
fn device_id(id: &str) -> Result<DeviceId, CaseError> {
    let wrong = || CaseError::Device(id.to_owned());
    let (driver, rest) = id.split_once('/').ok_or_else(wrong)?;
    let (pool, device) = rest.rsplit_once('/').ok_or_else(wrong)?;
    Ok(DeviceId {
        driver: driver.into(),
        pool: pool.into(),
        device: device.into(),
    })
}
