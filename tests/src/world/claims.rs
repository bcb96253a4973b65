//! Classes and claims of a random world.

use fastrand::Rng;
use serde_json::{Value, json};

use super::devices::merge;
use super::{DRIVERS, chance, pick};

/// Selectors that hold for some devices and fail for none.
const SELECTORS: [&str; 7] = [
    r#"device.driver == "gpu.example.com""#,
    r#"device.attributes["gpu.example.com"].?numa.orValue(0) == 0"#,
    r#"device.attributes["nic.example.com"].?numa.orValue(1) == 1"#,
    r#"device.attributes[device.driver].?model.orValue("none") in ["b", "none"]"#,
    r#"!has(device.attributes["gpu.example.com"].firmware) || device.attributes["gpu.example.com"].firmware.isGreaterThan(semver("1.5.0"))"#,
    r#"device.capacity[device.driver].?memory.orValue(quantity("0")).compareTo(quantity("40Gi")) >= 0"#,
    "true",
];

/// `any` selects everything, the others a driver's devices; two have a configuration.
pub(super) fn classes(rng: &mut Rng) -> Value {
    let class = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let by_driver =
        |driver: &str| json!([{"cel": {"expression": format!("device.driver == {driver:?}")}}]);
    let [gpu, nic] = DRIVERS;
    json!([
        class("any", json!({})),
        class(
            "gpu",
            json!({"selectors": by_driver(gpu), "config": configuration(rng, gpu, None)})
        ),
        class(
            "nic",
            json!({"selectors": by_driver(nic), "config": configuration(rng, nic, None)})
        ),
    ])
}

fn configuration(rng: &mut Rng, driver: &str, requests: Option<Value>) -> Value {
    let mut entry = json!({"opaque": {"driver": driver, "parameters": {"mode": rng.u8(..3)}}});
    if let Some(requests) = requests {
        merge(&mut entry, json!({"requests": requests}));
    }
    json!([entry])
}

/// One to three, less rather than more: all must fit at once.
fn few(rng: &mut Rng, size: usize) -> usize {
    let most = size.clamp(1, 3);
    rng.usize(1..=most).min(rng.usize(1..=most))
}

/// One to three claims.
pub(super) fn claims(rng: &mut Rng, size: usize) -> Value {
    let number = few(rng, size);
    (0..number).map(|i| claim(rng, i, size)).collect()
}

fn claim(rng: &mut Rng, number: usize, size: usize) -> Value {
    let requests: Vec<Value> = (0..rng.usize(1..=size.clamp(1, 3)))
        .map(|i| request(rng, i, size))
        .collect();
    let mut names = Vec::new();
    for request in &requests {
        let name = request
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        names.push(name.to_owned());
        let alternatives = request.get("firstAvailable").and_then(Value::as_array);
        for alternative in alternatives.into_iter().flatten() {
            let alternative = alternative
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            names.push(format!("{name}/{alternative}"));
        }
    }
    let mut devices = json!({"requests": requests});
    if chance(rng, 30) {
        let constraints: Vec<Value> = (0..rng.usize(1..=2))
            .map(|_| constraint(rng, &names))
            .collect();
        merge(&mut devices, json!({"constraints": constraints}));
    }
    if chance(rng, 25) {
        let requests = json!(some(rng, &names));
        let config = configuration(rng, "gpu.example.com", Some(requests));
        merge(&mut devices, json!({"config": config}));
    }
    json!({"metadata": {"name": format!("claim-{number}"), "namespace": "default"}, "spec": {"devices": devices}})
}

fn request(rng: &mut Rng, number: usize, size: usize) -> Value {
    let mut request = json!({"name": format!("req-{number}")});
    if chance(rng, 25) {
        let alternatives: Vec<Value> = (0..rng.usize(1..=3))
            .map(|i| {
                let mut alternative = ask(rng, size);
                merge(&mut alternative, json!({"name": format!("alt-{i}")}));
                alternative
            })
            .collect();
        merge(&mut request, json!({"firstAvailable": alternatives}));
        return request;
    }
    let mut exactly = ask(rng, size);
    if chance(rng, 8) {
        merge(&mut exactly, json!({"adminAccess": chance(rng, 80)}));
    }
    merge(&mut request, json!({"exactly": exactly}));
    request
}

fn ask(rng: &mut Rng, size: usize) -> Value {
    let mut ask = json!({"deviceClassName": pick(rng, &["any", "gpu", "nic", "gpu"])});
    if chance(rng, 8) {
        merge(&mut ask, json!({"allocationMode": "All"}));
    } else {
        let count = if chance(rng, 3) { 33 } else { few(rng, size) };
        merge(
            &mut ask,
            json!({"allocationMode": "ExactCount", "count": count}),
        );
    }
    if chance(rng, 45) {
        let selectors: Vec<Value> = (0..rng.usize(1..=2))
            .map(|_| json!({"cel": {"expression": pick(rng, &SELECTORS)}}))
            .collect();
        merge(&mut ask, json!({"selectors": selectors}));
    }
    if chance(rng, 30) {
        let mut toleration = json!({"operator": pick(rng, &["Exists", "Equal", "Equal"])});
        if chance(rng, 70) {
            merge(&mut toleration, json!({"key": "example.com/worn"}));
        }
        if toleration.get("operator").and_then(Value::as_str) == Some("Equal") && chance(rng, 60) {
            merge(&mut toleration, json!({"value": "a"}));
        }
        if chance(rng, 40) {
            merge(
                &mut toleration,
                json!({"effect": pick(rng, &["NoSchedule", "NoExecute"])}),
            );
        }
        merge(&mut ask, json!({"tolerations": [toleration]}));
    }
    if chance(rng, 20) {
        let amount = pick(rng, &["3Gi", "10Gi", "12Gi", "40Gi", "100Gi"]);
        merge(
            &mut ask,
            json!({"capacity": {"requests": {"memory": amount}}}),
        );
    }
    ask
}

fn constraint(rng: &mut Rng, names: &[String]) -> Value {
    let [gpu, nic] = DRIVERS;
    let attributes = [
        format!("{gpu}/numa"),
        format!("{gpu}/model"),
        format!("{nic}/numa"),
        format!("{gpu}/firmware"),
        "fabric.example.com/links".to_owned(),
        "fabric.example.com/links".to_owned(),
    ];
    let attribute = rng.choice(&attributes);
    let mut constraint = if chance(rng, 65) {
        json!({"matchAttribute": attribute})
    } else {
        json!({"distinctAttribute": attribute})
    };
    if chance(rng, 60) {
        merge(&mut constraint, json!({"requests": some(rng, names)}));
    }
    constraint
}

fn some<'a>(rng: &mut Rng, names: &'a [String]) -> Vec<&'a str> {
    names
        .iter()
        .filter(|_| rng.bool())
        .map(String::as_str)
        .collect()
}
