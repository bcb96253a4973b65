//! What a node sees of the inventory: pools, candidates in upstream's order, counters.
//!
//! The same slices give the same view, so views are kept: one for each node that has slices of its
//! own, and one for each way in which slices for several nodes can turn out to reach a node.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::resource::v1::Device;

use super::Features;
use super::amounts::{Nanos, nanos, read};
use super::inventory::Inventory;
use super::nodes::{NodeFacts, Reach};

use flags::flags;
use gather::Gathered;

mod flags;
mod gather;

pub(super) use flags::Flags;

/// Views of nodes without slices of their own that are kept.
const MOST_SHARED: usize = 256;

/// All views made so far.
#[derive(Debug)]
pub(super) struct Views {
    of_node: HashMap<String, RwLock<Option<Arc<View>>>>,
    shared: RwLock<HashMap<Vec<Judged>, Arc<View>>>,
    /// Slices without a node name whose reach depends on the node.
    judged: Vec<u32>,
}

/// Whether a slice or device without a node name reaches the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Judged {
    Yes,
    No,
    /// Its node selector is malformed.
    Error,
}

/// What one node sees.
#[derive(Debug)]
pub(super) struct View {
    judged: Vec<Judged>,
    /// In upstream's order; a position indexes `devices`.
    pub(super) pools: Vec<ViewPool>,
    /// The candidates: the devices of usable pools that target the node.
    pub(super) devices: Vec<u32>,
    pub(super) flags: Vec<Flags>,
    /// Which of `pools` a position belongs to.
    pub(super) pool_of: Vec<u32>,
    pub(super) counters: Vec<Counter>,
    draws: Vec<Draw>,
    draws_of: Vec<Range<u32>>,
}

/// One pool as a node sees it.
#[derive(Debug)]
pub(super) struct ViewPool {
    pub(super) pool: u32,
    pub(super) state: PoolState,
    pub(super) positions: Range<u32>,
    /// Its counters, of all counters of the view.
    pub(super) counters: Range<u32>,
    /// The slices that make it up.
    pub(super) slices: Vec<u32>,
}

/// Whether devices may be taken from a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolState {
    /// All of its slices are there and consistent.
    Usable,
    /// Slices are missing: it is being updated.
    Incomplete {
        /// Slices of the generation that are there.
        have: usize,
        /// Slices that the pool says it has.
        want: i64,
    },
    /// Its slices contradict each other.
    Invalid(String),
}

/// A counter of a counter set.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) set: String,
    pub(super) name: String,
    pub(super) total: Nanos,
    /// Counters with the same number belong to the same set.
    pub(super) set_number: u32,
}

/// What a device takes of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Draw {
    pub(super) counter: u32,
    pub(super) amount: Nanos,
}

impl Views {
    pub(super) fn new(inventory: &Inventory) -> Self {
        Self {
            of_node: inventory
                .on_node
                .keys()
                .map(|node| (node.clone(), RwLock::default()))
                .collect(),
            shared: RwLock::default(),
            judged: inventory
                .shared
                .iter()
                .copied()
                .filter(|slice| {
                    let slice = inventory.slice(*slice);
                    !slice.ignored && matches!(slice.reach, None | Some(Reach::Selector(_)))
                })
                .collect(),
        }
    }

    /// The view of a node; an error if a node selector that matters is malformed.
    pub(super) fn get(
        &self,
        inventory: &Inventory,
        features: Features,
        node: NodeFacts<'_>,
    ) -> Result<Arc<View>, String> {
        let judged = self.judge(inventory, node)?;
        match self.of_node.get(node.name) {
            Some(own) => {
                let kept = own.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(view) = kept.as_ref().filter(|view| view.judged == judged) {
                    return Ok(view.clone());
                }
                drop(kept);
                let view = Arc::new(self.build(inventory, features, node.name, judged));
                *own.write().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
                Ok(view)
            }
            None => {
                let kept = self.shared.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(view) = kept.get(&judged) {
                    return Ok(view.clone());
                }
                drop(kept);
                let view = Arc::new(self.build(inventory, features, node.name, judged.clone()));
                let mut kept = self.shared.write().unwrap_or_else(PoisonError::into_inner);
                if kept.len() >= MOST_SHARED {
                    kept.clear();
                }
                kept.insert(judged, view.clone());
                Ok(view)
            }
        }
    }

