//! The devices that drivers publish, by name: what output needs to say more than a name.
//!
//! Of a pool only the newest generation counts, as for the allocator. Nothing is decided here.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute, ResourceSlice};
use supercargo_host::allocator::DeviceId;

/// Devices and counter sets of the newest generation of every pool, in publication order.
#[derive(Debug, Default)]
pub struct Inventory<'a> {
    pools: BTreeMap<(&'a str, &'a str), Pool<'a>>,
}

/// One pool of one driver.
#[derive(Debug, Default)]
pub struct Pool<'a> {
    generation: i64,
    /// The node that all its slices are for, where there is just one.
    pub node: Option<&'a str>,
    /// Its devices, in the order of slices' names, then as published.
    pub devices: Vec<&'a Device>,
    /// Its counter sets: name, then counter, then amount.
    pub counter_sets: BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>,
}

impl<'a> Inventory<'a> {
    /// Reads the slices.
    pub fn new(slices: impl IntoIterator<Item = &'a ResourceSlice>) -> Self {
        let mut slices: Vec<&ResourceSlice> = slices.into_iter().collect();
        slices.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let mut inventory = Self::default();
        for slice in slices {
            let spec = &slice.spec;
            let pool = inventory
                .pools
                .entry((&spec.driver, &spec.pool.name))
                .or_default();
            if spec.pool.generation < pool.generation {
                continue;
            }
            if spec.pool.generation > pool.generation {
                *pool = Pool {
                    generation: spec.pool.generation,
                    ..Pool::default()
                };
            }
            pool.node = pool.node.or(spec.node_name.as_deref());
            pool.devices.extend(spec.devices.iter().flatten());
            for set in spec.shared_counters.iter().flatten() {
                let counters = set
                    .counters
                    .iter()
                    .map(|(name, counter)| (name.as_str(), counter.value.0.as_str()));
                pool.counter_sets.insert(&set.name, counters.collect());
            }
        }
        inventory
    }

    /// All pools: driver, pool name, pool.
    pub fn pools(&self) -> impl Iterator<Item = (&'a str, &'a str, &Pool<'a>)> {
        self.pools
            .iter()
            .map(|(&(driver, name), pool)| (driver, name, pool))
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.pools.values().map(|pool| pool.devices.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A device by name.
    pub fn device(&self, id: &DeviceId) -> Option<&'a Device> {
        let pool = self.pools.get(&(&*id.driver, &*id.pool))?;
        pool.devices
            .iter()
            .copied()
            .find(|device| *device.name == *id.device)
    }
}

/// The value of an attribute by its full name (`domain/id`) of a device of `driver`.
pub fn attribute<'a>(driver: &str, device: &'a Device, name: &str) -> Option<&'a DeviceAttribute> {
    let attributes = device.attributes.as_ref()?;
    attributes.get(name).or_else(|| {
        let (domain, id) = name.split_once('/')?;
        (domain == driver).then(|| attributes.get(id))?
    })
}

/// An attribute's value as text; lists in brackets.
pub fn show(attribute: &DeviceAttribute) -> String {
    fn list<T: ToString>(values: &[T]) -> String {
        format!(
            "[{}]",
            values
                .iter()
                .map(T::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        )
    }
    let DeviceAttribute {
        bool,
        bools,
        int,
        ints,
        string,
        strings,
        version,
        versions,
    } = attribute;
    None.or_else(|| int.map(|value| value.to_string()))
        .or_else(|| bool.map(|value| value.to_string()))
        .or_else(|| string.clone())
        .or_else(|| version.clone())
        .or_else(|| ints.as_deref().map(list))
        .or_else(|| bools.as_deref().map(list))
        .or_else(|| strings.as_deref().map(list))
        .or_else(|| versions.as_deref().map(list))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(name: &str, generation: i64, devices: &[&str]) -> ResourceSlice {
        let devices: Vec<_> = devices
            .iter()
            .map(|name| json!({"name": name, "attributes": {"numa": {"int": 1}, "x.com/tags": {"strings": ["a", "b"]}}}))
            .collect();
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {
            "driver": "d.com", "nodeName": "n", "devices": devices,
            "pool": {"name": "n", "generation": generation, "resourceSliceCount": 1}}}))
        .unwrap()
    }

    #[test]
    fn only_the_newest_generation_of_a_pool_counts() {
        let slices = [
            slice("b", 2, &["new-1"]),
            slice("a", 2, &["new-0"]),
            slice("c", 1, &["old"]),
        ];
        let inventory = Inventory::new(&slices);
        let names: Vec<&str> = inventory
            .pools()
            .flat_map(|(_, _, pool)| pool.devices.iter().map(|d| d.name.as_str()))
            .collect();
        assert_eq!(names, ["new-0", "new-1"]);
        assert_eq!(inventory.len(), 2);
    }

    #[test]
    fn attributes_are_found_with_and_without_the_drivers_domain() {
        let slices = [slice("a", 1, &["gpu-0"])];
        let inventory = Inventory::new(&slices);
        let id = DeviceId {
            driver: "d.com".into(),
            pool: "n".into(),
            device: "gpu-0".into(),
        };
        let device = inventory.device(&id).unwrap();
        assert_eq!(
            attribute("d.com", device, "d.com/numa")
                .map(show)
                .as_deref(),
            Some("1")
        );
        assert_eq!(
            attribute("d.com", device, "x.com/tags")
                .map(show)
                .as_deref(),
            Some("[a b]")
        );
        assert!(attribute("d.com", device, "other.com/numa").is_none());
    }
}
