//! What is in use, in the inventory's numbers.
//!
//! The state names devices; a search wants bits. A pool's part of the state is translated when a
//! node first sees the pool, and a [`Prepared`](super::Prepared) state keeps it for all nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bits::Bits;
use super::inventory::Inventory;
use super::{AllocatedState, DeviceId};
use crate::quantity::Quantity;

/// What is in use of one pool; devices by their place in the pool's range.
#[derive(Debug)]
pub(super) struct PoolUse<'a> {
    /// Allocated as a whole.
    pub(super) whole: Bits,
    /// Allocated in shares, or with capacity consumed.
    pub(super) shared: Bits,
    /// Whether any bit is set.
    pub(super) any: bool,
    pub(super) capacity: Vec<(u32, &'a BTreeMap<String, Quantity>)>,
    /// Names of devices in use that no slice of the pool publishes.
    pub(super) unpublished: Vec<Arc<str>>,
}

impl<'a> PoolUse<'a> {
    pub(super) fn new(inventory: &Inventory, state: &'a AllocatedState, pool: u32) -> Self {
        let owner = inventory.pool(pool);
        let len = owner.devices.len();
        let mut used = Self {
            whole: Bits::new(len),
            shared: Bits::new(len),
            any: false,
            capacity: Vec::new(),
            unpublished: Vec::new(),
        };
        if state.devices.is_empty() && state.shared.is_empty() && state.capacity.is_empty() {
            return used;
        }
        let from = DeviceId {
            driver: owner.driver.clone(),
            pool: owner.name.clone(),
            device: Arc::from(""),
        };
        let here = |id: &DeviceId| id.driver == from.driver && id.pool == from.pool;
        let mut cursor = Cursor::new(inventory, pool);
        for id in state.devices.range(&from..).take_while(|id| here(id)) {
            used.any = true;
            if !cursor.find(&id.device, |place| used.whole.set(place)) {
                used.unpublished.push(id.device.clone());
            }
        }
        if state.shared.is_empty() && state.capacity.is_empty() {
            return used;
        }
        let mut cursor = Cursor::new(inventory, pool);
        let first_share = (from.clone(), Arc::from(""));
        let shares: BTreeSet<&DeviceId> = state
            .shared
            .range(&first_share..)
            .map(|(id, _)| id)
            .take_while(|id| here(id))
            .collect();
        for id in shares {
            used.any = true;
            if !cursor.find(&id.device, |place| used.shared.set(place)) {
                used.unpublished.push(id.device.clone());
            }
        }
        let mut cursor = Cursor::new(inventory, pool);
        for (id, amounts) in state.capacity.range(&from..).take_while(|(id, _)| here(id)) {
            used.any = true;
            let capacity = &mut used.capacity;
            let shared = &mut used.shared;
            if !cursor.find(&id.device, |place| {
                shared.set(place);
                capacity.push((place, amounts));
            }) {
                used.unpublished.push(id.device.clone());
            }
        }
        used
    }

    /// What is consumed of a device's capacity.
    pub(super) fn consumed(&self, place: u32) -> Option<&'a BTreeMap<String, Quantity>> {
        if self.capacity.is_empty() || !self.shared.get(place) {
            return None;
        }
        let found = self.capacity.iter().find(|(other, _)| *other == place);
        found.map(|(_, amounts)| *amounts)
    }

    /// Whether a device is in use in any way.
    #[inline]
    pub(super) fn holds(&self, place: u32) -> bool {
        self.any && (self.whole.get(place) || self.shared.get(place))
    }
}

/// Walks a pool's devices by name beside names that come sorted.
struct Cursor<'a> {
    inventory: &'a Inventory,
    rest: &'a [u32],
    first: u32,
}

impl<'a> Cursor<'a> {
    fn new(inventory: &'a Inventory, pool: u32) -> Self {
        Self {
            inventory,
            rest: inventory.by_name(pool),
            first: inventory.pool(pool).devices.start,
        }
    }

    /// Calls `found` with the place of each device of this name: old generations may repeat it.
    fn find(&mut self, name: &str, mut found: impl FnMut(u32)) -> bool {
        while let Some((device, rest)) = self.rest.split_first() {
            if self.inventory.device(*device).name.as_str() >= name {
                break;
            }
            self.rest = rest;
        }
        let mut any = false;
        for device in self.rest {
            if self.inventory.device(*device).name != name {
                break;
            }
            found(device - self.first);
            any = true;
        }
        any
    }
}
