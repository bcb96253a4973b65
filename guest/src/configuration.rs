//! What `validate`, `prepare` and `unprepare` are asked and answer.
//!
//! Questions are views with typed attributes; answers are the records of the WIT as they are, since
//! a plan is data and nothing is gained by wrapping it.

use crate::attribute::{Attribute, Capacity, Key, Kind, Name, sealed::Read, text};
use crate::bindings::exports::supercargo::policy::configuration as raw;
use crate::parameters::Parameters;
use crate::quantity::Quantity;
use crate::table::{cell, column};

pub use crate::bindings::exports::supercargo::policy::configuration::{
    Access, Action, ActivateFabricPartition, BindPciDriver, CandidateParameters, ComputeMode,
    ContainerEdits, ContainerHook, CreateComputeInstance, CreateGpuInstance, DestroyGpuInstance,
    DeviceNode, DeviceStatus, HookStage, Mount, NetworkInterface, NodeKind, OpenImexChannel,
    Placement, Plan, PropertyValue, SetComputeMode, SetMigMode, SetProperty, SetTimeSlice,
    StartDaemon, StopDaemon, TimeSlice, Variable, Violation, WriteSysfs,
};

/// A plan that does nothing, to begin with.
///
/// ```
/// assert!(supercargo_guest::configuration::nothing().actions.is_empty());
/// ```
#[must_use]
pub fn nothing() -> Plan {
    Plan {
        actions: Vec::new(),
        edits: Vec::new(),
        statuses: Vec::new(),
    }
}

/// Edits that change nothing in all containers that use the claim, to begin with.
///
/// ```
/// use supercargo_guest::configuration::{ContainerEdits, no_edits};
/// let edits = ContainerEdits { additional_groups: vec![44], ..no_edits() };
/// ```
#[must_use]
pub fn no_edits() -> ContainerEdits {
    ContainerEdits {
        device: None,
        environment: Vec::new(),
        device_nodes: Vec::new(),
        mounts: Vec::new(),
        hooks: Vec::new(),
        network_interfaces: Vec::new(),
        additional_groups: Vec::new(),
        made_by: Vec::new(),
    }
}

/// A claim and the devices it got on this node.
///
/// ```
/// use supercargo_guest::configuration::AllocatedClaim;
/// fn names<'a>(claim: AllocatedClaim<'a>) -> Vec<&'a str> {
///     claim.devices().map(|device| device.name()).collect()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AllocatedClaim<'a> {
    raw: &'a raw::AllocatedClaim,
    attributes: &'static [Name],
    capacities: &'static [Name],
}

impl<'a> AllocatedClaim<'a> {
    pub(crate) fn new(
        raw: &'a raw::AllocatedClaim,
        attributes: &'static [Name],
        capacities: &'static [Name],
    ) -> Self {
        Self {
            raw,
            attributes,
            capacities,
        }
    }

    /// The claim's UID, which names everything that is made for it.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedClaim;
    /// fn directory(claim: AllocatedClaim<'_>) -> String {
    ///     format!("/run/example/{}", claim.uid())
    /// }
    /// ```
    #[must_use]
    pub fn uid(self) -> &'a str {
        &self.raw.uid
    }

    /// The devices, in the order of the allocation's results.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedClaim;
    /// fn shared(claim: AllocatedClaim<'_>) -> bool {
    ///     claim.devices().any(|device| device.share().is_some())
    /// }
    /// ```
    pub fn devices(self) -> impl Iterator<Item = AllocatedDevice<'a>> {
        (0..)
            .zip(&self.raw.devices)
            .map(move |(position, raw)| AllocatedDevice {
                claim: self,
                position,
                raw,
            })
    }

    /// The parameters for the drivers of this policy, in order of rising precedence.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedClaim;
    /// fn last(claim: AllocatedClaim<'_>) -> Option<&str> {
    ///     claim.parameters().last().map(|parameters| parameters.json())
    /// }
    /// ```
    pub fn parameters(self) -> impl Iterator<Item = Parameters<'a>> {
        self.raw.parameters.iter().map(Parameters::new)
    }

    /// The record itself, for what has no method here: the names of claim, namespace and node.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedClaim;
    /// fn node(claim: AllocatedClaim<'_>) -> Option<&str> {
    ///     claim.record().node.as_deref()
    /// }
    /// ```
    #[must_use]
    pub fn record(self) -> &'a raw::AllocatedClaim {
        self.raw
    }
}

/// One device that a claim got.
///
/// ```
/// use supercargo_guest::Attribute;
/// use supercargo_guest::configuration::AllocatedDevice;
/// const UUID: Attribute<str> = Attribute::string("gpu.nvidia.com", "uuid");
/// fn uuid<'a>(device: AllocatedDevice<'a>) -> Option<&'a str> {
///     device.get(UUID)
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AllocatedDevice<'a> {
    claim: AllocatedClaim<'a>,
    position: u32,
    raw: &'a raw::AllocatedDevice,
}

