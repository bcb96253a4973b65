//! Structured-parameters allocation: which devices a pod's claims get on a node.
//!
//! The semantics are upstream's allocator in its experimental channel (Kubernetes 1.37): with empty
//! [`Guidance`] the same devices in the same order, the same results, the same errors. Known defects
//! of upstream are fixed; each has a regression test that says what was wrong.
//!
//! What makes it fast is its shape. [`Allocator::new`] numbers everything that drivers publish
//! ([`inventory`]); what a node sees of it is worked out once ([`view`]); a selector is asked about a
//! device once ([`expressions`]); a state is translated once for all nodes ([`Prepared`]) and claims
//! once for all nodes ([`Plan`]). What is left for a node is a walk over bits ([`search`]).
//!
//! To decide for one node, call [`Allocator::allocate`]. To sweep many nodes with the same state and
//! claims, [`Allocator::prepare`] the state, [`Prepared::plan`] the claims, and ask the [`Plan`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};

use crate::quantity::Quantity;
use attributes::Attributes;
use expressions::Expressions;
use inventory::Inventory;
use nodes::NodeFacts;
use plan::Claims;
use search::Search;
use usage::PoolUse;
use view::{View, Views};

mod amounts;
mod attributes;
mod bits;
mod capacity;
mod explain;
mod expressions;
mod inventory;
mod lookup;
mod nodes;
mod outcome;
mod plan;
mod prepared;
mod search;
mod share_ids;
mod taints;
mod usage;
mod view;

pub use capacity::Refusal;
pub use explain::{Explanation, RefusedDevice, RequestExplanation, Rule, Shortage};
pub use expressions::Selectors;
pub(crate) use lookup::qualified;
pub use lookup::{CounterLeft, DeviceView};
pub use prepared::{Plan, Prepared};
pub use share_ids::ShareIds;
pub use view::PoolState;

/// The feature gates of the allocator; [`Features::ALL`] is what Supercargo runs with.
///
/// With a gate off, claims that need it are refused and devices that need it are left alone, as
/// upstream does. Gates that are new in 1.37 (derived attributes, compatibility groups, fractional
/// capacity ranges, optional node operations) are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `DRAAdminAccess`: requests that only watch devices.
    pub admin_access: bool,
    /// `DRAPrioritizedList`: `firstAvailable`.
    pub prioritized_list: bool,
    /// `DRAPartitionableDevices`: shared counters, node selection per device.
    pub partitionable_devices: bool,
    /// `DRADeviceTaints`: taints block unless tolerated.
    pub device_taints: bool,
    /// `DRADeviceBindingConditions` with `DRAResourceClaimDeviceStatus`: devices that get ready late.
    pub device_binding: bool,
    /// `DRAConsumableCapacity`: devices that are allocated in shares.
    pub consumable_capacity: bool,
    /// `DRAListTypeAttributes`: attributes with several values.
    pub list_type_attributes: bool,
}

impl Features {
    /// Every gate on.
    pub const ALL: Self = Self {
        admin_access: true,
        prioritized_list: true,
        partitionable_devices: true,
        device_taints: true,
        device_binding: true,
        consumable_capacity: true,
        list_type_attributes: true,
    };
}

/// One published device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// The driver's name.
    pub driver: Arc<str>,
    /// The pool's name, unique within the driver.
    pub pool: Arc<str>,
    /// The device's name, unique within the pool.
    pub device: Arc<str>,
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.driver, self.pool, self.device)
    }
}

/// What is in use: from the status of all allocated claims (admin access left out).
#[derive(Debug, Clone, Default)]
pub struct AllocatedState {
    /// Devices allocated as a whole.
    pub devices: BTreeSet<DeviceId>,
    /// Devices shared through `allowMultipleAllocations`, with their share ids.
    pub shared: BTreeSet<(DeviceId, Arc<str>)>,
    /// What is consumed of the capacity of shared devices, summed over their shares.
    pub capacity: BTreeMap<DeviceId, BTreeMap<String, Quantity>>,
    /// Who holds a device, for explanations only: `namespace/claim`.
    pub holders: BTreeMap<DeviceId, String>,
    /// What devices in use drew from shared counters when they were allocated, by counter set and
    /// counter, where that is known ([`Allocator::counters_of`] tells it). It counts instead of what
    /// the driver publishes now. A device in use that is neither published nor recorded here draws
    /// an unknown amount, and then nothing more is taken from its pool's counters.
    pub counters: BTreeMap<DeviceId, BTreeMap<String, BTreeMap<String, Quantity>>>,
}

