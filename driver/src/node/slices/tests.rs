//! The publisher against an API server in memory, and what both are made of.

mod apiserver;
mod convergence;
mod limits;
mod publisher;

use k8s_openapi::api::resource::v1::{CounterSet, Device};
use serde_json::{Value, json};
use supercargo_host::plan::UnitId;

use super::Owner;
use crate::devices::{Announced, AnnouncedDevice};

fn owner() -> Owner {
    Owner {
        driver: "gpu.example.com".to_owned(),
        node: "node-1".to_owned(),
    }
}

fn device(value: Value) -> AnnouncedDevice {
    let device: Device = serde_json::from_value(value).unwrap();
    let unit = UnitId(device.name.clone());
    AnnouncedDevice { device, unit }
}

/// Devices `gpu-0`, `gpu-1`, ... and counter sets `set-0`, ..., all marked with a model.
fn announced(devices: usize, sets: usize, model: &str) -> Announced {
    let devices = (0..devices).map(|number| {
        device(json!({"name": format!("gpu-{number}"),
            "attributes": {"model": {"string": model}, "index": {"int": number}},
            "capacity": {"memory": {"value": "1024Mi"}}}))
    });
    let sets = (0..sets).map(|number| -> CounterSet {
        serde_json::from_value(json!({"name": format!("set-{number}"),
            "counters": {"memory": {"value": "40Gi"}}}))
        .unwrap()
    });
    Announced {
        devices: devices.collect(),
        counter_sets: sets.collect(),
    }
}
