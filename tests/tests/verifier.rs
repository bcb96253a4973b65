//! The verifier finds what is wrong: one right allocation, and one thing wrong with it at a time.
//!
//! A verifier that lets everything pass would make every property hold.

use std::error::Error;

use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};
use serde_json::{Value, json};
use supercargo_host::allocator::{AllocatedState, DeviceId, Features};
use supercargo_tests::verify::{Situation, violations};

/// A situation and its right allocation, as JSON, to be spoilt.
#[derive(Clone)]
struct Scene {
    features: Features,
    slices: Value,
    classes: Value,
    state: AllocatedState,
    claims: Value,
    results: Value,
}

type Tested = Result<(), Box<dyn Error>>;

const ALL: Features = Features {
    admin_access: true,
    prioritized_list: true,
    partitionable_devices: true,
    device_taints: true,
    device_binding: true,
    consumable_capacity: true,
    list_type_attributes: true,
};

fn gpu(name: &str, numa: i64, card: &str) -> Value {
    json!({
        "name": name,
        "attributes": {"numa": {"int": numa}, "links": {"strings": ["x", name]}},
        "capacity": {"memory": {"value": "40Gi"}},
        "consumesCounters": [{"counterSet": card, "counters": {"units": {"value": "4"}}}],
    })
}

fn scene() -> Scene {
    let pool = |count: i64| json!({"name": "node-1", "generation": 2, "resourceSliceCount": count});
    let mut worn = gpu("gpu-3", 1, "card-1");
    if let Some(worn) = worn.as_object_mut() {
        worn.insert(
            "taints".to_owned(),
            json!([{"key": "worn", "value": "a", "effect": "NoSchedule"}]),
        );
    }
    let shared = json!({
        "name": "nic-0",
        "allowMultipleAllocations": true,
        "capacity": {"bandwidth": {"value": "40G", "requestPolicy":
            {"default": "10G", "validRange": {"min": "5G", "step": "5G", "max": "20G"}}}},
    });
    let device = |request: &str, device: &str| json!({"request": request, "driver": "gpu.example.com", "pool": "node-1", "device": device});
    let share = |request: &str, id: &str, amount: &str| {
        json!({"request": request, "driver": "nic.example.com", "pool": "rack", "device": "nic-0",
            "shareID": id, "consumedCapacity": {"bandwidth": amount}})
    };
    let here = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]});
    let zone = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]});
    let config = json!({"driver": "gpu.example.com", "parameters": {"mode": 1}});
    Scene {
        features: ALL,
        slices: json!([
            {"metadata": {"name": "a"}, "spec": {"driver": "gpu.example.com", "pool": pool(2), "nodeName": "node-1",
                "devices": [gpu("gpu-0", 0, "card-0"), gpu("gpu-1", 0, "card-1"), gpu("gpu-2", 1, "card-0"), worn]}},
            {"metadata": {"name": "b"}, "spec": {"driver": "gpu.example.com", "pool": pool(2), "nodeName": "node-1",
                "sharedCounters": [
                    {"name": "card-0", "counters": {"units": {"value": "7"}}},
                    {"name": "card-1", "counters": {"units": {"value": "8"}}}]}},
            {"metadata": {"name": "c"}, "spec": {"driver": "nic.example.com", "nodeSelector": zone,
                "pool": {"name": "rack", "generation": 1, "resourceSliceCount": 1}, "devices": [shared]}},
        ]),
        classes: json!([
            {"metadata": {"name": "gpu"}, "spec": {
                "selectors": [{"cel": {"expression": "device.driver == 'gpu.example.com'"}}],
                "config": [{"opaque": config}]}},
            {"metadata": {"name": "nic"}, "spec": {
                "selectors": [{"cel": {"expression": "device.driver == 'nic.example.com'"}}]}},
        ]),
        state: AllocatedState::default(),
        claims: json!([
            {"metadata": {"name": "one"}, "spec": {"devices": {
                "requests": [
                    {"name": "pair", "firstAvailable": [
                        {"name": "big", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 9},
                        {"name": "two", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2}]},
                    {"name": "spare", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1,
                        "selectors": [{"cel": {"expression": "device.attributes['gpu.example.com'].numa == 1"}}],
                        "tolerations": [{"key": "worn", "operator": "Exists"}]}}],
                "constraints": [{"requests": ["pair"], "matchAttribute": "gpu.example.com/numa"},
                    {"requests": ["pair/two"], "matchAttribute": "gpu.example.com/links"}]}}},
            {"metadata": {"name": "two"}, "spec": {"devices": {
                "requests": [
                    {"name": "net", "exactly": {"deviceClassName": "nic", "allocationMode": "All",
                        "capacity": {"requests": {"bandwidth": "7G"}}}},
                    {"name": "net-2", "exactly": {"deviceClassName": "nic", "allocationMode": "ExactCount", "count": 1}},
                    {"name": "watch", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1,
                        "adminAccess": true}}]}}},
            {"metadata": {"name": "three"}, "spec": {"devices": {"requests": [
                {"name": "net", "exactly": {"deviceClassName": "nic", "allocationMode": "ExactCount", "count": 1,
                    "capacity": {"requests": {"bandwidth": "20G"}}}}]}}},
        ]),
        results: json!([
            {"devices": {
                "results": [device("pair/two", "gpu-0"), device("pair/two", "gpu-1"),
                    {"request": "spare", "driver": "gpu.example.com", "pool": "node-1", "device": "gpu-3",
                        "tolerations": [{"key": "worn", "operator": "Exists"}]}],
                "config": [{"source": "FromClass", "opaque": config}]},
             "nodeSelector": here},
            {"devices": {
                "results": [share("net", "s-1", "10G"), share("net-2", "s-2", "10G"),
                    {"request": "watch", "driver": "gpu.example.com", "pool": "node-1", "device": "gpu-0",
                        "adminAccess": true}],
                "config": [{"source": "FromClass", "requests": ["watch"], "opaque": config}]},
             "nodeSelector": here},
            {"devices": {"results": [share("net", "s-3", "20G")]}, "nodeSelector": zone},
        ]),
    }
}

