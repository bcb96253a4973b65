//! Policies meet claims: what is proposed, and what is made of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use serde_json::{Value, json};
use supercargo_guest_build::Builder;
use supercargo_host::allocator::{AllocatedState, Allocator, Budget, Features};
use supercargo_host::configuration::Configuration;
use supercargo_host::placement::{Answer, Decision, Outcome, Placement, Verdict};
use supercargo_host::policy::{Engine, EngineOptions, Limits, Registry};

const BUDGET: Budget = Budget {
    steps: 200_000,
    deadline: None,
};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

/// The scripted policy, built once.
static SCRIPTED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/scripted/Cargo.toml");
    Builder::new(manifest).unwrap().build_own().unwrap().wasm
});

/// One node with four GPUs and four NICs, two of each on either NUMA node.
fn slices() -> Vec<ResourceSlice> {
    let slice = |driver: &str, prefix: &str| {
        let devices: Vec<Value> = (0..4)
            .map(|i| {
                json!({"name": format!("{prefix}-{i}"),
                       "attributes": {"resource.kubernetes.io/numaNode": {"int": i / 2}}})
            })
            .collect();
        json!({"metadata": {"name": driver}, "spec": {"driver": driver, "nodeName": "node-1",
            "pool": {"name": "node-1", "generation": 1, "resourceSliceCount": 1}, "devices": devices}})
    };
    serde_json::from_value(json!([
        slice("gpu.example.com", "gpu"),
        slice("nic.example.com", "nic")
    ]))
    .unwrap()
}

fn classes() -> Vec<DeviceClass> {
    let class = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"selectors": [
            {"cel": {"expression": format!("device.driver == '{name}.example.com'")}}]}})
    };
    serde_json::from_value(json!([class("gpu"), class("nic")])).unwrap()
}

fn node() -> Node {
    serde_json::from_value(json!({"metadata": {"name": "node-1"}})).unwrap()
}

/// A claim of one device for each class named, and its constraints.
fn claim(classes: &[&str], constraints: Value) -> ResourceClaim {
    let requests: Vec<Value> = classes
        .iter()
        .map(|class| json!({"name": class, "exactly": {"deviceClassName": class, "allocationMode": "ExactCount", "count": 1}}))
        .collect();
    serde_json::from_value(
        json!({"metadata": {"name": "claim", "namespace": "default"},
        "spec": {"devices": {"requests": requests, "constraints": constraints}}}),
    )
    .unwrap()
}

/// A policy entry that serves the class of its name by a script, and what else it says.
fn serving(class: &str, script: &Value, more: Value) -> (Value, Value) {
    let mut entry = json!({"name": class, "wasm": "scripted.wasm", "settings": script});
    entry
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    (entry, json!({"policy": class, "deviceClasses": [class]}))
}

fn placement(allocator: Allocator, entries: Vec<(Value, Value)>) -> Placement {
    let (policies, rules): (Vec<Value>, Vec<Value>) = entries.into_iter().unzip();
    let registry = Registry::new(ENGINE.clone());
    for policy in &policies {
        let name = policy["name"].as_str().unwrap();
        let settings = policy["settings"].to_string();
        registry
            .load(name, &SCRIPTED, &settings, Limits::default())
            .unwrap();
    }
    let configuration = Configuration::from_value(json!({
        "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
        "policies": policies, "rules": rules,
    }));
    Placement::new(
        Arc::new(allocator),
        &configuration.unwrap(),
        Arc::new(registry),
    )
}

fn place(claim: &ResourceClaim, entries: Vec<(Value, Value)>) -> Decision {
    let allocator = Allocator::new(Features::ALL, &slices(), &classes());
    placement(allocator, entries).place(&AllocatedState::default(), &node(), &[claim], BUDGET)
}

fn devices(decision: &Decision) -> Vec<String> {
    let allocation = decision.allocation.as_ref().unwrap();
    let results = allocation.results[0]
        .devices
        .as_ref()
        .unwrap()
        .results
        .as_ref()
        .unwrap();
    results.iter().map(|result| result.device.clone()).collect()
}

fn verdicts(decision: &Decision, asked: usize) -> Vec<Verdict> {
    match &decision.consultations[asked].answer {
        Answer::Proposals(proposals) => proposals.iter().map(|p| p.verdict).collect(),
        other => panic!("expected proposals, got {other:?}"),
    }
}

fn exact(devices: &[u32]) -> Value {
    json!({"exact": true, "devices": [devices]})
}

fn same_numa() -> Value {
    json!([{"matchAttribute": "resource.kubernetes.io/numaNode"}])
}

#[test]
fn the_first_proposal_that_holds_is_the_allocation() {
    let script = json!({"propose": [exact(&[2]), exact(&[1])]});
    let decision = place(
        &claim(&["gpu"], json!([])),
        vec![serving("gpu", &script, json!({}))],
    );
    assert_eq!(devices(&decision), ["gpu-2"]);
    assert_eq!(verdicts(&decision, 0), [Verdict::Used, Verdict::NotTried]);
    assert_eq!(decision.score, Some(50.0));
}

#[test]
fn a_preference_is_completed_by_the_allocator() {
    let script = json!({"propose": [{"exact": false, "devices": [[3]]}]});
    let decision = place(
        &claim(&["gpu"], json!([])),
        vec![serving("gpu", &script, json!({}))],
    );
    assert_eq!(devices(&decision), ["gpu-3"]);
}

