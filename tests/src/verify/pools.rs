//! Which devices are there for a node: current generation, complete and valid pools, node selection.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement};
use k8s_openapi::api::resource::v1::{CounterSet, Device, ResourceSlice};

use super::Situation;

/// A pool that a node may be given devices of.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub(super) driver: &'a str,
    pub(super) name: &'a str,
    /// The slices of the current generation that are for the node.
    here: Vec<&'a ResourceSlice>,
    /// All slices of the current generation.
    everywhere: Vec<&'a ResourceSlice>,
}

impl<'a> Pool<'a> {
    /// The devices that the node can use.
    pub(super) fn devices(
        &self,
        situation: &Situation<'a>,
    ) -> Vec<(&'a ResourceSlice, &'a Device)> {
        let devices = self
            .here
            .iter()
            .flat_map(|slice| devices(slice).map(move |device| (*slice, device)));
        devices
            .filter(|(slice, device)| {
                slice.spec.per_device_node_selection != Some(true)
                    || device_is_for(device, situation.node)
            })
            .collect()
    }

    /// All devices of the pool, whatever node they are for.
    pub(super) fn all_devices(&self) -> impl Iterator<Item = (&'a ResourceSlice, &'a Device)> {
        self.everywhere
            .iter()
            .flat_map(|slice| devices(slice).map(move |device| (*slice, device)))
    }

    /// The counter sets of the pool.
    pub(super) fn counter_sets(&self) -> impl Iterator<Item = &'a CounterSet> {
        self.everywhere
            .iter()
            .flat_map(|slice| slice.spec.shared_counters.iter().flatten())
    }

    fn is_valid(&self, counters: bool) -> bool {
        let mut names = BTreeSet::new();
        // Without the gate nobody looks at counter sets; slices that have them count for nothing.
        if !self
            .here
            .iter()
            .flat_map(|slice| devices(slice))
            .all(|device| names.insert(&device.name))
        {
            return false;
        }
        if !counters {
            return true;
        }
        let mut sets = BTreeSet::new();
        self.counter_sets().all(|set| sets.insert(&set.name))
            && self
                .all_devices()
                .flat_map(|(_, device)| device.consumes_counters.iter().flatten())
                .all(|consumed| {
                    let set = self
                        .counter_sets()
                        .find(|set| set.name == consumed.counter_set);
                    set.is_some_and(|set| {
                        consumed
                            .counters
                            .keys()
                            .all(|name| set.counters.contains_key(name))
                    })
                })
    }
}

fn devices(slice: &ResourceSlice) -> impl Iterator<Item = &Device> {
    slice.spec.devices.iter().flatten()
}

/// The pools that the node may be given devices of.
pub(super) fn usable<'a>(situation: &Situation<'a>) -> Vec<Pool<'a>> {
    gather(situation)
        .into_iter()
        .filter_map(|(pool, state)| (state == State::Usable).then_some(pool))
        .collect()
}

/// Whether there is a pool for the node that is incomplete or invalid; `All` is impossible then.
pub(super) fn any_unusable(situation: &Situation<'_>) -> bool {
    gather(situation)
        .iter()
        .any(|(_, state)| *state == State::Unusable)
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Usable,
    /// Incomplete or invalid.
    Unusable,
    /// A newer generation is about to replace it.
    Obsolete,
}

