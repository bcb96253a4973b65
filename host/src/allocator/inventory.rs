//! What drivers publish, laid out once so that a search follows numbers instead of names.
//!
//! Devices are numbered pool by pool (sorted by driver and name), slice by slice (by name), in the
//! order of the slice: upstream's order of candidates, so comparing numbers compares places. All
//! devices of a pool are one range, whatever the generation of their slice.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use k8s_openapi::api::resource::v1::{Device, ResourceSlice};

use super::Features;
use super::nodes::Reach;

/// All slices, indexed.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) slices: Vec<Slice>,
    pub(super) devices: Vec<Published>,
    pub(super) pools: Vec<Pool>,
    /// Slices by the node that they name, in input order.
    pub(super) on_node: HashMap<String, Vec<u32>>,
    /// Slices that name no node, in input order.
    pub(super) shared: Vec<u32>,
}

/// One slice.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) object: Arc<ResourceSlice>,
    pub(super) pool: u32,
    /// Its devices, of all devices.
    pub(super) devices: Range<u32>,
    /// Where the slice reaches; `None` if each device says so itself.
    pub(super) reach: Option<Reach>,
    /// Not understood with the gates that are on: as if it were not there.
    pub(super) ignored: bool,
    /// Not understood, and so not even counted: uses compatibility groups.
    pub(super) uncounted: bool,
}

/// One device.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) slice: u32,
    pub(super) offset: u32,
    /// Where the device reaches, if its slice leaves that to it.
    pub(super) reach: Option<Box<Reach>>,
}

/// All slices of a driver's pool.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) driver: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) slices: Range<u32>,
    pub(super) devices: Range<u32>,
    by_name: OnceLock<Vec<u32>>,
}

impl Pool {
    /// `driver/pool`, as error texts name it.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.driver, self.name)
    }
}

impl Inventory {
    pub(super) fn new(
        features: Features,
        objects: impl Iterator<Item = Arc<ResourceSlice>>,
    ) -> Self {
        let mut sorted: Vec<(usize, Arc<ResourceSlice>)> = objects.enumerate().collect();
        sorted.sort_by(|(_, a), (_, b)| {
            (a.spec.driver.cmp(&b.spec.driver))
                .then_with(|| a.spec.pool.name.cmp(&b.spec.pool.name))
                .then_with(|| a.metadata.name.cmp(&b.metadata.name))
        });
        let mut inventory = Self {
            slices: Vec::with_capacity(sorted.len()),
            devices: Vec::new(),
            pools: Vec::new(),
            on_node: HashMap::new(),
            shared: Vec::new(),
        };
        let mut order = vec![0u32; sorted.len()];
        for (input, object) in sorted {
            let index = inventory.slices.len() as u32;
            if let Some(place) = order.get_mut(input) {
                *place = index;
            }
            inventory.add(features, object);
        }
        for index in order {
            let Some(slice) = inventory.slices.get(index as usize) else {
                continue;
            };
            match slice.object.spec.node_name.as_deref() {
                None | Some("") => inventory.shared.push(index),
                Some(node) => match inventory.on_node.get_mut(node) {
                    Some(slices) => slices.push(index),
                    None => {
                        inventory.on_node.insert(node.to_owned(), vec![index]);
                    }
                },
            }
        }
        inventory
    }

    fn add(&mut self, features: Features, object: Arc<ResourceSlice>) {
        let spec = &object.spec;
        let index = self.slices.len() as u32;
        let first = self.devices.len() as u32;
        let devices = spec.devices.as_deref().unwrap_or_default();
        let counters = spec
            .shared_counters
            .as_ref()
            .is_some_and(|sets| !sets.is_empty());
        let reach = match Reach::new(
            spec.node_name.as_deref(),
            spec.all_nodes,
            spec.node_selector.as_ref(),
        ) {
            Reach::Nowhere if spec.per_device_node_selection == Some(true) => None,
            reach => Some(reach),
        };
        let per_device = spec.per_device_node_selection == Some(true);
        // Devices beside shared counters belong to no slice: upstream never looks at them.
        let last = if counters && features.partitionable_devices {
            first
        } else {
            self.devices.extend(
                devices
                    .iter()
                    .enumerate()
                    .map(|(offset, device)| Published {
                        slice: index,
                        offset: offset as u32,
                        reach: per_device.then(|| {
                            Box::new(Reach::new(
                                device.node_name.as_deref(),
                                device.all_nodes,
                                device.node_selector.as_ref(),
                            ))
                        }),
                    }),
            );
            self.devices.len() as u32
        };
        match self.pools.last_mut() {
            Some(pool) if *pool.driver == *spec.driver && *pool.name == *spec.pool.name => {
                pool.slices.end = index + 1;
                pool.devices.end = last;
            }
            _ => self.pools.push(Pool {
                driver: match self.pools.last() {
                    Some(pool) if *pool.driver == *spec.driver => pool.driver.clone(),
                    _ => spec.driver.as_str().into(),
                },
                name: spec.pool.name.as_str().into(),
                slices: index..index + 1,
                devices: first..last,
                by_name: OnceLock::new(),
            }),
        }
        let uncounted = devices.iter().any(|device| {
            device
                .consumes_counters
                .iter()
                .flatten()
                .any(|consumption| {
                    consumption
                        .compatibility_groups
                        .as_ref()
                        .is_some_and(|groups| !groups.is_empty())
                })
        });
        self.slices.push(Slice {
            pool: self.pools.len() as u32 - 1,
            devices: first..last,
            reach,
            ignored: uncounted
                || !features.partitionable_devices
                    && (spec.per_device_node_selection.is_some() || counters),
            uncounted,
            object,
        });
    }

    /// The slice of a number that the inventory gave out.
    #[expect(
        clippy::indexing_slicing,
        reason = "slice numbers come from this inventory"
    )]
    pub(super) fn slice(&self, slice: u32) -> &Slice {
        &self.slices[slice as usize]
    }

    /// The pool of a number that the inventory gave out.
    #[expect(
        clippy::indexing_slicing,
        reason = "pool numbers come from this inventory"
    )]
    pub(super) fn pool(&self, pool: u32) -> &Pool {
        &self.pools[pool as usize]
    }

    /// The device of a number that the inventory gave out.
    #[expect(
        clippy::indexing_slicing,
        reason = "device numbers come from this inventory"
    )]
    pub(super) fn published(&self, device: u32) -> &Published {
        &self.devices[device as usize]
    }

    /// The published object of a device.
    #[expect(
        clippy::indexing_slicing,
        reason = "a device's offset was counted from its slice"
    )]
    pub(super) fn device(&self, device: u32) -> &Device {
        let published = self.published(device);
        let devices = &self.slice(published.slice).object.spec.devices;
        &devices.as_deref().unwrap_or_default()[published.offset as usize]
    }

    /// A pool's devices sorted by name.
    pub(super) fn by_name(&self, pool: u32) -> &[u32] {
        let pool = self.pool(pool);
        pool.by_name.get_or_init(|| {
            let mut devices: Vec<u32> = pool.devices.clone().collect();
            devices.sort_by(|a, b| self.device(*a).name.cmp(&self.device(*b).name));
            devices
        })
    }

    /// `driver/pool/device`, as error texts name it.
    pub(super) fn id(&self, device: u32) -> String {
        let pool = self.pool(self.slice(self.published(device).slice).pool);
        format!("{}/{}/{}", pool.driver, pool.name, self.device(device).name)
    }
}
