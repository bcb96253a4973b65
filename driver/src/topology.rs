//! Where devices are and who has them: what [`render::topology`](crate::render::topology) draws.
//!
//! Two kinds of groups are known. A counter set whose counters are numbered units (NVIDIA's
//! `memory-slice-0` to `memory-slice-7`) is a device that is handed out in parts: one cell a unit.
//! Other devices are grouped by the value of one attribute: an NVLink domain, a NUMA node.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::Device;
use supercargo_host::allocator::DeviceId;

use crate::inventory::{Inventory, Pool, attribute, show};
use crate::render::topology::{Group, Holder, Node, Slot};

/// Parts of attribute names that speak of locality, the most telling first.
const LOCALITY: [&str; 6] = ["nvlink", "partition", "group", "clique", "numa", "pcieroot"];

/// How many attributes are told where one is not found.
const MOST_TOLD: usize = 20;

/// Who has which device.
pub type Holders = BTreeMap<DeviceId, Holder>;

/// A cluster's groups, and what they are worth.
#[derive(Debug, Default)]
pub struct Topology {
    /// The nodes with their groups, by name.
    pub nodes: Vec<Node>,
    /// Which group each device that is handed out whole is in; numbers are unique in the cluster.
    pub group_of: BTreeMap<DeviceId, usize>,
}

impl Topology {
    /// Groups that nobody has anything of.
    pub fn whole_groups(&self) -> usize {
        let groups = self.nodes.iter().flat_map(|node| &node.groups);
        groups
            .filter(|group| group.slots.iter().all(|slot| slot.holder == Holder::Free))
            .count()
    }

    /// Whether any device is handed out in parts.
    pub fn is_partitioned(&self) -> bool {
        self.nodes
            .iter()
            .flat_map(|node| &node.groups)
            .any(|group| group.partitioned)
    }

    /// All groups.
    pub fn groups(&self) -> usize {
        self.nodes.iter().map(|node| node.groups.len()).sum()
    }
}

/// The attribute that says most about locality: the one asked for, else by its name, where it
/// splits the devices of some pool into several groups.
pub fn locality(inventory: &Inventory<'_>, asked: Option<&str>) -> Option<String> {
    if let Some(asked) = asked {
        return Some(asked.to_owned());
    }
    let values = values(inventory);
    let splitting: BTreeSet<&str> = values
        .iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|((key, _, _), _)| key.as_str())
        .collect();
    LOCALITY.iter().find_map(|word| {
        let speaks = |key: &&&str| {
            key.rsplit('/')
                .next()
                .is_some_and(|id| id.to_ascii_lowercase().contains(word))
        };
        splitting.iter().find(speaks).map(|key| (*key).to_owned())
    })
}

/// An attribute that is to make groups, and that no device has.
#[derive(Debug, thiserror::Error)]
#[error("--group-by {asked}: no device has this attribute; there are: {}", known.join(", "))]
pub struct NoSuchAttribute {
    /// The name.
    pub asked: String,
    /// Those there are, by full name; the first of them, where there are many.
    pub known: Vec<String>,
}

/// Whether any device has the attribute that is asked for.
///
/// # Errors
/// None has: grouping by it would group by something else.
pub fn check(inventory: &Inventory<'_>, asked: Option<&str>) -> Result<(), NoSuchAttribute> {
    let Some(asked) = asked else { return Ok(()) };
    let values = values(inventory);
    let known: BTreeSet<&str> = values.keys().map(|(key, _, _)| key.as_str()).collect();
    if known.contains(asked) {
        return Ok(());
    }
    Err(NoSuchAttribute {
        asked: asked.to_owned(),
        known: known
            .into_iter()
            .take(MOST_TOLD)
            .map(str::to_owned)
            .collect(),
    })
}

/// The values of each attribute in each pool: by full name, driver and pool.
fn values<'i>(inventory: &Inventory<'i>) -> BTreeMap<(String, &'i str, &'i str), BTreeSet<String>> {
    let mut values: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (driver, name, pool) in inventory.pools() {
        for device in &pool.devices {
            for (key, value) in device.attributes.iter().flatten() {
                let key = if key.contains('/') {
                    key.clone()
                } else {
                    format!("{driver}/{key}")
                };
                let seen = values.entry((key, driver, name)).or_default();
                seen.insert(show(value));
            }
        }
    }
    values
}

