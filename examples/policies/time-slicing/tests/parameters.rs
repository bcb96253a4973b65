//! Parameters as users write them, right and wrong, and what is planned for them.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may fail so")]

use supercargo_guest::bindings::exports::supercargo::policy::{configuration as raw, types};
use supercargo_guest::configuration::{Action, Plan, TimeSlice};
use supercargo_guest::export::prepare;
use supercargo_guest::serde_json::{Value, json};
use time_slicing::{GpuConfig, Interval, TimeSlicing};

fn config(sharing: Value) -> Value {
    json!({"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig", "sharing": sharing})
}

fn slicing(interval: &str) -> Value {
    config(json!({"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": interval}}))
}

fn violations(config: Value) -> Vec<String> {
    match GpuConfig::read(&config.to_string()) {
        Ok(config) => panic!("{config:?} was read"),
        Err(violations) => violations.into_iter().map(|v| v.field).collect(),
    }
}

#[test]
fn each_interval_is_read() {
    for (word, interval) in [
        ("Default", Interval::Default),
        ("Short", Interval::Short),
        ("Medium", Interval::Medium),
        ("Long", Interval::Long),
    ] {
        let read = GpuConfig::read(&slicing(word).to_string()).unwrap();
        assert_eq!(read.interval, Some(interval));
    }
}

#[test]
fn what_may_be_left_out_may_be_empty() {
    for sharing in [
        json!({"strategy": "TimeSlicing"}),
        json!({"strategy": "TimeSlicing", "timeSlicingConfig": {}}),
        json!({"strategy": "TimeSlicing", "timeSlicingConfig": null, "mpsConfig": null}),
    ] {
        let read = GpuConfig::read(&config(sharing).to_string()).unwrap();
        assert_eq!(read.interval, Some(Interval::Default));
    }
    let unshared = GpuConfig::read(&config(Value::Null).to_string()).unwrap();
    assert_eq!(unshared.interval, None);
}

#[test]
fn what_belongs_to_another_strategy_is_named() {
    let both = json!({"strategy": "TimeSlicing", "mpsConfig": {}});
    assert_eq!(violations(config(both)), ["sharing.mpsConfig"]);
    assert_eq!(
        violations(config(json!({"strategy": "MPS"}))),
        ["sharing.strategy"]
    );
}

#[test]
fn every_mistake_is_named_with_its_path() {
    let wrong = json!({"kind": "MigDeviceConfig", "sharing": {"strategy": "TimeSlicing",
        "timeSlicingConfig": {"interval": "Brief", "intervall": 1}, "mps": 1}});
    assert_eq!(
        violations(wrong),
        [
            "apiVersion",
            "kind",
            "sharing.mps",
            "sharing.timeSlicingConfig.intervall",
            "sharing.timeSlicingConfig.interval",
        ]
    );
    assert_eq!(violations(json!([])), [""]);
    assert_eq!(violations(config(json!([]))), ["sharing"]);
    assert_eq!(violations(config(json!({}))), ["sharing.strategy"]);
}

/// A claim for devices of a type each, one request a device, with parameters for requests.
fn claim(devices: &[&str], parameters: &[(&[u32], Value)]) -> raw::AllocatedClaim {
    let mut strings = vec!["gpu.nvidia.com".to_owned(), "node".to_owned()];
    let mut rows = Vec::new();
    let mut attributes = Vec::new();
    for (request, kind) in (0..).zip(devices) {
        let at = u32::try_from(strings.len()).unwrap();
        strings.extend([format!("gpu-{request}"), (*kind).to_owned()]);
        rows.push(raw::AllocatedDevice {
            request,
            driver: 0,
            pool: 1,
            name: at,
            share: None,
            admin_access: false,
        });
        attributes.push(types::Value::String(at + 1));
    }
    let parameters = parameters.iter().map(|(requests, json)| types::Parameters {
        requests: requests.to_vec(),
        driver: "gpu.nvidia.com".to_owned(),
        source: types::ParameterSource::Claim,
        json: json.to_string(),
    });
    raw::AllocatedClaim {
        uid: "u".to_owned(),
        name: None,
        namespace: None,
        node: None,
        strings,
        devices: rows,
        attributes,
        capacities: Vec::new(),
        parameters: parameters.collect(),
    }
}

fn intervals(plan: &Plan) -> Vec<(u32, TimeSlice)> {
    let steps = plan.actions.iter().filter_map(|action| match action {
        Action::SetTimeSlice(step) => Some((step.device, step.interval)),
        _ => None,
    });
    steps.collect()
}

fn planned(claim: raw::AllocatedClaim) -> Result<Plan, String> {
    prepare::<TimeSlicing>("{}".to_owned(), claim).map_err(|refusal| refusal.reason)
}

#[test]
fn the_last_parameters_for_a_request_hold() {
    let parameters: [(&[u32], Value); 3] = [
        (&[0, 1], slicing("Short")),
        (&[1], slicing("Medium")),
        (&[0], slicing("Long")),
    ];
    let plan = planned(claim(&["gpu", "gpu"], &parameters)).unwrap();
    assert_eq!(
        intervals(&plan),
        [(0, TimeSlice::Long), (1, TimeSlice::Medium)]
    );
    assert_eq!(plan.actions.len(), 4, "and the mode of each");
    assert_eq!(plan.statuses[0].json, r#"{"timeSlice":"Long"}"#);
}

#[test]
fn a_gpu_without_parameters_is_left_alone() {
    let plan = planned(claim(&["gpu", "mig"], &[(&[0], config(Value::Null))])).unwrap();
    assert!(plan.actions.is_empty());
}

#[test]
fn gpus_that_others_use_are_not_changed() {
    let mut claim = claim(&["gpu"], &[(&[0], slicing("Short"))]);
    claim.devices[0].admin_access = true;
    assert!(planned(claim).unwrap().actions.is_empty());
}

#[test]
fn a_partition_has_no_time_slices() {
    let error = planned(claim(&["mig"], &[(&[0], slicing("Short"))])).unwrap_err();
    assert!(error.starts_with("gpu-0 is no whole GPU"), "{error}");
}

#[test]
fn wrong_parameters_are_refused_with_their_path() {
    let error = planned(claim(&["gpu"], &[(&[0], slicing("Brief"))])).unwrap_err();
    assert!(
        error.starts_with("sharing.timeSlicingConfig.interval: "),
        "{error}"
    );
}
