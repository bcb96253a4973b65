//! A device of the question.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Counter, Situation};
use crate::attribute::{Attribute, Capacity, Key, Kind, Name, sealed::Read, text};
use crate::quantity::Quantity;
use crate::table::{cell, column};

/// A device that may be chosen, or that is in use. Equal to itself and ordered by position.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// const INDEX: Attribute<i64> = Attribute::int("gpu.nvidia.com", "index");
/// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
///
/// fn first_big<'a>(request: Request<'a>) -> Option<Device<'a>> {
///     let big = Quantity::new(80 << 30);
///     let large = |device: &Device<'_>| device.capacity(MEMORY).is_some_and(|m| m >= big);
///     request.devices().filter(large).min_by_key(|device| device.get(INDEX))
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Device<'a> {
    situation: Situation<'a>,
    position: u32,
}

impl<'a> Device<'a> {
    pub(crate) fn at(situation: Situation<'a>, position: u32) -> Self {
        Self {
            situation,
            position,
        }
    }

    /// Its position in the question.
    ///
    /// ```
    /// # use supercargo_guest::Device;
    /// fn order(devices: &mut [Device<'_>]) {
    ///     devices.sort_by_key(|device| device.position());
    /// }
    /// ```
    #[must_use]
    pub fn position(self) -> u32 {
        self.position
    }

    /// The driver that publishes it.
    ///
    /// ```
    /// # use supercargo_guest::Device;
    /// fn is_gpu(device: Device<'_>) -> bool {
    ///     device.driver() == "gpu.nvidia.com"
    /// }
    /// ```
    #[must_use]
    pub fn driver(self) -> &'a str {
        let raw = self.situation.raw;
        let driver = self.pool().and_then(|pool| raw.pools.get(pool as usize));
        driver
            .and_then(|pool| text(&raw.strings, pool.driver))
            .unwrap_or_default()
    }

    fn pool(self) -> Option<u32> {
        self.situation
            .raw
            .devices
            .pools
            .get(self.position as usize)
            .copied()
    }

    /// Whether both are of one pool, so that they can share counters.
    ///
    /// ```
    /// # use supercargo_guest::Device;
    /// fn may_share_counters(a: Device<'_>, b: Device<'_>) -> bool {
    ///     a.same_pool(b)
    /// }
    /// ```
    #[must_use]
    pub fn same_pool(self, other: Device<'_>) -> bool {
        self.pool() == other.pool()
    }

    /// The value of a declared attribute; none where the device lacks it or has it of another kind.
    ///
    /// # Panics
    /// For an attribute that is not listed in [`Policy::ATTRIBUTES`](crate::Policy::ATTRIBUTES).
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, Device};
    /// const INDEX: Attribute<i64> = Attribute::int("gpu.nvidia.com", "index");
    /// fn is_even(device: Device<'_>) -> bool {
    ///     device.get(INDEX).is_some_and(|index| index % 2 == 0)
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn get<K: Kind + ?Sized>(self, attribute: Attribute<K>) -> Option<<K as Read>::Value<'a>> {
        let raw = self.situation.raw;
        let columns = self.situation.attributes;
        let column = column(columns, attribute.name(), "ATTRIBUTES");
        let value = cell(
            &raw.devices.attributes,
            columns.len(),
            self.position,
            column,
        )?;
        K::read(value, &raw.strings)
    }

    /// What to compare devices by: the value of a declared attribute whatever its kind; none where
    /// the device lacks it, and for lists of more or less than one.
    ///
    /// # Panics
    /// As [`Device::get`].
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, Device};
    /// const GROUP: Attribute<str> = Attribute::string("supercargo.dev", "nvlinkGroup");
    /// fn linked(a: Device<'_>, b: Device<'_>) -> bool {
    ///     a.key(GROUP).is_some() && a.key(GROUP) == b.key(GROUP)
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn key(self, attribute: impl Into<Name>) -> Option<Key> {
        let raw = self.situation.raw;
        let columns = self.situation.attributes;
        let column = column(columns, attribute.into(), "ATTRIBUTES");
        Key::of(cell(
            &raw.devices.attributes,
            columns.len(),
            self.position,
            column,
        )?)
    }

    /// A declared capacity in all; none where the device has no such capacity.
    ///
    /// # Panics
    /// For a capacity that is not listed in [`Policy::CAPACITIES`](crate::Policy::CAPACITIES).
    ///
    /// ```
    /// # use supercargo_guest::{Capacity, Device, Quantity};
    /// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
    /// fn memory(device: Device<'_>) -> Quantity {
    ///     device.capacity(MEMORY).unwrap_or_default()
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn capacity(self, capacity: Capacity) -> Option<Quantity> {
        let columns = self.situation.capacities;
        let column = column(columns, capacity.name(), "CAPACITIES");
        let table = &self.situation.raw.devices.capacities;
        cell(table, columns.len(), self.position, column)?.map(Into::into)
    }

    /// What other claims have taken of a declared capacity of a shared device, with
    /// [`Context::CONSUMED_CAPACITY`](crate::Context::CONSUMED_CAPACITY).
    ///
    /// # Panics
    /// As [`Device::capacity`].
    ///
    /// ```
    /// # use supercargo_guest::{Capacity, Device, Quantity};
    /// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
    /// fn free(device: Device<'_>) -> Option<Quantity> {
    ///     device.capacity(MEMORY)?.checked_sub(device.consumed(MEMORY))
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn consumed(self, capacity: Capacity) -> Quantity {
        let columns = self.situation.capacities;
        let column = column(columns, capacity.name(), "CAPACITIES");
        let table = &self.situation.raw.devices.consumed;
        cell(table, columns.len(), self.position, column).map_or(Quantity::ZERO, |q| (*q).into())
    }

    /// What it draws from counters when allocated, with
    /// [`Context::COUNTERS`](crate::Context::COUNTERS).
    ///
    /// ```
    /// # use supercargo_guest::Device;
    /// fn fits(device: Device<'_>) -> bool {
    ///     device.uses().all(|(counter, amount)| amount <= counter.left())
    /// }
    /// ```
    pub fn uses(self) -> impl Iterator<Item = (Counter<'a>, Quantity)> {
        let situation = self.situation;
        let all = &situation.raw.consumption;
        let start = all.partition_point(|entry| entry.device < self.position);
        let own = all.get(start..).unwrap_or_default();
        own.iter()
            .take_while(move |entry| entry.device == self.position)
            .filter_map(move |entry| {
                let raw = situation.raw.counters.get(entry.counter as usize)?;
                let counter = Counter::new(situation, entry.counter, raw);
                Some((counter, Quantity::from(entry.amount)))
            })
    }
}

impl PartialEq for Device<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

impl Eq for Device<'_> {}

impl PartialOrd for Device<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Device<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.position.cmp(&other.position)
    }
}

impl Hash for Device<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.position.hash(state);
    }
}

impl fmt::Debug for Device<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.position)
    }
}