impl<'a> AllocatedDevice<'a> {
    /// Its position, by which a plan names it.
    ///
    /// ```
    /// # use supercargo_guest::configuration::{AllocatedDevice, ComputeMode, SetComputeMode};
    /// fn alone(device: AllocatedDevice<'_>) -> SetComputeMode {
    ///     SetComputeMode { device: device.position(), mode: ComputeMode::ExclusiveProcess }
    /// }
    /// ```
    #[must_use]
    pub fn position(self) -> u32 {
        self.position
    }

    /// The number of the request it serves; parameters refer to it.
    ///
    /// ```
    /// # use supercargo_guest::{Parameters, configuration::AllocatedDevice};
    /// fn concerns(parameters: Parameters<'_>, device: AllocatedDevice<'_>) -> bool {
    ///     parameters.requests().contains(&device.request())
    /// }
    /// ```
    #[must_use]
    pub fn request(self) -> u32 {
        self.raw.request
    }

    /// Its name in its pool.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedDevice;
    /// fn is_mig(device: AllocatedDevice<'_>) -> bool {
    ///     device.name().contains("-mig-")
    /// }
    /// ```
    #[must_use]
    pub fn name(self) -> &'a str {
        text(&self.claim.raw.strings, self.raw.name).unwrap_or_default()
    }

    /// Its pool.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedDevice;
    /// fn full_name(device: AllocatedDevice<'_>) -> String {
    ///     format!("{}/{}/{}", device.driver(), device.pool(), device.name())
    /// }
    /// ```
    #[must_use]
    pub fn pool(self) -> &'a str {
        text(&self.claim.raw.strings, self.raw.pool).unwrap_or_default()
    }

    /// Its driver.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedDevice;
    /// fn is_gpu(device: AllocatedDevice<'_>) -> bool {
    ///     device.driver() == "gpu.nvidia.com"
    /// }
    /// ```
    #[must_use]
    pub fn driver(self) -> &'a str {
        text(&self.claim.raw.strings, self.raw.driver).unwrap_or_default()
    }

    /// The share of the device, where several claims may hold it.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedDevice;
    /// fn is_shared(device: AllocatedDevice<'_>) -> bool {
    ///     device.share().is_some()
    /// }
    /// ```
    #[must_use]
    pub fn share(self) -> Option<&'a str> {
        text(&self.claim.raw.strings, self.raw.share?)
    }

    /// Whether access is administrative: others may be using the device.
    ///
    /// ```
    /// # use supercargo_guest::configuration::AllocatedDevice;
    /// fn may_be_changed(device: AllocatedDevice<'_>) -> bool {
    ///     !device.admin_access()
    /// }
    /// ```
    #[must_use]
    pub fn admin_access(self) -> bool {
        self.raw.admin_access
    }

    /// The value of a declared attribute; none where the device lacks it or has it of another kind.
    ///
    /// # Panics
    /// For an attribute that is not listed in [`Policy::ATTRIBUTES`](crate::Policy::ATTRIBUTES).
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, configuration::AllocatedDevice};
    /// const KIND: Attribute<str> = Attribute::string("gpu.nvidia.com", "type");
    /// fn is_mig(device: AllocatedDevice<'_>) -> bool {
    ///     device.get(KIND) == Some("mig")
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn get<K: Kind + ?Sized>(self, attribute: Attribute<K>) -> Option<<K as Read>::Value<'a>> {
        let columns = self.claim.attributes;
        let column = column(columns, attribute.name(), "ATTRIBUTES");
        let value = cell(
            &self.claim.raw.attributes,
            columns.len(),
            self.position,
            column,
        )?;
        K::read(value, &self.claim.raw.strings)
    }

    /// As [`Device::key`](crate::Device::key).
    ///
    /// # Panics
    /// As [`AllocatedDevice::get`].
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, configuration::AllocatedDevice};
    /// const PARENT: Attribute<str> = Attribute::string("gpu.nvidia.com", "parentUUID");
    /// fn siblings(a: AllocatedDevice<'_>, b: AllocatedDevice<'_>) -> bool {
    ///     a.key(PARENT) == b.key(PARENT)
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn key(self, attribute: impl Into<Name>) -> Option<Key> {
        let columns = self.claim.attributes;
        let column = column(columns, attribute.into(), "ATTRIBUTES");
        Key::of(cell(
            &self.claim.raw.attributes,
            columns.len(),
            self.position,
            column,
        )?)
    }

    /// A declared capacity: of a shared device what this claim got, else what the device has.
    ///
    /// # Panics
    /// For a capacity that is not listed in [`Policy::CAPACITIES`](crate::Policy::CAPACITIES).
    ///
    /// ```
    /// # use supercargo_guest::{Capacity, Quantity, configuration::AllocatedDevice};
    /// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
    /// fn memory(device: AllocatedDevice<'_>) -> Quantity {
    ///     device.capacity(MEMORY).unwrap_or_default()
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn capacity(self, capacity: Capacity) -> Option<Quantity> {
        let columns = self.claim.capacities;
        let column = column(columns, capacity.name(), "CAPACITIES");
        cell(
            &self.claim.raw.capacities,
            columns.len(),
            self.position,
            column,
        )?
        .map(Into::into)
    }
}
