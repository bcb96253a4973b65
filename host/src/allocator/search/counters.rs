//! Shared counters: what is left of each while devices are tried.

use std::collections::HashMap;

use super::Search;
use crate::allocator::amounts::{Nanos, nanos};
use crate::allocator::view::ViewPool;

/// What is left of the view's counters; filled when a device first draws from one.
#[derive(Default)]
pub(in crate::allocator) struct Counters {
    ready: bool,
    pub(in crate::allocator) left: Vec<Nanos>,
    /// View pools in which some device in use draws amounts that nobody knows any more.
    pub(in crate::allocator) unknown: Vec<bool>,
}

impl Search<'_> {
    /// Computes what the state leaves of the counters.
    pub(in crate::allocator) fn ready_counters(&mut self) {
        if self.counters.ready {
            return;
        }
        self.counters.ready = true;
        self.counters.left = self
            .view
            .counters
            .iter()
            .map(|counter| counter.total)
            .collect();
        self.counters.unknown = vec![false; self.view.pools.len()];
        for (index, pool) in self.view.pools.iter().enumerate() {
            if !pool.counters.is_empty() && self.uses[index].any {
                self.subtract_used(index, pool);
            }
        }
    }

    /// Subtracts what devices in use draw: as recorded when they were allocated, else as published
    /// now, else as an older generation published it. A device that is in use but published nowhere
    /// draws an unknown amount; nothing more is given out of its pool's counters then, since any of
    /// them may be spent.
    fn subtract_used(&mut self, index: usize, pool: &ViewPool) {
        let (used, inventory) = (self.uses[index], &self.allocator.inventory);
        let owner = inventory.pool(pool.pool);
        let recorded = |name: &str| {
            (self.state.counters.iter())
                .find(|(id, _)| {
                    *id.driver == *owner.driver && *id.pool == *owner.name && *id.device == *name
                })
                .map(|(_, sets)| sets)
        };
        let by_name: HashMap<(&str, &str), u32> = pool
            .counters
            .clone()
            .map(|counter| {
                let names = &self.view.counters[counter as usize];
                ((names.set.as_str(), names.name.as_str()), counter)
            })
            .collect();
        let mut names: HashMap<&str, Vec<(u32, Nanos)>> = HashMap::new();
        let mut old: HashMap<&str, (i64, u32)> = HashMap::new();
        for device in owner.devices.clone() {
            if !used.holds(device - owner.devices.start) {
                continue;
            }
            let name = inventory.device(device).name.as_str();
            let slice = inventory.published(device).slice;
            if !pool.slices.contains(&slice) {
                let generation = inventory.slice(slice).object.spec.pool.generation;
                let newest = old.entry(name).or_insert((generation, device));
                if generation > newest.0 {
                    *newest = (generation, device);
                }
                continue;
            }
            let draws = self.view.draws_by_name(pool, inventory.device(device));
            let all = draws.into_iter().map(|draw| (draw.counter, draw.amount));
            names.entry(name).or_default().extend(all);
        }
        for (name, (_, device)) in old {
            names.entry(name).or_insert_with(|| {
                let draws = self.view.draws_by_name(pool, inventory.device(device));
                draws
                    .into_iter()
                    .map(|draw| (draw.counter, draw.amount))
                    .collect()
            });
        }
        let mut unknown = false;
        for name in &used.unpublished {
            if recorded(name).is_some() {
                names.entry(name).or_default();
            } else {
                unknown = true;
            }
        }
        if !self.state.counters.is_empty() {
            for (name, draws) in &mut names {
                let Some(sets) = recorded(name) else {
                    continue;
                };
                *draws = (sets.iter())
                    .flat_map(|(set, counters)| {
                        counters
                            .iter()
                            .map(move |(name, amount)| (set, name, amount))
                    })
                    .filter_map(|(set, name, amount)| {
                        Some((*by_name.get(&(set.as_str(), name.as_str()))?, nanos(amount)))
                    })
                    .collect();
            }
        }
        for (counter, amount) in names.into_values().flatten() {
            self.counters.left[counter as usize] -= amount;
        }
        self.counters.unknown[index] = unknown;
    }

    /// Draws what a device needs, or nothing if a counter it draws from has too little. Counters
    /// that it does not draw from are none of its business, overdrawn or not.
    pub(super) fn draw(&mut self, position: u32) -> bool {
        self.ready_counters();
        if self.counters.unknown[self.view.pool_of[position as usize] as usize] {
            return false;
        }
        let draws = self.view.draws(position);
        for (drawn, draw) in draws.iter().enumerate() {
            let left = &mut self.counters.left[draw.counter as usize];
            *left -= draw.amount;
            if *left < 0 {
                for draw in &draws[..=drawn] {
                    self.counters.left[draw.counter as usize] += draw.amount;
                }
                return false;
            }
        }
        true
    }

    /// Whether each counter has enough left for the device alone.
    pub(in crate::allocator) fn could_draw(&self, position: u32) -> bool {
        !self.counters.unknown[self.view.pool_of[position as usize] as usize]
            && (self.view.draws(position).iter())
                .all(|draw| draw.amount <= self.counters.left[draw.counter as usize])
    }

    pub(super) fn undraw(&mut self, position: u32) {
        for draw in self.view.draws(position) {
            self.counters.left[draw.counter as usize] += draw.amount;
        }
    }
}
