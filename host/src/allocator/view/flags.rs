//! What can be said of a device once, so that most devices need no second look.

use k8s_openapi::api::resource::v1::Device;

use crate::allocator::amounts::read;
use crate::allocator::{Features, taints};

/// What about a device needs a closer look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::allocator) struct Flags(u8);

impl Flags {
    /// It has binding conditions, and the gate is off.
    pub(in crate::allocator) const BINDING: Self = Self(1);
    /// Its own node selection excludes the node.
    pub(in crate::allocator) const ELSEWHERE: Self = Self(2);
    /// Its own node selection is malformed.
    pub(in crate::allocator) const MALFORMED: Self = Self(4);
    /// It needs a gate that is off: counters, or skipped node operations.
    pub(in crate::allocator) const GATED: Self = Self(8);
    /// It has a taint that blocks unless tolerated.
    pub(in crate::allocator) const TAINTED: Self = Self(16);
    /// It has capacity with a policy, or with values that need a look.
    pub(in crate::allocator) const CAPACITY: Self = Self(32);
    /// It may be allocated several times.
    pub(in crate::allocator) const SHAREABLE: Self = Self(64);
    /// It draws from counters.
    pub(in crate::allocator) const DRAWS: Self = Self(128);

    #[inline]
    pub(in crate::allocator) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(in crate::allocator) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The flags of a published device; those that depend on its slice or the node are added later.
pub(super) fn flags(features: Features, device: &Device) -> Flags {
    let mut flags = Flags(0);
    let mut set = |flag: Flags, on: bool| {
        if on {
            flags = flags.or(flag);
        }
    };
    let conditions = device.binding_conditions.as_ref();
    set(
        Flags::BINDING,
        !features.device_binding && conditions.is_some_and(|conditions| !conditions.is_empty()),
    );
    let counters = device
        .consumes_counters
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    set(Flags::GATED, counters && !features.partitionable_devices);
    set(Flags::DRAWS, counters && features.partitionable_devices);
    set(
        Flags::TAINTED,
        features.device_taints && device.taints.iter().flatten().any(taints::blocks),
    );
    set(
        Flags::SHAREABLE,
        features.consumable_capacity && device.allow_multiple_allocations == Some(true),
    );
    set(
        Flags::CAPACITY,
        features.consumable_capacity
            && device.capacity.iter().flatten().any(|(_, capacity)| {
                capacity.request_policy.is_some()
                    || read(&capacity.value).is_none_or(|value| value.sign() < 0)
            }),
    );
    flags
}
