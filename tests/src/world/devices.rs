//! Pools, slices and devices of a random world.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{DRIVERS, chance, pick};

/// All slices, in random order.
pub(super) fn slices(rng: &mut Rng, size: usize) -> Vec<Value> {
    let mut slices = Vec::new();
    for driver in DRIVERS {
        // One pool's name is the same for both drivers: pools are told apart by both names.
        for pool in ["node-1", "rack"].iter().take(rng.usize(1..=2)) {
            slices.extend(pool_slices(rng, size, driver, pool));
        }
    }
    rng.shuffle(&mut slices);
    slices
}

/// One pool: its current generation, and at times an older one or a slice that is missing.
fn pool_slices(rng: &mut Rng, size: usize, driver: &str, pool: &str) -> Vec<Value> {
    let counters = chance(rng, 35);
    let shared = chance(rng, 30);
    let number = rng.usize(1..=2);
    let mut slices = Vec::new();
    let mut next = 0;
    for position in 0..number {
        let mut spec = json!({"driver": driver});
        let per_device = node_selection(rng, &mut spec);
        let devices: Vec<Value> = (0..rng.usize(1..=size.max(1) + 1))
            .map(|_| {
                // Now and then a name comes twice, which makes the pool invalid.
                next += usize::from(!chance(rng, 1));
                device(rng, driver, next, per_device, counters, shared)
            })
            .collect();
        merge(&mut spec, json!({"devices": devices}));
        slices.push(slice(driver, pool, position, spec));
    }
    if counters {
        let mut spec = json!({"driver": driver, "sharedCounters": [
            {"name": "card-0", "counters": {"memory": {"value": "40Gi"}, "units": {"value": "7"}}},
            {"name": "card-1", "counters": {"memory": {"value": "40Gi"}, "units": {"value": "7"}}},
        ]});
        if chance(rng, 50) {
            merge(&mut spec, json!({"nodeName": "node-1"}));
        } else {
            merge(&mut spec, json!({"allNodes": true}));
        }
        slices.push(slice(driver, pool, number, spec));
    }
    let count = slices.len() + usize::from(chance(rng, 3));
    for slice in &mut slices {
        let named = json!({"name": pool, "generation": 2, "resourceSliceCount": count});
        if let Some(spec) = slice.get_mut("spec") {
            merge(spec, json!({"pool": named}));
        }
    }
    if chance(rng, 10) {
        let generation = if chance(rng, 15) { 3 } else { 1 };
        let node = if chance(rng, 80) { "node-1" } else { "node-2" };
        slices.push(slice(
            driver,
            pool,
            9,
            json!({
                "driver": driver,
                "nodeName": node,
                "pool": {"name": pool, "generation": generation, "resourceSliceCount": 1},
                "devices": [device(rng, driver, 90, false, false, false)],
            }),
        ));
    }
    slices
}

fn slice(driver: &str, pool: &str, position: usize, spec: Value) -> Value {
    json!({"metadata": {"name": format!("{pool}-{position}-{driver}")}, "spec": spec})
}

/// Draws which nodes a slice is for; true if each device says so itself.
fn node_selection(rng: &mut Rng, spec: &mut Value) -> bool {
    let selection = match rng.u8(..10) {
        0..=4 => json!({"nodeName": "node-1"}),
        5 => json!({"nodeName": "node-2"}),
        6 => json!({"allNodes": true}),
        7 | 8 => json!({"nodeSelector": selector(rng)}),
        _ => json!({"perDeviceNodeSelection": true}),
    };
    let per_device = selection.get("perDeviceNodeSelection").is_some();
    merge(spec, selection);
    per_device
}

fn selector(rng: &mut Rng) -> Value {
    let requirement = match rng.u8(..6) {
        0 => {
            json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]})
        }
        1 => json!({"matchExpressions": [{"key": "rack", "operator": "Gt", "values": ["6"]}]}),
        2 => json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["b"]},
            {"key": "spare", "operator": "DoesNotExist"}]}),
        3 => json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}),
        _ => json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}),
    };
    json!({"nodeSelectorTerms": [requirement]})
}