/// The attribute's name without its domain: what a box is labelled with.
pub fn label(attribute: &str) -> &str {
    attribute.rsplit('/').next().unwrap_or(attribute)
}

/// The groups of every pool that belongs to one node.
pub fn topology(inventory: &Inventory<'_>, locality: Option<&str>, holders: &Holders) -> Topology {
    let mut topology = Topology::default();
    let mut nodes: BTreeMap<&str, Vec<Group>> = BTreeMap::new();
    for (driver, name, pool) in inventory.pools() {
        let Some(node) = pool.node else { continue };
        let groups = nodes.entry(node).or_default();
        let id = |device: &Device| DeviceId {
            driver: driver.into(),
            pool: name.into(),
            device: device.name.as_str().into(),
        };
        for (set, units) in partitioned(pool) {
            groups.push(partition(pool, set, &units, |device| {
                holders.get(&id(device)).copied()
            }));
        }
        let Some(locality) = locality else { continue };
        let mut by_value: BTreeMap<(u64, String), Vec<&Device>> = BTreeMap::new();
        for device in &pool.devices {
            if let Some(value) = attribute(driver, device, locality).map(show) {
                // Numbers in numerical order, everything else behind them.
                by_value
                    .entry((value.parse().unwrap_or(u64::MAX), value))
                    .or_default()
                    .push(device);
            }
        }
        for ((_, value), mut devices) in by_value {
            devices.sort_by_cached_key(|device| natural(&device.name));
            let number = topology.group_of.values().max().map_or(0, |last| last + 1);
            let slots = devices
                .iter()
                .map(|device| {
                    topology.group_of.insert(id(device), number);
                    Slot {
                        holder: holders
                            .get(&id(device))
                            .copied()
                            .unwrap_or_else(|| unheld(device)),
                        cells: 1,
                    }
                })
                .collect();
            groups.push(Group {
                title: format!("{} {value}", label(locality)),
                slots,
                partitioned: false,
            });
        }
    }
    topology.nodes = nodes
        .into_iter()
        .filter(|(_, groups)| !groups.is_empty())
        .map(|(name, groups)| Node {
            name: name.to_owned(),
            groups,
        })
        .collect();
    topology
}

fn unheld(device: &Device) -> Holder {
    let tainted = device
        .taints
        .iter()
        .flatten()
        .any(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    if tainted {
        Holder::Unusable
    } else {
        Holder::Free
    }
}

/// `gpu-10` behind `gpu-9`.
fn natural(name: &str) -> (String, u64) {
    let prefix = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = name
        .get(prefix.len()..)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    (prefix.to_owned(), number)
}

/// The counter sets with numbered units of one: their unit counters in order.
fn partitioned<'a>(pool: &Pool<'a>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut sets: Vec<(&str, Vec<&str>)> = Vec::new();
    for (&set, counters) in &pool.counter_sets {
        let mut units: Vec<(u64, &str)> = counters
            .iter()
            .filter(|(_, amount)| **amount == "1")
            .filter_map(|(&counter, _)| {
                let (_, number) = counter.rsplit_once('-')?;
                Some((number.parse().ok()?, counter))
            })
            .collect();
        units.sort_unstable();
        if units.len() > 1 {
            sets.push((set, units.into_iter().map(|(_, counter)| counter).collect()));
        }
    }
    sets.sort_by_cached_key(|(set, _)| natural(title(set)));
    sets
}

fn title(set: &str) -> &str {
    set.trim_end_matches("-counter-set")
        .trim_end_matches("-counters")
}

