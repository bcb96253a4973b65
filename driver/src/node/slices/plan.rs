//! Which slices to write and which to delete, so that no reader ever sees a wrong pool.
//!
//! A reader takes the slices of the highest generation it finds and believes them when there are as
//! many as they say. So a pool may be seen whole, old or new, or not at all for a moment, but never as
//! a mixture. Two ways lead there:
//!
//! - **Within the generation**: one slice that is changed and nothing else to do is one write, old
//!   before and new after. And slices that are missing can be added, any number of them, as long as
//!   all that are there are as they should be: the pool is not whole before the last one stands.
//! - **A new generation**: all slices are written with it. From the first to the last of these writes
//!   the pool is not whole; what has the old generation is ignored.
//!
//! Slices of a pool with another name are deleted first, for a device in two pools could be allocated
//! twice. What is too much in this pool is deleted last, when it has been outdated. Upstream's helper deletes first, within
//! the generation, which takes the pool away from the first deletion to the last update, and takes a
//! new generation to put back one slice that somebody deleted.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::ResourceSlice;

use super::{Owner, name};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan<'a> {
    /// What is to be deleted before anything is written: slices of another pool.
    pub(super) strangers: Vec<&'a ResourceSlice>,
    /// The generation that all slices of the pool have afterwards.
    pub(super) generation: i64,
    /// What is to be written: the place, and the slice to update; `None`: create one.
    pub(super) writes: Vec<(usize, Option<&'a ResourceSlice>)>,
    /// What is to be deleted, once everything is written.
    pub(super) deletes: Vec<&'a ResourceSlice>,
}

impl Plan<'_> {
    /// Whether nothing is to be done.
    pub(super) fn is_done(&self) -> bool {
        self.strangers.is_empty() && self.writes.is_empty() && self.deletes.is_empty()
    }
}

/// Plans how the slices of this driver on this node become the pool that is wanted, of `count` slices.
/// `is_as_wanted` says so of a slice at its place, whatever its generation.
pub(super) fn plan<'a>(
    owner: &Owner,
    there: &'a [ResourceSlice],
    count: usize,
    is_as_wanted: impl Fn(usize, &ResourceSlice) -> bool,
) -> Plan<'a> {
    let generation = |slice: &ResourceSlice| slice.spec.pool.generation;
    let (pool, others): (Vec<_>, Vec<_>) = there
        .iter()
        .partition(|slice| slice.spec.pool.name == owner.node);
    let newest = pool.iter().copied().map(generation).max().unwrap_or(1);

    let mut places: BTreeMap<usize, &ResourceSlice> = BTreeMap::new();
    let mut surplus = Vec::new();
    for &slice in &pool {
        let place = place(slice).filter(|place| *place < count && !is_leaving(slice));
        let Some(place) = place else {
            surplus.push(slice);
            continue;
        };
        // Of several at one place, the one that readers see, and of those the one that is right.
        let rank = |slice: &ResourceSlice| (generation(slice), is_as_wanted(place, slice));
        match places.get_mut(&place) {
            Some(kept) if rank(slice) > rank(kept) => surplus.push(std::mem::replace(kept, slice)),
            Some(_) => surplus.push(slice),
            None => drop(places.insert(place, slice)),
        }
    }

    let is_current = |slice: &ResourceSlice| generation(slice) == newest;
    let mut writes = Vec::new();
    let mut current_change = false;
    for place in 0..count {
        let slice = places.get(&place).copied();
        let right = slice.is_some_and(|slice| is_as_wanted(place, slice));
        if !(right && slice.is_some_and(is_current)) {
            writes.push((place, slice));
            current_change |= slice.is_some_and(is_current);
        }
    }
    let mut seen = surplus.iter().filter(|slice| is_current(slice));
    let in_the_way = match writes.is_empty() {
        // Deleting is enough, unless somebody's finalizer holds it.
        true => seen.any(|slice| is_leaving(slice)),
        false => seen.next().is_some(),
    };
    let staying = |slices: Vec<&'a ResourceSlice>| -> Vec<_> {
        slices
            .into_iter()
            .filter(|slice| !is_leaving(slice))
            .collect()
    };
    let strangers = staying(others);
    if !in_the_way && (!current_change || writes.len() == 1) {
        return Plan {
            strangers,
            generation: newest,
            writes,
            deletes: staying(surplus),
        };
    }
    match newest.checked_add(1) {
        Some(generation) => Plan {
            strangers,
            generation,
            writes: (0..count)
                .map(|place| (place, places.get(&place).copied()))
                .collect(),
            deletes: staying(surplus),
        },
        // Somebody wrote the highest generation there is: only an empty pool can begin anew.
        None => Plan {
            strangers,
            generation: newest,
            writes: Vec::new(),
            deletes: staying(pool),
        },
    }
}

fn place(slice: &ResourceSlice) -> Option<usize> {
    name::index(slice.metadata.name.as_deref()?)
}

/// Whether it is deleted and only held by a finalizer.
fn is_leaving(slice: &ResourceSlice) -> bool {
    slice.metadata.deletion_timestamp.is_some()
}
