//! What of a node can be shown to a policy: published devices, what is in use, what counters have
//! left.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{Device, DeviceAttribute, DeviceCapacity, DeviceClass};

use super::plan::Claims;
use super::{AllocateError, AllocatedState, Allocator, Budget, DeviceIndex};

/// A published device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceView<'a> {
    /// The driver that publishes it.
    pub driver: &'a str,
    /// A number for its pool; equal for devices of one pool of one driver.
    pub pool_index: u32,
    /// The device itself.
    pub device: &'a Device,
}

impl<'a> DeviceView<'a> {
    /// An attribute by its name: `domain/name`, or `name` in the driver's own domain.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a DeviceAttribute> {
        let attributes = self.device.attributes.as_ref()?;
        qualified(self.driver, name, |name| attributes.get(name))
    }

    /// A capacity by its name, likewise, and the name it is published under.
    #[must_use]
    pub fn capacity(&self, name: &str) -> Option<(&'a str, &'a DeviceCapacity)> {
        let capacity = self.device.capacity.as_ref()?;
        qualified(self.driver, name, |name| capacity.get_key_value(name))
            .map(|(name, capacity)| (name.as_str(), capacity))
    }
}

/// Finds a qualified name as published: a driver may leave out the domain when it is its own.
pub(crate) fn qualified<T>(driver: &str, name: &str, get: impl Fn(&str) -> Option<T>) -> Option<T> {
    get(name).or_else(|| match name.split_once('/') {
        Some((domain, bare)) => get(bare).filter(|_| domain == driver),
        None => get(&format!("{driver}/{name}")),
    })
}

/// One shared counter as a node sees it, in billionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterLeft {
    /// The number of its pool, as in [`DeviceView::pool_index`].
    pub pool_index: u32,
    /// Its counter set.
    pub set: String,
    /// Its name in the set.
    pub name: String,
    /// What there is in all.
    pub total: i128,
    /// What devices in use leave of it; negative when it is overdrawn.
    pub left: i128,
}

impl Allocator {
    /// The published device behind a number.
    #[must_use]
    pub fn view(&self, device: DeviceIndex) -> Option<DeviceView<'_>> {
        let published = self.inventory.devices.get(device.0 as usize)?;
        let slice = self.inventory.slice(published.slice);
        Some(DeviceView {
            driver: &slice.object.spec.driver,
            pool_index: slice.pool,
            device: self.inventory.device(device.0),
        })
    }

    /// The class of a name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&DeviceClass> {
        self.classes.get(name).map(AsRef::as_ref)
    }

    /// The devices of a node that are in use, in upstream's order.
    ///
    /// # Errors
    /// A slice's node selector is malformed.
    pub fn in_use_on(
        &self,
        state: &AllocatedState,
        node: &Node,
    ) -> Result<Vec<DeviceIndex>, AllocateError> {
        let none = Claims::new(self, &[]);
        self.search(state, None, &none, node, Budget::UNLIMITED, |search| {
            let mut found = Vec::new();
            for (pool, used) in search.view.pools.iter().zip(search.uses) {
                let first = self.inventory.pool(pool.pool).devices.start;
                let positions = pool.positions.start as usize..pool.positions.end as usize;
                let devices = search.view.devices.get(positions).unwrap_or_default();
                found.extend(
                    devices
                        .iter()
                        .filter(|&&d| used.holds(d - first))
                        .map(|&d| DeviceIndex(d)),
                );
            }
            Ok(found)
        })
    }

    /// The shared counters that a node sees, pool by pool.
    ///
    /// # Errors
    /// A slice's node selector is malformed.
    pub fn counters_on(
        &self,
        state: &AllocatedState,
        node: &Node,
    ) -> Result<Vec<CounterLeft>, AllocateError> {
        let none = Claims::new(self, &[]);
        self.search(state, None, &none, node, Budget::UNLIMITED, |search| {
            search.ready_counters();
            let mut found = Vec::new();
            for (index, pool) in search.view.pools.iter().enumerate() {
                let unknown = search.counters.unknown.get(index).copied().unwrap_or(false);
                let range = pool.counters.start as usize..pool.counters.end as usize;
                let counters = search.view.counters.get(range.clone()).unwrap_or_default();
                let left = search.counters.left.get(range).unwrap_or_default();
                for (counter, left) in counters.iter().zip(left) {
                    found.push(CounterLeft {
                        pool_index: pool.pool,
                        set: counter.set.clone(),
                        name: counter.name.clone(),
                        total: counter.total,
                        left: if unknown { 0 } else { *left },
                    });
                }
            }
            Ok(found)
        })
    }
}
