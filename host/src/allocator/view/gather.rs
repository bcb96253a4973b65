//! Sorting out a pool: which generation counts, whether all slices are there and consistent.

use std::collections::{HashMap, HashSet};

use super::{Counter, PoolState};
use crate::allocator::Features;
use crate::allocator::amounts::{nanos, read};
use crate::allocator::inventory::Inventory;

/// A pool's slices, sorted out.
pub(super) struct Gathered {
    pub(super) pool: u32,
    pub(super) state: PoolState,
    /// With devices for the node, by name.
    pub(super) targeting: Vec<u32>,
    /// With devices for other nodes.
    pub(super) beyond: Vec<u32>,
    pub(super) counters: Vec<Counter>,
    pub(super) binding: bool,
}

impl Gathered {
    /// `None` if a newer generation is being published, which the node does not see.
    pub(super) fn new(
        inventory: &Inventory,
        features: Features,
        pool: u32,
        mut relevant: Vec<u32>,
    ) -> Option<Self> {
        let generation = |index: u32| inventory.slice(index).object.spec.pool.generation;
        let newest = relevant.iter().map(|index| generation(*index)).max()?;
        relevant.retain(|index| generation(*index) == newest);
        let want = inventory
            .slice(*relevant.first()?)
            .object
            .spec
            .pool
            .resource_slice_count;
        let mut all = Vec::new();
        let mut gathered = Self {
            pool,
            state: PoolState::Usable,
            targeting: Vec::new(),
            beyond: Vec::new(),
            counters: Vec::new(),
            binding: false,
        };
        relevant.sort_unstable();
        if relevant.len() as i64 != want {
            let slices = inventory.pool(pool).slices.clone();
            if slices.clone().any(|index| generation(index) > newest) {
                return None;
            }
            all = slices
                .filter(|index| generation(*index) == newest && !inventory.slice(*index).uncounted)
                .collect();
            if all.len() as i64 != want {
                gathered.state = PoolState::Incomplete {
                    have: all.len(),
                    want,
                };
                return Some(gathered);
            }
        }
        let has_counters = |index: u32| {
            let sets = &inventory.slice(index).object.spec.shared_counters;
            features.partitionable_devices && sets.as_ref().is_some_and(|sets| !sets.is_empty())
        };
        let (counter_slices, targeting): (Vec<u32>, Vec<u32>) = relevant
            .iter()
            .copied()
            .partition(|index| has_counters(*index));
        all.retain(|index| relevant.binary_search(index).is_err());
        let (more_counters, beyond): (Vec<u32>, Vec<u32>) =
            all.into_iter().partition(|index| has_counters(*index));
        gathered.targeting = targeting;
        gathered.beyond = beyond;
        let check =
            gathered
                .check_names(inventory)
                .and_then(|()| match features.partitionable_devices {
                    true => gathered
                        .read_counters(inventory, counter_slices.into_iter().chain(more_counters)),
                    false => Ok(()),
                });
        if let Err(reason) = check {
            gathered.state = PoolState::Invalid(reason);
            gathered.targeting.clear();
            gathered.beyond.clear();
            gathered.counters.clear();
            return Some(gathered);
        }
        gathered.binding = gathered
            .devices(inventory, &gathered.targeting)
            .any(|device| inventory.device(device).binding_conditions.is_some());
        Some(gathered)
    }

    pub(super) fn devices<'a>(
        &self,
        inventory: &'a Inventory,
        slices: &'a [u32],
    ) -> impl Iterator<Item = u32> + 'a {
        slices
            .iter()
            .flat_map(|index| inventory.slice(*index).devices.clone())
    }

    fn check_names(&self, inventory: &Inventory) -> Result<(), String> {
        let mut names = HashSet::new();
        for device in self.devices(inventory, &self.targeting) {
            let name = &inventory.device(device).name;
            if !names.insert(name) {
                return Err(format!("duplicate device name {name}"));
            }
        }
        Ok(())
    }

    fn read_counters(
        &mut self,
        inventory: &Inventory,
        slices: impl Iterator<Item = u32>,
    ) -> Result<(), String> {
        let mut sets = HashMap::new();
        for index in slices {
            for set in inventory
                .slice(index)
                .object
                .spec
                .shared_counters
                .iter()
                .flatten()
            {
                let set_number = sets.len() as u32;
                if sets.insert(set.name.as_str(), &set.counters).is_some() {
                    return Err(format!("duplicate counter set name {}", set.name));
                }
                for (name, counter) in &set.counters {
                    let total = read(&counter.value).ok_or_else(|| {
                        format!(
                            "counter {name} in counter set {} is not a quantity: {:?}",
                            set.name, counter.value.0
                        )
                    })?;
                    self.counters.push(Counter {
                        set: set.name.clone(),
                        name: name.clone(),
                        total: nanos(&total),
                        set_number,
                    });
                }
            }
        }
        for device in self
            .devices(inventory, &self.targeting)
            .chain(self.devices(inventory, &self.beyond))
        {
            for consumption in inventory.device(device).consumes_counters.iter().flatten() {
                let name = &consumption.counter_set;
                let set = sets
                    .get(name.as_str())
                    .ok_or_else(|| format!("counter set {name} not found"))?;
                for (counter, used) in &consumption.counters {
                    if !set.contains_key(counter) {
                        return Err(format!("counter {counter} not found in counter set {name}"));
                    }
                    if read(&used.value).is_none() {
                        return Err(format!(
                            "counter {counter} in counter set {name} is not a quantity: {:?}",
                            used.value.0
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