#[test]
fn a_request_without_a_rule_is_first_fit_and_not_shown() {
    let decision = place(
        &claim(&["nic", "gpu"], json!([])),
        vec![serving("gpu", &json!({"tell": {}}), json!({}))],
    );
    assert_eq!(devices(&decision), ["nic-0", "gpu-0"]);
    let Answer::Proposals(proposals) = &decision.consultations[0].answer else {
        panic!("expected proposals");
    };
    let numa = "[Some(0), Some(0), Some(1), Some(1)]";
    let expected = format!("1 of {numa}; 4 devices in all, names (None, None, None)");
    assert_eq!(proposals[0].reason, expected);
}

#[test]
fn a_proposal_against_a_constraint_beyond_the_policy_gives_way_to_the_next() {
    // The NIC is on NUMA node 0 or 1, but both devices must be on one.
    let gpu = json!({"propose": [exact(&[3])]});
    let nic = json!({"propose": [exact(&[0]), exact(&[2])]});
    let decision = place(
        &claim(&["gpu", "nic"], same_numa()),
        vec![
            serving("gpu", &gpu, json!({})),
            serving("nic", &nic, json!({})),
        ],
    );
    assert_eq!(devices(&decision), ["gpu-3", "nic-2"]);
    assert_eq!(verdicts(&decision, 1), [Verdict::Infeasible, Verdict::Used]);
}

#[test]
fn an_earlier_policy_gives_way_when_a_later_one_must_not_be_ignored() {
    let gpu = json!({"propose": [exact(&[0]), exact(&[3])]});
    let nic = json!({"propose": [exact(&[2])]});
    let decision = place(
        &claim(&["gpu", "nic"], same_numa()),
        vec![
            serving("gpu", &gpu, json!({})),
            serving("nic", &nic, json!({"onNoProposal": "unschedulable"})),
        ],
    );
    assert_eq!(devices(&decision), ["gpu-3", "nic-2"]);
    assert_eq!(
        verdicts(&decision, 0),
        [Verdict::BlocksLaterPolicy, Verdict::Used]
    );
}

#[test]
fn without_a_usable_proposal_the_administrator_decides() {
    let script = json!({"refuse": "no pair is free"});
    let claim = claim(&["gpu"], json!([]));
    let lenient = place(&claim, vec![serving("gpu", &script, json!({}))]);
    assert_eq!(devices(&lenient), ["gpu-0"]);
    assert_eq!(lenient.consultations[0].outcome, Outcome::FirstFit);
    let strict = serving("gpu", &script, json!({"onNoProposal": "unschedulable"}));
    let strict = place(&claim, vec![strict]);
    assert!(strict.allocation.is_none() && strict.failure.is_none());
    assert_eq!(strict.consultations[0].outcome, Outcome::Unschedulable);
    assert!(
        matches!(&strict.consultations[0].answer, Answer::Refused(why) if why == "no pair is free")
    );
}

#[test]
fn a_crash_is_no_veto_unless_the_administrator_says_so() {
    let claim = claim(&["gpu"], json!([]));
    let strict_answers = json!({"onNoProposal": "unschedulable"});
    let lenient = place(
        &claim,
        vec![serving("gpu", &json!({"crash": {}}), strict_answers)],
    );
    assert_eq!(devices(&lenient), ["gpu-0"]);
    assert!(matches!(lenient.consultations[0].answer, Answer::Failed(_)));
    let strict = serving(
        "gpu",
        &json!({"crash": {}}),
        json!({"onFailure": "unschedulable"}),
    );
    assert!(place(&claim, vec![strict]).allocation.is_none());
}

#[test]
fn the_users_order_of_alternatives_is_not_the_policys_to_change() {
    let claim: ResourceClaim = serde_json::from_value(json!({
        "metadata": {"name": "claim"}, "spec": {"devices": {"requests": [{"name": "fast", "firstAvailable": [
            {"name": "two", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2},
            {"name": "one", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}]}]}}}))
    .unwrap();
    let script = json!({"propose": [exact(&[3]), exact(&[3, 2])]});
    let decision = place(&claim, vec![serving("gpu", &script, json!({}))]);
    // One device where two are asked for is no proposal at all, and the answer as a whole is void.
    assert_eq!(devices(&decision), ["gpu-0", "gpu-1"]);
    let script = json!({"propose": [exact(&[3, 2])]});
    let decision = place(&claim, vec![serving("gpu", &script, json!({}))]);
    assert_eq!(devices(&decision), ["gpu-3", "gpu-2"]);
}

#[test]
fn equal_situations_on_two_nodes_are_one_call() {
    let nodes = ["node-1", "node-2"];
    let slices: Vec<ResourceSlice> = nodes
        .iter()
        .flat_map(|node| {
            slices().into_iter().map(|mut slice| {
                slice.spec.node_name = Some((*node).to_owned());
                slice.spec.pool.name = (*node).to_owned();
                slice
            })
        })
        .collect();
    let allocator = Allocator::new(Features::ALL, &slices, &classes());
    let script = json!({"propose": [exact(&[1])]});
    let placement = placement(allocator, vec![serving("gpu", &script, json!({}))]);
    let claim = claim(&["gpu"], json!([]));
    for name in nodes {
        let node = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let decision = placement.place(&AllocatedState::default(), &node, &[&claim], BUDGET);
        assert_eq!(devices(&decision), ["gpu-1"]);
    }
    let counts = placement.registry().get("gpu").unwrap().counts().snapshot();
    assert_eq!((counts.calls, counts.cache_hits), (1, 1));
}