    /// One answer for each slice with a selector and each device of a slice that leaves it to them.
    fn judge(&self, inventory: &Inventory, node: NodeFacts<'_>) -> Result<Vec<Judged>, String> {
        let mut judged = Vec::new();
        let verdict = |answer: &Result<bool, String>| match answer {
            Ok(true) => Judged::Yes,
            Ok(false) => Judged::No,
            Err(_) => Judged::Error,
        };
        for index in &self.judged {
            let slice = inventory.slice(*index);
            let name = slice.object.metadata.name.as_deref().unwrap_or_default();
            if let Some(reach) = &slice.reach {
                let answer = reach.matches(node);
                judged.push(verdict(&answer));
                answer.map_err(|error| {
                    format!("gather pool information: failed to perform node selection for slice {name}: failed to parse node selector: {error}")
                })?;
                continue;
            }
            let mut relevant = false;
            for device in slice.devices.clone() {
                let Some(reach) = &inventory.published(device).reach else {
                    continue;
                };
                let answer = reach.matches(node);
                judged.push(verdict(&answer));
                match answer {
                    Ok(matches) => relevant |= matches,
                    // Once a device made the slice relevant, upstream does not look further here.
                    Err(error) if !relevant => {
                        let device = &inventory.device(device).name;
                        return Err(format!(
                            "gather pool information: failed to perform node selection for device {device} in slice {name}: failed to parse node selector: {error}"
                        ));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(judged)
    }

    fn build(
        &self,
        inventory: &Inventory,
        features: Features,
        node: &str,
        judged: Vec<Judged>,
    ) -> View {
        let mut answers = judged.iter().copied();
        let mut elsewhere = HashMap::new();
        let mut relevant: Vec<u32> = inventory.on_node.get(node).cloned().unwrap_or_default();
        for index in &inventory.shared {
            let slice = inventory.slice(*index);
            if slice.ignored {
                continue;
            }
            let reaches = match &slice.reach {
                Some(Reach::Selector(_)) => answers.next() == Some(Judged::Yes),
                Some(reach) => matches!(reach, Reach::AllNodes),
                None => {
                    let mut any = false;
                    for device in slice.devices.clone() {
                        let answer = answers.next();
                        any |= answer == Some(Judged::Yes);
                        match answer {
                            Some(Judged::Error) => elsewhere.insert(device, Flags::MALFORMED),
                            Some(Judged::No) | None => elsewhere.insert(device, Flags::ELSEWHERE),
                            Some(Judged::Yes) => None,
                        };
                    }
                    any
                }
            };
            if reaches {
                relevant.push(*index);
            }
        }
        relevant.retain(|index| !inventory.slice(*index).ignored);
        let mut by_pool: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for index in relevant {
            by_pool
                .entry(inventory.slice(index).pool)
                .or_default()
                .push(index);
        }
        let mut view = View {
            judged,
            pools: Vec::new(),
            devices: Vec::new(),
            flags: Vec::new(),
            pool_of: Vec::new(),
            counters: Vec::new(),
            draws: Vec::new(),
            draws_of: Vec::new(),
        };
        let mut binding = Vec::new();
        for (pool, slices) in by_pool {
            let Some(gathered) = Gathered::new(inventory, features, pool, slices) else {
                continue;
            };
            if gathered.binding {
                binding.push(gathered);
            } else {
                view.add(inventory, features, gathered, &elsewhere);
            }
        }
        // Devices that need binding conditions are upstream's last resort.
        for gathered in binding {
            view.add(inventory, features, gathered, &elsewhere);
        }
        view
    }
}

impl View {
    fn add(
        &mut self,
        inventory: &Inventory,
        features: Features,
        gathered: Gathered,
        elsewhere: &HashMap<u32, Flags>,
    ) {
        let first = self.devices.len() as u32;
        let first_counter = self.counters.len() as u32;
        let sets = self.counters.last().map_or(0, |last| last.set_number + 1);
        let number = self.pools.len() as u32;
        let by_name: HashMap<(&str, &str), u32> = gathered
            .counters
            .iter()
            .zip(first_counter..)
            .map(|(counter, index)| ((counter.set.as_str(), counter.name.as_str()), index))
            .collect();
        for device in gathered.devices(inventory, &gathered.targeting) {
            let object = inventory.device(device);
            let mut flags = flags(features, object);
            let skips = &inventory
                .slice(inventory.published(device).slice)
                .object
                .spec
                .skip_node_operations;
            if skips
                .as_ref()
                .is_some_and(|operations| !operations.is_empty())
            {
                flags = flags.or(Flags::GATED);
            }
            if let Some(more) = elsewhere.get(&device) {
                flags = flags.or(*more);
            }
            self.devices.push(device);
            self.flags.push(flags);
            self.pool_of.push(number);
            let from = self.draws.len() as u32;
            self.draws.extend(draws(object, &by_name));
            self.draws_of.push(from..self.draws.len() as u32);
        }
        drop(by_name);
        let mut slices = gathered.targeting;
        slices.extend(&gathered.beyond);
        self.counters
            .extend(gathered.counters.into_iter().map(|counter| Counter {
                set_number: counter.set_number + sets,
                ..counter
            }));
        self.pools.push(ViewPool {
            pool: gathered.pool,
            state: gathered.state,
            positions: first..self.devices.len() as u32,
            counters: first_counter..self.counters.len() as u32,
            slices,
        });
    }

    /// What the device at a position draws from counters.
    #[inline]
    pub(super) fn draws(&self, position: u32) -> &[Draw] {
        let range = self
            .draws_of
            .get(position as usize)
            .cloned()
            .unwrap_or_default();
        self.draws
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// What a device draws from this pool's counters, as far as they still exist.
    pub(super) fn draws_by_name(&self, pool: &ViewPool, device: &Device) -> Vec<Draw> {
        let by_name: HashMap<(&str, &str), u32> = pool
            .counters
            .clone()
            .filter_map(|index| {
                let counter = self.counters.get(index as usize)?;
                Some(((counter.set.as_str(), counter.name.as_str()), index))
            })
            .collect();
        draws(device, &by_name).collect()
    }
}

fn draws<'a>(
    device: &'a Device,
    by_name: &'a HashMap<(&str, &str), u32>,
) -> impl Iterator<Item = Draw> + 'a {
    device
        .consumes_counters
        .iter()
        .flatten()
        .flat_map(move |consumption| {
            consumption
                .counters
                .iter()
                .filter_map(move |(name, counter)| {
                    Some(Draw {
                        counter: *by_name
                            .get(&(consumption.counter_set.as_str(), name.as_str()))?,
                        amount: nanos(&read(&counter.value)?),
                    })
                })
        })
}