/// How far a search may go.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Search steps: about one for each device that is tried.
    pub steps: u64,
    /// When to give up at the latest.
    pub deadline: Option<Instant>,
}

/// A device of the allocator's inventory, by position; stable for the life of the `Allocator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u32);

/// A request that devices are found for: a claim's request, and of `firstAvailable` the alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestIndex {
    /// The claim, in the order given.
    pub claim: usize,
    /// The request, in the order of the claim.
    pub request: usize,
    /// The alternative of a `firstAvailable` request; `None` for any other.
    pub alternative: Option<usize>,
}

/// What a policy wants for one request.
#[derive(Debug, Clone)]
pub enum Choice {
    /// These devices and no others, in this order; as many as the request asks for. A device that
    /// does not exist, is listed twice or may not be had means that the claims do not fit.
    Exact(Vec<DeviceIndex>),
    /// These devices first, in this order; then all others in upstream's order. What cannot be had
    /// is passed over: a preference forbids nothing.
    Prefer(Vec<DeviceIndex>),
}

/// What the search is told beyond the claims. Empty: exactly upstream's search.
#[derive(Debug, Clone, Default)]
pub struct Guidance {
    /// Wishes by request.
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
    #[error(
        "gave up after {steps} search steps: the claims leave too many combinations to try; make their requests more specific or raise the step budget"
    )]
    GaveUp {
        /// Steps taken.
        steps: u64,
    },
    /// The deadline passed.
    #[error(
        "gave up at the deadline after {steps} search steps: make the claims' requests more specific or allow more time"
    )]
    Deadline {
        /// Steps taken.
        steps: u64,
    },
}

/// Slices and classes, interned and indexed; shared by all nodes and many calls, from many threads.
#[derive(Debug)]
pub struct Allocator {
    features: Features,
    inventory: Inventory,
    views: Views,
    classes: HashMap<String, Arc<DeviceClass>>,
    expressions: Expressions,
    attributes: Attributes,
    share_ids: ShareIds,
}

impl Allocator {
    /// Indexes what drivers publish. Copies the slices; [`Allocator::from_shared`] does not.
    #[must_use]
    pub fn new(features: Features, slices: &[ResourceSlice], classes: &[DeviceClass]) -> Self {
        Self::from_shared(
            features,
            slices.iter().cloned().map(Arc::new),
            classes.iter().cloned().map(Arc::new),
        )
    }

    /// Indexes what drivers publish, sharing the objects with who watches them.
    #[must_use]
    pub fn from_shared(
        features: Features,
        slices: impl IntoIterator<Item = Arc<ResourceSlice>>,
        classes: impl IntoIterator<Item = Arc<DeviceClass>>,
    ) -> Self {
        let inventory = Inventory::new(features, slices.into_iter());
        let mut by_name = HashMap::new();
        for class in classes {
            by_name
                .entry(class.metadata.name.clone().unwrap_or_default())
                .or_insert(class);
        }
        Self {
            features,
            views: Views::new(&inventory),
            inventory,
            classes: by_name,
            expressions: Expressions::new(
                Arc::default(),
                features.consumable_capacity,
                features.list_type_attributes,
            ),
            attributes: Attributes::default(),
            share_ids: ShareIds::Random,
        }
    }

    /// Compiles selectors where others find them, and takes what others compiled. To be set before the
    /// first question.
    #[must_use]
    pub fn sharing(mut self, selectors: Arc<Selectors>) -> Self {
        self.expressions = Expressions::new(
            selectors,
            self.features.consumable_capacity,
            self.features.list_type_attributes,
        );
        self
    }

    /// Sets where the ids of shares come from.
    #[must_use]
    pub fn with_share_ids(mut self, share_ids: ShareIds) -> Self {
        self.share_ids = share_ids;
        self
    }

    /// Readies a state for many calls.
    #[must_use]
    pub fn prepare<'a>(&'a self, state: &'a AllocatedState) -> Prepared<'a> {
        Prepared::new(self, state, self.inventory.pools.len())
    }

