//! What the parts of this module promise together.

mod check;
mod claim;
mod properties;
mod question;

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};
use serde_json::{Value, json};

use super::{Announcement, ClaimOnNode, DeviceOfClaim, Grants, UnitId};
use crate::policy::configuration::{ContainerEdits, Plan};

/// A claim with what was allocated to it: results, and configurations.
fn claim(
    requests: Value,
    results: Value,
    config: Value,
) -> k8s_openapi::api::resource::v1::ResourceClaim {
    serde_json::from_value(json!({
        "metadata": {"name": "c", "namespace": "ns", "uid": "u-1", "labels": {"tier": "gold"}},
        "spec": {"devices": {"requests": requests}},
        "status": {"allocation": {"devices": {"results": results, "config": config}}},
    }))
    .unwrap()
}

fn result(request: &str, device: &str) -> Value {
    json!({"request": request, "driver": "gpu.nvidia.com", "pool": "node-a", "device": device})
}

/// Two whole GPUs, and one in partitions of one half each.
fn announced() -> (
    Vec<(Device, UnitId)>,
    Vec<k8s_openapi::api::resource::v1::CounterSet>,
) {
    let slices = |range: std::ops::Range<u32>| -> Value {
        let slices = range.map(|slice| (format!("memory-slice-{slice}"), json!({"value": "1"})));
        Value::Object(slices.collect())
    };
    let part = |name: &str, range| {
        json!({"name": name, "attributes": {"type": {"string": "mig"}},
        "consumesCounters": [{"counterSet": "gpu-2", "counters": slices(range)}]})
    };
    let devices = json!([
        {"name": "gpu-0", "attributes": {"type": {"string": "gpu"}, "index": {"int": 0}},
         "capacity": {"memory": {"value": "80Gi"}}},
        {"name": "gpu-1", "attributes": {"type": {"string": "gpu"}}, "allowMultipleAllocations": true,
         "capacity": {"memory": {"value": "80Gi"}}},
        {"name": "gpu-2", "attributes": {"type": {"string": "gpu"}},
         "consumesCounters": [{"counterSet": "gpu-2", "counters": slices(0..8)}]},
        part("gpu-2-mig-3g-0", 0..4),
        part("gpu-2-mig-3g-4", 4..8),
    ]);
    let devices: Vec<Device> = serde_json::from_value(devices).unwrap();
    let unit = |device: &Device| UnitId(format!("unit-{}", &device.name[4..5]));
    let sets = json!([{"name": "gpu-2", "counters": slices(0..8)}]);
    (
        devices
            .into_iter()
            .map(|device| (device.clone(), unit(&device)))
            .collect(),
        serde_json::from_value(sets).unwrap(),
    )
}

/// Reads a claim on `node-a`.
fn read(
    claim: &k8s_openapi::api::resource::v1::ResourceClaim,
) -> Result<ClaimOnNode, super::ClaimError> {
    let (devices, counter_sets) = announced();
    let here = Announcement {
        driver: "gpu.nvidia.com",
        node: "node-a",
        pool: "node-a",
        devices: devices
            .iter()
            .map(|(device, unit)| (device, unit))
            .collect(),
        counter_sets: &counter_sets,
    };
    ClaimOnNode::read(claim, "u-1", &here)
}

/// A device that the claim has for itself.
fn whole(name: &str, kind: &str) -> DeviceOfClaim {
    let kind = DeviceAttribute {
        string: Some(kind.to_owned()),
        ..DeviceAttribute::default()
    };
    DeviceOfClaim {
        request: "gpu".to_owned(),
        driver: "gpu.nvidia.com".to_owned(),
        pool: "node-a".to_owned(),
        device: name.to_owned(),
        unit: UnitId(format!("unit-of-{name}")),
        whole_unit: true,
        attributes: BTreeMap::from([("type".to_owned(), kind)]),
        ..DeviceOfClaim::default()
    }
}

fn holding(devices: Vec<DeviceOfClaim>) -> ClaimOnNode {
    ClaimOnNode {
        uid: "u-1".to_owned(),
        name: "c".to_owned(),
        namespace: "ns".to_owned(),
        node: "node-a".to_owned(),
        devices,
        parameters: Vec::new(),
    }
}

fn grants(grants: Value) -> Grants {
    serde_json::from_value(grants).unwrap()
}

fn no_edits() -> ContainerEdits {
    ContainerEdits {
        device: None,
        environment: Vec::new(),
        device_nodes: Vec::new(),
        mounts: Vec::new(),
        hooks: Vec::new(),
        network_interfaces: Vec::new(),
        additional_groups: Vec::new(),
        made_by: Vec::new(),
    }
}

fn nothing() -> Plan {
    Plan {
        actions: Vec::new(),
        edits: Vec::new(),
        statuses: Vec::new(),
    }
}