fn verify(scene: Scene) -> Result<Vec<String>, Box<dyn Error>> {
    let slices: Vec<ResourceSlice> = serde_json::from_value(scene.slices)?;
    let classes: Vec<DeviceClass> = serde_json::from_value(scene.classes)?;
    let claims: Vec<ResourceClaim> = serde_json::from_value(scene.claims)?;
    let results: Vec<AllocationResult> = serde_json::from_value(scene.results)?;
    let node =
        serde_json::from_value(json!({"metadata": {"name": "node-1", "labels": {"zone": "a"}}}))?;
    let situation = Situation {
        features: scene.features,
        slices: &slices,
        classes: &classes,
        state: &scene.state,
        node: &node,
        claims: &claims.iter().collect::<Vec<_>>(),
    };
    Ok(violations(&situation, &results))
}

/// Spoils the scene and wants a violation that says so.
fn finds(what: &str, spoil: impl FnOnce(&mut Scene)) -> Tested {
    let mut scene = scene();
    spoil(&mut scene);
    let wrong = verify(scene)?;
    assert!(
        wrong.iter().any(|text| text.contains(what)),
        "want a violation with {what:?}, got {wrong:#?}"
    );
    Ok(())
}

fn id(driver: &str, pool: &str, device: &str) -> DeviceId {
    DeviceId {
        driver: driver.into(),
        pool: pool.into(),
        device: device.into(),
    }
}

