//! From a ResourceClaim, as the API server has it, to what one driver gives it on one node.

use k8s_openapi::api::resource::v1::{
    AllocationResult, CounterSet, Device, DeviceRequestAllocationResult, ResourceClaim,
};

use super::{ClaimOnNode, DeviceOfClaim, parameters};
use crate::plan::UnitId;
use crate::policy::configuration::Placement;
use crate::quantity::Quantity;

/// What counters of memory slices are called; a number follows.
const MEMORY_SLICE: &str = "memory-slice-";

/// What one driver announces on one node: the content of its pool there.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// The driver.
    pub driver: &'a str,
    /// The node.
    pub node: &'a str,
    /// The pool.
    pub pool: &'a str,
    /// The devices, and the hardware that each is, or is a part of.
    pub devices: Vec<(&'a Device, &'a UnitId)>,
    /// The counters that devices draw from.
    pub counter_sets: &'a [CounterSet],
}

/// Why a claim is nothing that this node can prepare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The claim was deleted and made anew.
    #[error(
        "claim {claim} has uid {found} now and not {wanted}: the claim that the pod was started for \
         is gone; delete the pod, so that it is scheduled with the new claim"
    )]
    OtherUid {
        /// `namespace/name`.
        claim: String,
        /// The UID that was asked for.
        wanted: String,
        /// The UID of the claim that has the name now.
        found: String,
    },
    /// No device was allocated, or the devices were given back.
    #[error(
        "claim {claim} is not allocated: the scheduler has to allocate it before a pod that uses it \
         can start; a pod with `spec.nodeName` needs a claim that is allocated already"
    )]
    NotAllocated {
        /// `namespace/name`.
        claim: String,
    },
    /// No device of the driver.
    #[error("claim {claim} holds no device of driver {driver}")]
    NotOurs {
        /// `namespace/name`.
        claim: String,
        /// The driver.
        driver: String,
    },
    /// Devices of the driver in a pool that is not this node's.
    #[error(
        "claim {claim} holds a device of pool {pool}, and node {node} serves pool {here} alone: the \
         claim was allocated for another node"
    )]
    OtherNode {
        /// `namespace/name`.
        claim: String,
        /// The device's pool.
        pool: String,
        /// This node.
        node: String,
        /// This node's pool.
        here: String,
    },
    /// A device that is not, or no longer, announced.
    #[error(
        "claim {claim} holds device {device}, which node {node} does not announce (any more); see \
         `kubectl get resourceslices -o yaml`, and delete claim and pod to have them placed again"
    )]
    NotAnnounced {
        /// `namespace/name`.
        claim: String,
        /// The device.
        device: String,
        /// The node.
        node: String,
    },
    /// A result for a request that the claim does not make.
    #[error(
        "claim {claim} was allocated device {device} for request {request:?}, which it does not make"
    )]
    NoSuchRequest {
        /// `namespace/name`.
        claim: String,
        /// The device.
        device: String,
        /// The request.
        request: String,
    },
}

impl ClaimOnNode {
    /// Reads what `claim` got of what the node announces. `uid` is the one that the kubelet asks for.
    ///
    /// # Errors
    /// The claim is another one, is not allocated, or not with devices of this node.
    pub fn read(
        claim: &ResourceClaim,
        uid: &str,
        here: &Announcement<'_>,
    ) -> Result<Self, ClaimError> {
        let metadata = &claim.metadata;
        let name = metadata.name.clone().unwrap_or_default();
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let full = format!("{namespace}/{name}");
        let found = metadata.uid.clone().unwrap_or_default();
        if found != uid {
            return Err(ClaimError::OtherUid {
                claim: full,
                wanted: uid.to_owned(),
                found,
            });
        }
        let Some(allocation) = allocation(claim) else {
            return Err(ClaimError::NotAllocated { claim: full });
        };
        let devices = results(allocation)
            .filter(|result| result.driver == here.driver)
            .map(|result| here.device(&full, result))
            .collect::<Result<Vec<_>, _>>()?;
        if devices.is_empty() {
            return Err(ClaimError::NotOurs {
                claim: full,
                driver: here.driver.to_owned(),
            });
        }
        Ok(Self {
            parameters: parameters::resolve(allocation, here.driver, &devices),
            uid: found,
            name,
            namespace,
            node: here.node.to_owned(),
            devices,
        })
    }
}

