//! What a node sees of the inventory: pools, candidates in upstream's order, counters.
//!
//! The same slices give the same view, so views are kept: one for each node that has slices of its
//! own, and one for each way in which slices for several nodes can turn out to reach a node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::resource::v1::Device;

use super::Features;
use super::amounts::{Nanos, nanos, read};
use super::inventory::Inventory;
use super::nodes::{NodeFacts, Reach};
use super::taints;

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
    /// Devices of the same generation that do not target the node, with what they draw.
    pub(super) beyond: Vec<(u32, Vec<Draw>)>,
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

/// What about a device needs a closer look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flags(u8);

impl Flags {
    /// It has binding conditions, and the gate is off.
    pub(super) const BINDING: Self = Self(1);
    /// Its own node selection excludes the node.
    pub(super) const ELSEWHERE: Self = Self(2);
    /// Its own node selection is malformed.
    pub(super) const MALFORMED: Self = Self(4);
    /// It needs a gate that is off: counters, or skipped node operations.
    pub(super) const GATED: Self = Self(8);
    /// It has a taint that blocks unless tolerated.
    pub(super) const TAINTED: Self = Self(16);
    /// It has capacity with a policy, or with values that need a look.
    pub(super) const CAPACITY: Self = Self(32);
    /// It may be allocated several times.
    pub(super) const SHAREABLE: Self = Self(64);
    /// It draws from counters.
    pub(super) const DRAWS: Self = Self(128);

    #[inline]
    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
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

/// A pool's slices, sorted out.
struct Gathered {
    pool: u32,
    state: PoolState,
    /// With devices for the node, by name.
    targeting: Vec<u32>,
    /// With devices for other nodes.
    beyond: Vec<u32>,
    counters: Vec<Counter>,
    binding: bool,
}

impl Gathered {
    /// `None` if a newer generation is being published, which the node does not see.
    fn new(
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

    fn devices<'a>(
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
        let beyond = gathered
            .devices(inventory, &gathered.beyond)
            .map(|device| {
                (
                    device,
                    draws(inventory.device(device), &by_name).collect::<Vec<_>>(),
                )
            })
            .filter(|(_, draws)| !draws.is_empty())
            .collect();
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
            beyond,
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

fn flags(features: Features, device: &Device) -> Flags {
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