/// The cells of one partitioned device.
fn partition(
    pool: &Pool<'_>,
    set: &str,
    units: &[&str],
    holder: impl Fn(&Device) -> Option<Holder>,
) -> Group {
    let units_of = |device: &Device| -> BTreeSet<usize> {
        device
            .consumes_counters
            .iter()
            .flatten()
            .filter(|consumption| consumption.counter_set == set)
            .flat_map(|consumption| consumption.counters.keys())
            .filter_map(|counter| units.iter().position(|unit| unit == counter))
            .collect()
    };
    let mut owner: Vec<Option<(usize, Holder)>> = vec![None; units.len()];
    for (number, device) in pool.devices.iter().enumerate() {
        let Some(holder) = holder(device) else {
            continue;
        };
        for unit in units_of(device) {
            if let Some(cell) = owner.get_mut(unit) {
                *cell = Some((number, holder));
            }
        }
    }
    let mut slots: Vec<(Option<usize>, Slot)> = Vec::new();
    for cell in &owner {
        let (number, holder) = cell.map_or((None, Holder::Free), |(number, holder)| {
            (Some(number), holder)
        });
        match slots.last_mut() {
            Some((last, slot)) if last.is_some() && *last == number => slot.cells += 1,
            _ => slots.push((number, Slot { holder, cells: 1 })),
        }
    }
    let slots = slots.into_iter().map(|(_, slot)| slot).collect();
    Group {
        title: title(set).to_owned(),
        slots,
        partitioned: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::resource::v1::ResourceSlice;
    use serde_json::json;

    fn id(device: &str) -> DeviceId {
        DeviceId {
            driver: "gpu.nvidia.com".into(),
            pool: "n".into(),
            device: device.into(),
        }
    }

    fn slice(name: &str, body: serde_json::Value) -> ResourceSlice {
        let mut spec = json!({"driver": "gpu.nvidia.com", "nodeName": "n",
            "pool": {"name": "n", "generation": 1, "resourceSliceCount": 2}});
        spec.as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    fn whole() -> [ResourceSlice; 1] {
        let devices: Vec<_> = (0..4)
            .map(|n| {
                json!({"name": format!("gpu-{n}"), "attributes": {
                "nvlinkGroup": {"int": n / 2}, "uuid": {"string": format!("{n}")}}})
            })
            .collect();
        [slice("s", json!({"devices": devices}))]
    }

    #[test]
    fn devices_are_grouped_by_the_attribute_that_speaks_of_locality() {
        let slices = whole();
        let inventory = Inventory::new(&slices);
        let by = locality(&inventory, None);
        assert_eq!(by.as_deref(), Some("gpu.nvidia.com/nvlinkGroup"));
        let holders = Holders::from([(id("gpu-1"), Holder::Workload(0))]);
        let topology = topology(&inventory, by.as_deref(), &holders);
        assert_eq!((topology.groups(), topology.whole_groups()), (2, 1));
        assert_eq!(topology.nodes[0].groups[0].title, "nvlinkGroup 0");
        assert_eq!(
            topology.nodes[0].groups[0].slots[1].holder,
            Holder::Workload(0)
        );
        assert_ne!(
            topology.group_of[&id("gpu-1")],
            topology.group_of[&id("gpu-2")]
        );
    }

    #[test]
    fn a_partitioned_device_shows_its_units() {
        let units: serde_json::Map<_, _> = (0..4)
            .map(|n| (format!("memory-slice-{n}"), json!({"value": "1"})))
            .chain([("memory".to_owned(), json!({"value": "40Gi"}))])
            .collect();
        let part = |name: &str, from: usize, to: usize| {
            let counters: serde_json::Map<_, _> = (from..to)
                .map(|n| (format!("memory-slice-{n}"), json!({"value": "1"})))
                .collect();
            json!({"name": name, "consumesCounters": [{"counterSet": "gpu-0-counter-set", "counters": counters}]})
        };
        let slices = [
            slice(
                "a",
                json!({"sharedCounters": [{"name": "gpu-0-counter-set", "counters": units}]}),
            ),
            slice(
                "b",
                json!({"devices": [part("all", 0, 4), part("low", 0, 2), part("high", 2, 4), part("one", 3, 4)]}),
            ),
        ];
        let inventory = Inventory::new(&slices);
        let holders = Holders::from([(id("low"), Holder::Before)]);
        let topology = topology(&inventory, None, &holders);
        let group = &topology.nodes[0].groups[0];
        assert_eq!(group.title, "gpu-0");
        let cells: Vec<_> = group
            .slots
            .iter()
            .map(|slot| (slot.holder, slot.cells))
            .collect();
        assert_eq!(
            cells,
            [(Holder::Before, 2), (Holder::Free, 1), (Holder::Free, 1)]
        );
        assert!(topology.is_partitioned());
    }
}
