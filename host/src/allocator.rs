//! Structured-parameters allocation: contract used by the rest of the host (bodies to be written).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};

use crate::quantity::Quantity;

/// The feature gates of the allocator; `Features::ALL` is what Supercargo runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct Features {
    pub admin_access: bool,
    pub prioritized_list: bool,
    pub partitionable_devices: bool,
    pub device_taints: bool,
    pub device_binding: bool,
    pub consumable_capacity: bool,
    pub list_type_attributes: bool,
}

/// One published device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct DeviceId {
    pub driver: Arc<str>,
    pub pool: Arc<str>,
    pub device: Arc<str>,
}

/// What is in use: from the status of all allocated claims (admin access left out).
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct AllocatedState {
    pub devices: BTreeSet<DeviceId>,
    /// Devices shared through `allowMultipleAllocations`, with their share ids.
    pub shared: BTreeSet<(DeviceId, Arc<str>)>,
    pub capacity: BTreeMap<DeviceId, BTreeMap<String, Quantity>>,
    /// Who holds a device, for explanations only: `namespace/claim`.
    pub holders: BTreeMap<DeviceId, String>,
}

/// How far a search may go.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct Budget {
    pub steps: u64,
    pub deadline: Option<Instant>,
}

/// A device of the allocator's inventory, by position; stable for the life of the `Allocator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u32);

/// A request that devices are found for: a claim's request, and of `firstAvailable` the alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct RequestIndex {
    pub claim: usize,
    pub request: usize,
    pub alternative: Option<usize>,
}

/// What a policy wants for one request.
#[derive(Debug, Clone)]
pub enum Choice {
    /// These devices and no others; as many as the request asks for.
    Exact(Vec<DeviceIndex>),
    /// These devices first, in this order; then all others in upstream's order.
    Prefer(Vec<DeviceIndex>),
}

/// What the search is told beyond the claims. Empty: exactly upstream's search.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "contract sketch")]
pub struct Guidance {
    pub choices: BTreeMap<RequestIndex, Choice>,
    /// Alternative of `firstAvailable` to use, by (claim, request).
    pub alternatives: BTreeMap<(usize, usize), usize>,
}

/// A feasible allocation.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// One a claim, in order, as upstream would write them.
    pub results: Vec<AllocationResult>,
    /// Which devices each request got, in allocation order.
    pub devices: BTreeMap<RequestIndex, Vec<DeviceIndex>>,
    /// Search steps taken.
    pub steps: u64,
}

/// Why allocation could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// The pod cannot be scheduled anywhere until somebody changes something.
    #[error("{0}")]
    Fatal(String),
    /// Only this node is affected (upstream's `ErrFailedAllocationOnNode`).
    #[error("{0}")]
    NodeLocal(String),
    /// The step budget was used up.
    #[error("gave up after {steps} steps: ...")]
    GaveUp {
        /// Steps taken.
        steps: u64,
    },
    /// The deadline passed.
    #[error("gave up at the deadline after {steps} steps: ...")]
    Deadline {
        /// Steps taken.
        steps: u64,
    },
}

/// Slices and classes, interned and indexed; shared by all nodes and many calls, from many threads.
#[derive(Debug)]
pub struct Allocator {
    _private: (),
}

impl Allocator {
    /// Indexes what drivers publish.
    pub fn new(_features: Features, _slices: &[ResourceSlice], _classes: &[DeviceClass]) -> Self {
        todo!()
    }
    /// First fit, guided: `Ok(None)` means "does not fit on this node".
    pub fn allocate(
        &self,
        _state: &AllocatedState,
        _node: &Node,
        _claims: &[&ResourceClaim],
        _guidance: &Guidance,
        _budget: Budget,
    ) -> Result<Option<Allocation>, AllocateError> {
        todo!()
    }
    /// Per request, the devices that could serve it taken alone, given what is in use: filtered by
    /// node, selectors, taints, use, capacity and counters. In upstream's order.
    pub fn candidates(
        &self,
        _state: &AllocatedState,
        _node: &Node,
        _claims: &[&ResourceClaim],
        _request: RequestIndex,
    ) -> Result<Vec<DeviceIndex>, AllocateError> {
        todo!()
    }
    /// The identity of a device.
    pub fn device_id(&self, _device: DeviceIndex) -> DeviceId {
        todo!()
    }
}