    /// First fit, guided: `Ok(None)` means "does not fit on this node".
    ///
    /// # Errors
    /// As upstream's allocator, and [`AllocateError::GaveUp`] or [`AllocateError::Deadline`] when
    /// the budget is spent.
    pub fn allocate(
        &self,
        state: &AllocatedState,
        node: &Node,
        claims: &[&ResourceClaim],
        guidance: &Guidance,
        budget: Budget,
    ) -> Result<Option<Allocation>, AllocateError> {
        let plan = Claims::new(self, claims);
        self.search(state, None, &plan, node, budget, |search| {
            if search.run(guidance)? {
                search.outcome().map(Some)
            } else {
                Ok(None)
            }
        })
    }

    /// Per request, the devices that could serve it taken alone, given what is in use: filtered by
    /// node, selectors, taints, use, capacity and counters. In upstream's order.
    ///
    /// # Errors
    /// What is wrong with the claims or their selectors, as from [`Allocator::allocate`]. A request
    /// that does not exist has no candidates.
    pub fn candidates(
        &self,
        state: &AllocatedState,
        node: &Node,
        claims: &[&ResourceClaim],
        request: RequestIndex,
    ) -> Result<Vec<DeviceIndex>, AllocateError> {
        let plan = Claims::new(self, claims);
        self.search(state, None, &plan, node, Budget::UNLIMITED, |search| {
            search.candidates(request)
        })
    }

    /// The identity of a device; of a number that is none, empty names.
    #[must_use]
    pub fn device_id(&self, device: DeviceIndex) -> DeviceId {
        let Some(published) = self.inventory.devices.get(device.0 as usize) else {
            return DeviceId {
                driver: Arc::from(""),
                pool: Arc::from(""),
                device: Arc::from(""),
            };
        };
        let pool = self
            .inventory
            .pool(self.inventory.slice(published.slice).pool);
        DeviceId {
            driver: pool.driver.clone(),
            pool: pool.name.clone(),
            device: self.inventory.device(device.0).name.as_str().into(),
        }
    }

    /// What a device draws from shared counters as published now: what belongs into
    /// [`AllocatedState::counters`] when it is allocated.
    #[must_use]
    pub fn counters_of(&self, device: DeviceIndex) -> BTreeMap<String, BTreeMap<String, Quantity>> {
        let mut sets: BTreeMap<String, BTreeMap<String, Quantity>> = BTreeMap::new();
        let consumed = self
            .view(device)
            .and_then(|view| view.device.consumes_counters.as_ref());
        for consumption in consumed.into_iter().flatten() {
            let set = sets.entry(consumption.counter_set.clone()).or_default();
            for (name, counter) in &consumption.counters {
                if let Some(amount) = amounts::read(&counter.value) {
                    set.entry(name.clone())
                        .and_modify(|sum| sum.add(&amount))
                        .or_insert(amount);
                }
            }
        }
        sets
    }

    fn search<T>(
        &self,
        state: &AllocatedState,
        prepared: Option<&Prepared<'_>>,
        plan: &Claims<'_>,
        node: &Node,
        budget: Budget,
        ask: impl FnOnce(&mut Search<'_>) -> Result<T, AllocateError>,
    ) -> Result<T, AllocateError> {
        let node = NodeFacts::of(node);
        let view =
            (self.views.get(&self.inventory, self.features, node)).map_err(AllocateError::Fatal)?;
        let translated: Vec<PoolUse<'_>>;
        let uses: Vec<&PoolUse<'_>> = match prepared {
            Some(prepared) => view
                .pools
                .iter()
                .filter_map(|pool| prepared.pool(pool.pool))
                .collect(),
            None => {
                translated = (view.pools.iter())
                    .map(|pool| PoolUse::new(&self.inventory, state, pool.pool))
                    .collect();
                translated.iter().collect()
            }
        };
        let view: &View = &view;
        ask(&mut Search::new(
            self, view, plan, &uses, state, node, budget,
        ))
    }
}

impl Budget {
    /// As many steps as it takes; only for questions whose cost is bounded.
    const UNLIMITED: Self = Self {
        steps: u64::MAX,
        deadline: None,
    };
}

#[cfg(test)]
mod tests;