#[test]
fn a_right_allocation_breaks_nothing() -> Tested {
    let wrong = verify(scene())?;
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn the_device_must_be_there() -> Tested {
    let gone = "not a device of a current, complete, valid pool";
    finds(gone, |scene| {
        scene.results[0]["devices"]["results"][0]["device"] = json!("gpu-9")
    })?;
    finds(gone, |scene| {
        scene.results[0]["devices"]["results"][0]["pool"] = json!("rack")
    })?;
    finds(gone, |scene| {
        scene.slices[0]["spec"]["nodeName"] = json!("node-2")
    })?;
    finds(gone, |scene| {
        scene.slices[0]["spec"]["pool"]["generation"] = json!(1)
    })?;
    finds(gone, |scene| {
        scene.slices[1]["spec"]["pool"]["generation"] = json!(3)
    })?;
    finds(gone, |scene| {
        for slice in 0..2 {
            scene.slices[slice]["spec"]["pool"]["resourceSliceCount"] = json!(3);
        }
    })?;
    finds(gone, |scene| {
        scene.slices[0]["spec"]["devices"][2]["name"] = json!("gpu-0")
    })?;
    finds(gone, |scene| {
        scene.slices[1]["spec"]["sharedCounters"][0]["name"] = json!("card-1")
    })?;
    finds(gone, |scene| {
        scene.slices[1]["spec"]["sharedCounters"][0]["name"] = json!("card-2")
    })?;
    let zone = "/spec/nodeSelector/nodeSelectorTerms/0/matchExpressions/0/values";
    finds(gone, |scene| {
        scene.slices[2]
            .pointer_mut(zone)
            .map(|values| *values = json!(["b"]))
            .unwrap_or_default();
    })
}

#[test]
fn every_request_gets_what_it_asks_for() -> Tested {
    finds("has no such request", |scene| {
        scene.results[0]["devices"]["results"][0]["request"] = json!("pair")
    })?;
    finds("asks for 3 devices", |scene| {
        scene.claims[0]["spec"]["devices"]["requests"][0]["firstAvailable"][1]["count"] = json!(3);
    })?;
    finds("got no device", |scene| {
        scene.results[2]["devices"]["results"] = json!([]);
    })?;
    finds("several alternatives", |scene| {
        scene.results[0]["devices"]["results"][1]["request"] = json!("pair/big");
    })?;
    finds("not in the order of the requests", |scene| {
        if let Some(list) = scene.results[0]["devices"]["results"].as_array_mut() {
            list.reverse();
        }
    })?;
    finds("asks for all devices", |scene| {
        scene.claims[0]["spec"]["devices"]["requests"][1]["exactly"]["allocationMode"] =
            json!("All");
    })?;
    finds("incomplete or invalid pool", |scene| {
        scene.slices[0]["spec"]["pool"]["resourceSliceCount"] = json!(9)
    })?;
    finds("0 results for 3 claims", |scene| scene.results = json!([]))
}

#[test]
fn the_device_must_suit_the_request() -> Tested {
    finds("a selector is false", |scene| {
        scene.results[0]["devices"]["results"][2]["device"] = json!("gpu-0")
    })?;
    finds("there is no class", |scene| {
        scene.classes[0]["metadata"]["name"] = json!("other")
    })?;
    finds("taint worn is not tolerated", |scene| {
        scene.claims[0]["spec"]["devices"]["requests"][1]["exactly"]["tolerations"][0]["effect"] =
            json!("NoExecute");
    })?;
    finds("also given to", |scene| {
        scene.results[0]["devices"]["results"][1]["device"] = json!("gpu-0")
    })?;
    finds("is in use", |scene| {
        scene
            .state
            .devices
            .insert(id("gpu.example.com", "node-1", "gpu-1"));
    })?;
    finds("adminAccess is not the request's", |scene| {
        scene.results[0]["devices"]["results"][0]["adminAccess"] = json!(true);
    })?;
    finds("tolerations are not the request's", |scene| {
        scene.results[0]["devices"]["results"][2]["tolerations"] = json!([]);
    })?;
    finds("binding conditions are not the device's", |scene| {
        scene.slices[0]["spec"]["devices"][0]["bindingConditions"] = json!(["ready"]);
    })
}

#[test]
fn gates_that_are_off_are_kept() -> Tested {
    finds("alternatives while", |scene| {
        scene.features.prioritized_list = false
    })?;
    finds("admin access while", |scene| {
        scene.features.admin_access = false
    })?;
    finds("asks for capacity while", |scene| {
        scene.features.consumable_capacity = false
    })?;
    finds("consumes counters while", |scene| {
        scene.features.partitionable_devices = false;
        scene.slices[0]["spec"]["pool"]["resourceSliceCount"] = json!(2);
        scene.slices[1]["spec"]
            .as_object_mut()
            .map(|spec| spec.remove("sharedCounters"));
    })?;
    finds("a selector is false", |scene| {
        scene.features.device_binding = false;
        scene.slices[0]["spec"]["devices"][0]["bindingConditions"] = json!(["ready"]);
    })?;
    finds("has no value to compare", |scene| {
        scene.features.list_type_attributes = false
    })
}

#[test]
fn constraints_hold() -> Tested {
    finds("numa does not match", |scene| {
        scene.slices[0]["spec"]["devices"][1]["attributes"]["numa"] = json!({"int": 7});
    })?;
    finds("numa does not match", |scene| {
        scene.slices[0]["spec"]["devices"][1]["attributes"]["numa"] = json!({"string": "0"});
    })?;
    finds("has no attribute", |scene| {
        scene.slices[0]["spec"]["devices"][1]["attributes"]
            .as_object_mut()
            .map(|all| all.remove("numa"));
    })?;
    finds("links does not match", |scene| {
        scene.slices[0]["spec"]["devices"][1]["attributes"]["links"] = json!({"string": "y"});
    })?;
    finds("numa is not distinct", |scene| {
        scene.claims[0]["spec"]["devices"]["constraints"] =
            json!([{"distinctAttribute": "gpu.example.com/numa"}]);
    })
}

#[test]
fn counters_are_not_overdrawn() -> Tested {
    finds("counter units of card-1 holds 7", |scene| {
        scene.slices[1]["spec"]["sharedCounters"][1]["counters"]["units"]["value"] = json!("7");
    })?;
    finds("counter units of card-0 holds 7", |scene| {
        scene
            .state
            .devices
            .insert(id("gpu.example.com", "node-1", "gpu-2"));
    })
}

#[test]
fn shares_fit_into_the_whole() -> Tested {
    let whole = "bandwidth is 40G";
    finds(whole, |scene| {
        let in_use = scene
            .state
            .capacity
            .entry(id("nic.example.com", "rack", "nic-0"))
            .or_default();
        if let Ok(amount) = "1G".parse() {
            in_use.insert("bandwidth".to_owned(), amount);
        }
    })?;
    finds("the result says", |scene| {
        scene.results[1]["devices"]["results"][0]["consumedCapacity"]["bandwidth"] = json!("7G");
    })?;
    finds("is taken", |scene| {
        scene.results[1]["devices"]["results"][1]["shareID"] = json!("s-1")
    })?;
    finds("is taken", |scene| {
        scene
            .state
            .shared
            .insert((id("nic.example.com", "rack", "nic-0"), "s-1".into()));
    })?;
    finds("has no share id", |scene| {
        scene.results[2]["devices"]["results"][0]
            .as_object_mut()
            .map(|device| device.remove("shareID"));
    })?;
    finds("cannot give what is asked", |scene| {
        scene.claims[2]["spec"]["devices"]["requests"][0]["exactly"]["capacity"]["requests"]["bandwidth"] =
            json!("21G");
    })?;
    finds("cannot give what is asked", |scene| {
        scene.claims[2]["spec"]["devices"]["requests"][0]["exactly"]["capacity"]["requests"] =
            json!({"latency": "1"});
    })?;
    finds("a device that cannot be shared", |scene| {
        scene.results[0]["devices"]["results"][0]["shareID"] = json!("s-9");
    })
}

#[test]
fn configuration_and_nodes_are_told() -> Tested {
    finds("want configuration", |scene| {
        scene.results[0]["devices"]["config"] = json!([])
    })?;
    finds("want configuration", |scene| {
        scene.results[1]["devices"]["config"][0]["requests"] = json!([])
    })?;
    finds("want node requirements", |scene| {
        scene.results[0]["nodeSelector"] = Value::Null
    })?;
    finds("want node requirements", |scene| {
        scene.results[2]["nodeSelector"] = scene.results[0]["nodeSelector"].clone()
    })
}
