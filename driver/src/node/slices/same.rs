//! Whether a slice is as it should be, by what it means rather than by how it is written.
//!
//! The API server prints quantities in its own way, drops empty lists and says when a taint was added;
//! none of that is a change. [`canonical`] is the form in which two slices can be compared: numbers
//! instead of their spelling, nothing where there is nothing. The time of a taint is the server's to
//! set and belongs to the taint as long as it stands, for evictions count from it; [`Times::keep`]
//! carries it over into what is written next.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::resource::v1::{
    Counter, CounterSet, Device, DeviceCapacity, DeviceTaint, ResourceSlice, ResourceSliceSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use supercargo_host::quantity::Quantity;

/// A slice in the form in which equal ones are equal. The generation is not part of it.
pub(super) fn canonical(mut spec: ResourceSliceSpec) -> Value {
    spec.pool.generation = 0;
    spec.shared_counters
        .iter_mut()
        .flatten()
        .for_each(counter_set);
    spec.devices.iter_mut().flatten().for_each(device);
    // Kubernetes' types hold nothing that JSON cannot: keys are strings, numbers are finite.
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    prune(&mut value);
    value
}

fn counter_set(set: &mut CounterSet) {
    set.counters.values_mut().for_each(counter);
}

fn counter(counter: &mut Counter) {
    number(&mut counter.value);
}

fn device(device: &mut Device) {
    device
        .capacity
        .iter_mut()
        .flat_map(|map| map.values_mut())
        .for_each(capacity);
    for consumption in device.consumes_counters.iter_mut().flatten() {
        consumption.counters.values_mut().for_each(counter);
    }
    for taint in device.taints.iter_mut().flatten() {
        taint.value = taint.value.take().filter(|value| !value.is_empty());
        // The server keeps whole seconds.
        taint.time_added = taint.time_added.take().map(whole_seconds);
    }
    let resources = device.node_allocatable_resources.iter_mut();
    for resource in resources.flat_map(|map| map.values_mut()) {
        if let Some(mapping) = &mut resource.mapping {
            mapping.capacity_multiplier.iter_mut().for_each(number);
            mapping.device_multiplier.iter_mut().for_each(number);
        }
        if let Some(overhead) = &mut resource.overhead {
            overhead.per_container.iter_mut().for_each(number);
            overhead.per_pod.iter_mut().for_each(number);
        }
    }
}

fn capacity(capacity: &mut DeviceCapacity) {
    number(&mut capacity.value);
    if let Some(policy) = &mut capacity.request_policy {
        policy.default.iter_mut().for_each(number);
        policy.valid_values.iter_mut().flatten().for_each(number);
        if let Some(range) = &mut policy.valid_range {
            number(&mut range.min);
            range.max.iter_mut().for_each(number);
            range.step.iter_mut().for_each(number);
        }
    }
}

/// One text for each number.
fn number(text: &mut Text) {
    if let Ok(quantity) = Quantity::parse(&text.0) {
        let nanos = quantity.nanos().map(Quantity::from_nanos);
        text.0 = nanos.unwrap_or(quantity).to_string();
    }
}

fn whole_seconds(time: Time) -> Time {
    let seconds = k8s_openapi::jiff::Timestamp::from_second(time.0.as_second());
    seconds.map_or(time, Time)
}

/// Takes away what says nothing: nulls, empty lists, empty mappings.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| !is_nothing(value));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Since when each taint of each device stands.
#[derive(Debug, Default)]
pub(super) struct Times(HashMap<(String, String, String, String), Time>);

impl Times {
    /// What some slices say.
    pub(super) fn of<'a>(slices: impl IntoIterator<Item = &'a ResourceSlice>) -> Self {
        let devices = slices
            .into_iter()
            .flat_map(|slice| slice.spec.devices.iter().flatten());
        let taints = devices.flat_map(|device| {
            let taints = device.taints.iter().flatten();
            taints.filter_map(|taint| Some((key(&device.name, taint), taint.time_added.clone()?)))
        });
        Self(taints.collect())
    }

    /// Gives taints that do not say their time the one that they have.
    pub(super) fn keep(&self, spec: &mut ResourceSliceSpec) {
        for device in spec.devices.iter_mut().flatten() {
            let name = device.name.as_str();
            for taint in device.taints.iter_mut().flatten() {
                if taint.time_added.is_none() {
                    taint.time_added = self.0.get(&key(name, taint)).cloned();
                }
            }
        }
    }
}

fn key(device: &str, taint: &DeviceTaint) -> (String, String, String, String) {
    let value = taint.value.clone().unwrap_or_default();
    (
        device.to_owned(),
        taint.key.clone(),
        value,
        taint.effect.clone(),
    )
}

/// The fields that are in `wanted` and not, or not like that, in `served`; both canonical. Places in
/// lists and names of attributes are left out: `devices[].taints`.
pub(super) fn lost(wanted: &Value, served: &Value) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    compare(wanted, served, "", &mut lost);
    lost
}

/// Mappings whose keys are names that a driver chose.
const NAMED: [&str; 4] = [
    "attributes",
    "capacity",
    "counters",
    "nodeAllocatableResources",
];

fn compare(wanted: &Value, served: &Value, path: &str, lost: &mut BTreeSet<String>) {
    match (wanted, served) {
        (Value::Object(wanted), Value::Object(served)) => {
            let named = path
                .rsplit('.')
                .next()
                .is_some_and(|field| NAMED.contains(&field));
            for (key, wanted) in wanted {
                let path = match path {
                    "" => key.clone(),
                    path if named => format!("{path}[]"),
                    path => format!("{path}.{key}"),
                };
                match served.get(key) {
                    Some(served) => compare(wanted, served, &path, lost),
                    None => drop(lost.insert(path)),
                }
            }
        }
        (Value::Array(wanted), Value::Array(served)) if wanted.len() == served.len() => {
            for (wanted, served) in wanted.iter().zip(served) {
                compare(wanted, served, &format!("{path}[]"), lost);
            }
        }
        _ if wanted == served => {}
        _ => drop(lost.insert(path.to_owned())),
    }
}