/// What a claim was given.
pub(super) fn allocation(claim: &ResourceClaim) -> Option<&AllocationResult> {
    claim.status.as_ref()?.allocation.as_ref()
}

/// The results of an allocation, of all drivers.
pub(super) fn results(
    allocation: &AllocationResult,
) -> impl Iterator<Item = &DeviceRequestAllocationResult> {
    let devices = allocation.devices.iter();
    devices.flat_map(|devices| devices.results.iter().flatten())
}

impl Announcement<'_> {
    fn device(
        &self,
        claim: &str,
        result: &DeviceRequestAllocationResult,
    ) -> Result<DeviceOfClaim, ClaimError> {
        if result.pool != self.pool {
            return Err(ClaimError::OtherNode {
                claim: claim.to_owned(),
                pool: result.pool.clone(),
                node: self.node.to_owned(),
                here: self.pool.to_owned(),
            });
        }
        let announced = self
            .devices
            .iter()
            .find(|(device, _)| device.name == result.device);
        let Some((device, unit)) = announced else {
            return Err(ClaimError::NotAnnounced {
                claim: claim.to_owned(),
                device: result.device.clone(),
                node: self.node.to_owned(),
            });
        };
        let capacity = device.capacity.iter().flatten();
        Ok(DeviceOfClaim {
            request: result.request.clone(),
            driver: result.driver.clone(),
            pool: result.pool.clone(),
            device: result.device.clone(),
            share_id: result.share_id.clone(),
            admin_access: result.admin_access.unwrap_or(false),
            consumed_capacity: result.consumed_capacity.clone().unwrap_or_default(),
            unit: (*unit).clone(),
            whole_unit: self.holds_whole_unit(device, unit),
            memory_slices: memory_slices(device),
            attributes: device.attributes.clone().unwrap_or_default(),
            capacity: capacity
                .map(|(name, capacity)| (name.clone(), capacity.value.clone()))
                .collect(),
        })
    }

    /// Whether a claim that holds the device holds it alone, and the counters keep every other device of
    /// the unit from being held at the same time.
    fn holds_whole_unit(&self, device: &Device, unit: &UnitId) -> bool {
        if device.allow_multiple_allocations == Some(true) {
            return false;
        }
        let mut siblings = self
            .devices
            .iter()
            .filter(|(other, its)| *its == unit && other.name != device.name);
        siblings.all(|(other, _)| self.exclude_each_other(device, other))
    }

    /// Whether two devices together would draw more of some counter than there is.
    fn exclude_each_other(&self, one: &Device, other: &Device) -> bool {
        self.counter_sets.iter().any(|set| {
            set.counters.iter().any(|(name, counter)| {
                let sum = drawn(one, &set.name, name).saturating_add(drawn(other, &set.name, name));
                nanos(&counter.value.0).is_some_and(|total| sum > total)
            })
        })
    }
}

/// What a device draws of a counter, in billionths.
fn drawn(device: &Device, set: &str, counter: &str) -> i128 {
    let draws = device.consumes_counters.iter().flatten();
    draws
        .filter(|draw| draw.counter_set == set)
        .filter_map(|draw| draw.counters.get(counter))
        .filter_map(|counter| nanos(&counter.value.0))
        .fold(0, i128::saturating_add)
}

/// A quantity in billionths.
fn nanos(text: &str) -> Option<i128> {
    Quantity::parse(text).ok()?.nanos()
}

/// The run of memory slices that a device draws; none where it draws none, or with gaps.
fn memory_slices(device: &Device) -> Option<Placement> {
    let draws = device.consumes_counters.iter().flatten();
    let mut slices: Vec<u32> = draws
        .flat_map(|draw| &draw.counters)
        .filter(|(_, counter)| nanos(&counter.value.0).is_some_and(|drawn| drawn > 0))
        .filter_map(|(name, _)| name.strip_prefix(MEMORY_SLICE)?.parse().ok())
        .collect();
    slices.sort_unstable();
    let start = *slices.first()?;
    let size = u32::try_from(slices.len()).ok()?;
    let run = (start..)
        .zip(&slices)
        .all(|(expected, slice)| expected == *slice);
    run.then_some(Placement { start, size })
}