fn gather<'a>(situation: &Situation<'a>) -> Vec<(Pool<'a>, State)> {
    let key =
        |slice: &'a ResourceSlice| (slice.spec.driver.as_str(), slice.spec.pool.name.as_str());
    let gate = situation.features.partitionable_devices;
    let seen = |slice: &&ResourceSlice| {
        gate || (slice.spec.per_device_node_selection.is_none()
            && slice
                .spec
                .shared_counters
                .as_ref()
                .is_none_or(Vec::is_empty))
    };
    let relevant: Vec<&ResourceSlice> = situation
        .slices
        .iter()
        .filter(seen)
        .filter(|slice| is_for(slice, situation.node))
        .collect();
    let keys: BTreeSet<_> = relevant.iter().map(|slice| key(slice)).collect();
    let mut pools = Vec::new();
    for (driver, name) in keys {
        let relevant: Vec<&ResourceSlice> = relevant
            .iter()
            .copied()
            .filter(|slice| key(slice) == (driver, name))
            .collect();
        let generation = relevant
            .iter()
            .map(|slice| slice.spec.pool.generation)
            .max()
            .unwrap_or_default();
        let here: Vec<&ResourceSlice> = relevant
            .into_iter()
            .filter(|slice| slice.spec.pool.generation == generation)
            .collect();
        let wanted = here
            .first()
            .map_or(0, |slice| slice.spec.pool.resource_slice_count);
        let complete = |slices: &[&ResourceSlice]| i64::try_from(slices.len()) == Ok(wanted);
        let of_pool: Vec<&ResourceSlice> = situation
            .slices
            .iter()
            .filter(|slice| key(slice) == (driver, name))
            .collect();
        let everywhere: Vec<&ResourceSlice> = of_pool
            .iter()
            .copied()
            .filter(|slice| slice.spec.pool.generation == generation)
            .collect();
        let newer = of_pool
            .iter()
            .any(|slice| slice.spec.pool.generation > generation);
        // Slices for this node that are complete by themselves are used even while a newer
        // generation appears for other nodes.
        let by_itself = complete(&here);
        let is_complete = by_itself || complete(&everywhere);
        let pool = Pool {
            driver,
            name,
            everywhere: if by_itself { here.clone() } else { everywhere },
            here,
        };
        let state = if !by_itself && newer {
            State::Obsolete
        } else if is_complete && pool.is_valid(gate) {
            State::Usable
        } else {
            State::Unusable
        };
        pools.push((pool, state));
    }
    pools
}

/// Whether a slice has devices for the node. A slice without any node selection is for none.
fn is_for(slice: &ResourceSlice, node: &Node) -> bool {
    let spec = &slice.spec;
    match (
        spec.node_name.as_deref().filter(|name| !name.is_empty()),
        spec.all_nodes,
        &spec.node_selector,
    ) {
        (Some(name), ..) => node.metadata.name.as_deref() == Some(name),
        (None, Some(true), _) => true,
        (None, _, Some(selector)) => selects(selector, node),
        (None, _, None) => {
            spec.per_device_node_selection == Some(true)
                && devices(slice).any(|device| device_is_for(device, node))
        }
    }
}

fn device_is_for(device: &Device, node: &Node) -> bool {
    match (
        device.node_name.as_deref().filter(|name| !name.is_empty()),
        device.all_nodes,
        &device.node_selector,
    ) {
        (Some(name), ..) => node.metadata.name.as_deref() == Some(name),
        (None, Some(true), _) => true,
        (None, _, Some(selector)) => selects(selector, node),
        (None, _, None) => false,
    }
}

/// Any term; of a term, all requirements; a term without requirements selects nothing.
fn selects(selector: &NodeSelector, node: &Node) -> bool {
    selector.node_selector_terms.iter().any(|term| {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        let label = |key: &str| node.metadata.labels.as_ref()?.get(key).map(String::as_str);
        let field = |key: &str| {
            node.metadata
                .name
                .as_deref()
                .filter(|_| key == "metadata.name")
        };
        !(expressions.is_empty() && fields.is_empty())
            && expressions
                .iter()
                .all(|requirement| holds(requirement, label(&requirement.key)))
            && fields
                .iter()
                .all(|requirement| holds(requirement, field(&requirement.key)))
    })
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = |value: &str| values.iter().any(|listed| listed == value);
    let numbers = || {
        Some((
            value?.parse::<i64>().ok()?,
            values.first()?.parse::<i64>().ok()?,
        ))
    };
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}