fn device(
    rng: &mut Rng,
    driver: &str,
    number: usize,
    per_device: bool,
    counters: bool,
    shared: bool,
) -> Value {
    let mut device =
        json!({"name": format!("dev-{number}"), "attributes": attributes(rng, driver)});
    if per_device {
        match rng.u8(..4) {
            0 => merge(&mut device, json!({"nodeName": "node-2"})),
            1 => merge(&mut device, json!({"nodeName": "node-1"})),
            2 => merge(&mut device, json!({"allNodes": true})),
            _ => merge(&mut device, json!({"nodeSelector": selector(rng)})),
        }
    }
    if counters {
        let profiles = [
            ("5Gi", "1"),
            ("10Gi", "2"),
            ("20Gi", "3"),
            ("20Gi", "4"),
            ("40Gi", "7"),
        ];
        let (memory, units) = pick(rng, &profiles).unwrap_or(("1Gi", "1"));
        let card = format!("card-{}", rng.u8(..2));
        merge(
            &mut device,
            json!({"consumesCounters": [
                {"counterSet": card, "counters": {"memory": {"value": memory}, "units": {"value": units}}}]}),
        );
    }
    if chance(rng, 80) {
        merge(&mut device, json!({"capacity": {"memory": capacity(rng)}}));
    }
    if shared && chance(rng, 70) {
        merge(&mut device, json!({"allowMultipleAllocations": true}));
    }
    if chance(rng, 15) {
        let effect = pick(rng, &["NoSchedule", "NoExecute", "None", "Later"]);
        let value = pick(rng, &["", "a"]);
        merge(
            &mut device,
            json!({"taints": [{"key": "example.com/worn", "value": value, "effect": effect}]}),
        );
    }
    if chance(rng, 6) {
        merge(
            &mut device,
            json!({"bindingConditions": ["ready"], "bindingFailureConditions": ["broken"]}),
        );
    }
    if chance(rng, 6) {
        merge(&mut device, json!({"bindsToNode": true}));
    }
    device
}

/// Few values each, so that devices share them; now and then none, or a list.
fn attributes(rng: &mut Rng, driver: &str) -> Value {
    let mut attributes = Map::new();
    if chance(rng, 92) {
        attributes.insert("numa".to_owned(), json!({"int": rng.u8(..2)}));
    }
    if chance(rng, 92) {
        let model = pick(rng, &["a", "b", "b"]);
        // The full name and the bare one are the same attribute.
        let name = if chance(rng, 30) {
            format!("{driver}/model")
        } else {
            "model".to_owned()
        };
        attributes.insert(name, json!({"string": model}));
    }
    if chance(rng, 70) {
        let version = pick(rng, &["1.0.0", "2.1.0"]);
        attributes.insert("firmware".to_owned(), json!({"version": version}));
    }
    if chance(rng, 85) {
        let links: &[&[&str]] = &[&["x"], &["x", "y"], &["y", "z"], &["z"]];
        let links = pick(rng, links);
        let value = if chance(rng, 60) {
            json!({"strings": links})
        } else {
            json!({"string": "x"})
        };
        attributes.insert("fabric.example.com/links".to_owned(), value);
    }
    Value::Object(attributes)
}

fn capacity(rng: &mut Rng) -> Value {
    let value = pick(rng, &["40Gi", "80Gi"]);
    match rng.u8(..4) {
        0 => json!({"value": value, "requestPolicy":
            {"default": "10Gi", "validRange": {"min": "5Gi", "step": "5Gi", "max": "40Gi"}}}),
        1 => {
            json!({"value": value, "requestPolicy": {"default": "10Gi", "validValues": ["10Gi", "20Gi", "40Gi"]}})
        }
        _ => json!({"value": value}),
    }
}

/// Adds the fields of `more`.
pub(super) fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (object, more) {
        fields.extend(more);
    }
}
