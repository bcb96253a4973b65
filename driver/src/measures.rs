//! How good a placement is, counted the same way for every contender.
//!
//! A group is what belongs together: a device that is handed out in parts, the devices with one value
//! of the attribute that speaks of locality, or where nothing does, the devices of one pool. Free
//! devices in a group that is partly taken are *stranded*: whoever needs a whole group cannot use them.
//! The share of free devices that are stranded is the *fragmentation*.

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::DeviceId;

use crate::claims::{device_id, results};
use crate::inventory::Inventory;
use crate::render::topology::{Group, Holder, Node, Slot};
use crate::topology::{Holders, Topology, topology};

/// What is counted of all devices at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Devices {
    /// In use. Of a device handed out in parts each part counts.
    pub used: usize,
    /// Free, and fit to be used.
    pub free: usize,
    /// Free in a group that is partly taken.
    pub stranded: usize,
}

impl Devices {
    /// The share of the free devices that are stranded, 0 to 1.
    pub fn fragmentation(self) -> f64 {
        if self.free == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of devices")]
        {
            self.stranded as f64 / self.free as f64
        }
    }
}

/// The groups of every node; never without any where there are devices.
pub fn grouped(inventory: &Inventory<'_>, locality: Option<&str>, holders: &Holders) -> Topology {
    let by_attribute = topology(inventory, locality, holders);
    if !by_attribute.nodes.is_empty() {
        return by_attribute;
    }
    let mut by_pool = Topology::default();
    for (number, (driver, name, pool)) in inventory.pools().enumerate() {
        let id = |device: &str| DeviceId {
            driver: driver.into(),
            pool: name.into(),
            device: device.into(),
        };
        let slots = pool.devices.iter().map(|device| {
            let id = id(&device.name);
            let holder = holders.get(&id).copied().unwrap_or(Holder::Free);
            by_pool.group_of.insert(id, number);
            Slot { holder, cells: 1 }
        });
        let group = Group {
            title: driver.to_owned(),
            slots: slots.collect(),
            partitioned: false,
        };
        let node = pool.node.unwrap_or(name);
        match by_pool.nodes.iter_mut().find(|known| known.name == node) {
            Some(known) => known.groups.push(group),
            None => by_pool.nodes.push(Node {
                name: node.to_owned(),
                groups: vec![group],
            }),
        }
    }
    by_pool
}

/// Counts the devices of a topology.
pub fn devices(topology: &Topology) -> Devices {
    let mut counted = Devices::default();
    for group in topology.nodes.iter().flat_map(|node| &node.groups) {
        let cells = |wanted: fn(Holder) -> bool| -> usize {
            let slots = group.slots.iter().filter(|slot| wanted(slot.holder));
            slots.map(|slot| slot.cells).sum()
        };
        let free = cells(|holder| holder == Holder::Free);
        let used = cells(|holder| matches!(holder, Holder::Before | Holder::Workload(_)));
        counted.free += free;
        counted.used += used;
        if used > 0 {
            counted.stranded += free;
        }
    }
    counted
}

/// Whether the devices of a claim are all of one group; none where it has fewer than two.
pub fn is_local(claim: &ResourceClaim, topology: &Topology) -> Option<bool> {
    let groups: Vec<_> = results(claim)
        .filter(|result| result.admin_access != Some(true))
        .map(|result| topology.group_of.get(&device_id(result)))
        .collect();
    let (first, rest) = groups.split_first()?;
    (!rest.is_empty()).then(|| first.is_some() && rest.iter().all(|group| group == first))
}
