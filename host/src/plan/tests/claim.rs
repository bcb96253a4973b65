//! Reading claims: what is refused, precedence of parameters, and who serves what.

use serde_json::{Value, json};

use super::super::{ClaimError, ClaimOnNode};
use super::{claim, read, result};
use crate::policy::configuration::Placement;

fn requests() -> Value {
    json!([{"name": "gpu", "exactly": {"deviceClassName": "gpu"}},
           {"name": "other", "exactly": {"deviceClassName": "mig"}}])
}

fn config(source: &str, requests: &[&str], value: &str) -> Value {
    json!({"source": source, "requests": requests,
           "opaque": {"driver": "gpu.nvidia.com", "parameters": {"interval": value}}})
}

/// The values of the parameters that hold for a request, in rising precedence.
fn held(claim: &ClaimOnNode, request: &str) -> Vec<String> {
    let own = claim.parameters.iter();
    own.filter(|parameters| parameters.requests.iter().any(|name| name == request))
        .map(|parameters| {
            let value: Value = serde_json::from_str(&parameters.json).unwrap();
            value["interval"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn with_config(config: Value) -> ClaimOnNode {
    let results = json!([result("gpu", "gpu-0"), result("other", "gpu-2")]);
    read(&claim(requests(), results, config)).unwrap()
}

#[test]
fn what_a_claim_wrote_stands_above_what_a_class_wrote_wherever_it_stands() {
    let claim = with_config(json!([
        config("FromClaim", &[], "Long"),
        config("FromClass", &["gpu"], "Short"),
    ]));
    assert_eq!(held(&claim, "gpu"), ["Short", "Long"]);
    assert_eq!(held(&claim, "other"), ["Long"]);
    assert!(claim.parameters[0].from_class && !claim.parameters[1].from_class);
}

#[test]
fn a_later_entry_for_all_requests_stands_above_an_earlier_one_for_one() {
    let claim = with_config(json!([
        config("FromClaim", &["gpu"], "Short"),
        config("FromClaim", &[], "Long"),
    ]));
    assert_eq!(held(&claim, "gpu"), ["Short", "Long"]);
    assert_eq!(claim.parameters[1].requests, ["gpu", "other"]);
}

#[test]
fn classes_keep_their_order() {
    let claim = with_config(json!([
        config("FromClass", &["gpu"], "Short"),
        config("FromClass", &["other", "gpu"], "Medium"),
    ]));
    assert_eq!(held(&claim, "gpu"), ["Short", "Medium"]);
    assert_eq!(held(&claim, "other"), ["Medium"]);
}

#[test]
fn parameters_of_other_drivers_and_requests_are_left_out() {
    let foreign = json!({"source": "FromClaim",
        "opaque": {"driver": "nic.example.com", "parameters": {"interval": "Short"}}});
    let claim = with_config(json!([foreign, config("FromClaim", &["nic"], "Short")]));
    assert_eq!(claim.parameters, []);
}

#[test]
fn parameters_for_a_request_hold_for_the_alternative_that_was_taken() {
    let requests = json!([{"name": "gpu", "firstAvailable": [
        {"name": "big", "deviceClassName": "gpu"}, {"name": "small", "deviceClassName": "mig"}]}]);
    let config = json!([
        config("FromClaim", &["gpu"], "Long"),
        config("FromClaim", &["gpu/small"], "Short"),
        config("FromClaim", &["gpu/big"], "Medium"),
    ]);
    let claim = read(&claim(
        requests,
        json!([result("gpu/big", "gpu-0")]),
        config,
    ))
    .unwrap();
    assert_eq!(held(&claim, "gpu/big"), ["Long", "Medium"]);
}

#[test]
fn a_claim_that_is_another_one_by_now_is_refused() {
    let mut other = claim(requests(), json!([result("gpu", "gpu-0")]), json!([]));
    other.metadata.uid = Some("u-2".to_owned());
    assert!(matches!(read(&other), Err(ClaimError::OtherUid { found, .. }) if found == "u-2"));
}

#[test]
fn a_claim_without_devices_here_is_refused_with_the_reason() {
    let mut none = claim(requests(), json!([]), json!([]));
    assert!(matches!(read(&none), Err(ClaimError::NotOurs { .. })));
    none.status = None;
    assert!(matches!(read(&none), Err(ClaimError::NotAllocated { .. })));
    let gone = claim(requests(), json!([result("gpu", "gpu-9")]), json!([]));
    let error = read(&gone).unwrap_err();
    assert!(error.to_string().contains("gpu-9"), "{error}");
    assert!(matches!(error, ClaimError::NotAnnounced { .. }));
    let mut elsewhere = result("gpu", "gpu-0");
    elsewhere["pool"] = json!("node-b");
    let elsewhere = claim(requests(), json!([elsewhere]), json!([]));
    assert!(
        matches!(read(&elsewhere), Err(ClaimError::OtherNode { pool, .. }) if pool == "node-b")
    );
}

#[test]
fn devices_of_other_drivers_are_left_out() {
    let nic =
        json!({"request": "other", "driver": "nic.example.com", "pool": "p", "device": "nic-0"});
    let claim = claim(requests(), json!([nic, result("gpu", "gpu-0")]), json!([]));
    let names: Vec<_> = read(&claim)
        .unwrap()
        .devices
        .into_iter()
        .map(|d| d.device)
        .collect();
    assert_eq!(names, ["gpu-0"]);
}

#[test]
fn the_counters_tell_who_has_a_gpu_alone() {
    let requests = json!([{"name": "gpu", "exactly": {"deviceClassName": "gpu", "count": 5}}]);
    let names = [
        "gpu-0",
        "gpu-1",
        "gpu-2",
        "gpu-2-mig-3g-0",
        "gpu-2-mig-3g-4",
    ];
    let results = names.map(|name| result("gpu", name));
    let claim = read(&claim(requests, json!(results), json!([]))).unwrap();
    let alone: Vec<_> = claim.devices.iter().map(|d| d.whole_unit).collect();
    assert_eq!(
        alone,
        [true, false, true, false, false],
        "shared, whole, and in parts"
    );
    let slices: Vec<_> = claim.devices.iter().map(|d| d.memory_slices).collect();
    let run = |start, size| Some(Placement { start, size });
    assert_eq!(slices, [None, None, run(0, 8), run(0, 4), run(4, 4)]);
}

#[test]
fn each_part_of_a_claim_is_a_claim_of_its_own() {
    let config = json!([
        config("FromClaim", &[], "Long"),
        config("FromClaim", &["other"], "Short")
    ]);
    let results = json!([
        result("gpu", "gpu-0"),
        result("other", "gpu-2"),
        result("gpu", "gpu-1")
    ]);
    let claim = claim(requests(), results, config);
    let on_node = read(&claim).unwrap();
    let mut asked = Vec::new();
    let who = |class: &str| {
        asked.push(class.to_owned());
        Ok::<_, ClaimError>(class == "gpu")
    };
    let parts = on_node.divide(&claim, who, bool::eq).unwrap();
    assert_eq!(asked, ["gpu", "mig"], "once for each request");
    let [(true, gpus), (false, others)] = &parts[..] else {
        panic!("{parts:?}")
    };
    let names = gpus.claim.devices.iter().map(|d| d.device.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["gpu-0", "gpu-1"]);
    assert_eq!(
        (&gpus.positions, &others.positions),
        (&vec![0, 2], &vec![1])
    );
    assert_eq!(held(&gpus.claim, "gpu"), ["Long"]);
    let told = gpus.claim.parameters.len();
    assert_eq!(told, 1, "what is for others is not told");
    assert_eq!(held(&others.claim, "other"), ["Long", "Short"]);
    assert_eq!(on_node.part(gpus.requests.clone()), *gpus);

    let together = on_node.divide(&claim, |_| Ok::<_, ClaimError>(()), |_, _| true);
    assert_eq!(together.unwrap()[0].1.claim, on_node);

    let mut wrong = on_node;
    wrong.devices[0].request = "gone".to_owned();
    let wrong = wrong.divide(&claim, |_| Ok(()), |_, _| true);
    assert!(matches!(wrong, Err(ClaimError::NoSuchRequest { .. })));
}

#[test]
fn a_checkpoint_without_the_newer_fields_is_read() {
    let old = json!({"request": "gpu", "driver": "d", "pool": "p", "device": "x", "unit": "u"});
    let device: super::DeviceOfClaim = serde_json::from_value(old).unwrap();
    assert!(
        !device.whole_unit,
        "what is not known is not taken for granted"
    );
}
