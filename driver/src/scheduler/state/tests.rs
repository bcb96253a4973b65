use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use serde_json::{Value, json};
use supercargo_host::policy::{Engine, EngineOptions};

use super::*;
use crate::scheduler::decide::Decider;
use crate::scheduler::pod::{Pod, PodObject};
use crate::scheduler::wire::{Candidates, FilterResult, MetaPod, MetaVictims};
use crate::serving::{Origin, Policies, ToldApartBy};

/// A cluster of so many nodes with `devices` GPUs each, and nothing in use.
pub(in crate::scheduler) fn cluster(nodes: usize, devices: usize) -> Arc<State> {
    let state = being_read(nodes, devices);
    Kind::ALL.into_iter().for_each(|kind| state.synced(kind));
    state
}

/// The same, and there may be more of everything.
pub(in crate::scheduler) fn being_read(nodes: usize, devices: usize) -> Arc<State> {
    let options = EngineOptions {
        concurrency: 1,
        ..EngineOptions::default()
    };
    let policies = Policies::new("", Engine::new(options).unwrap(), Origin::default()).unwrap();
    let none = supercargo_host::allocator::Allocator::from_shared(
        supercargo_host::allocator::Features::ALL,
        [],
        [],
    );
    let state = State::new(BTreeSet::new(), policies.placement(Arc::new(none)));
    state.set_class(
        "gpu",
        Some(
            serde_json::from_value(json!({"metadata": {"name": "gpu"}, "spec": {"selectors": [
            {"cel": {"expression": "device.driver == 'd'"}}]}}))
            .unwrap(),
        ),
    );
    for n in 0..nodes {
        let name = format!("node-{n}");
        state.set_node(&name, Some(BTreeMap::new()), BTreeSet::new());
        state.set_slice(&format!("slice-{n}"), Some(slice(&name, devices)));
    }
    Arc::new(state)
}

fn slice(node: &str, devices: usize) -> ResourceSlice {
    let devices: Vec<Value> = (0..devices)
        .map(|n| json!({"name": format!("gpu-{n}")}))
        .collect();
    serde_json::from_value(json!({"metadata": {"name": node}, "spec": {
        "driver": "d", "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}, "devices": devices}}))
    .unwrap()
}

/// A pending claim for so many GPUs.
pub(in crate::scheduler) fn claim(name: &str, version: u64, count: usize) -> ResourceClaim {
    serde_json::from_value(json!({
        "metadata": {"namespace": "n", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"devices": {"requests": [{"name": "gpus", "exactly": {
            "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count}}]}},
    }))
    .unwrap()
}

/// The same claim with these devices.
fn holding(
    name: &str,
    version: u64,
    node: &str,
    devices: &[&str],
    pod: Option<&str>,
) -> ResourceClaim {
    let results: Vec<Value> = devices
        .iter()
        .map(|device| json!({"request": "gpus", "driver": "d", "pool": node, "device": device}))
        .collect();
    let users: Vec<Value> = pod
        .iter()
        .map(|pod| json!({"resource": "pods", "name": pod, "uid": format!("uid-{pod}")}))
        .collect();
    let mut claim = claim(name, version, devices.len());
    claim.status = serde_json::from_value(json!({"allocation": {"devices": {"results": results},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [node]}]}]}}, "reservedFor": users}))
    .unwrap();
    claim
}

/// A pod of the scheduler `supercargo` that uses a claim.
pub(in crate::scheduler) fn pod(name: &str, claim: &str) -> Pod {
    let pod: PodObject = serde_json::from_value(pod_object(name, claim)).unwrap();
    Pod::from(pod)
}

pub(in crate::scheduler) fn pod_object(name: &str, claim: &str) -> Value {
    json!({"metadata": {"namespace": "n", "name": name, "uid": format!("uid-{name}")},
        "spec": {"schedulerName": "supercargo", "containers": [],
            "resourceClaims": [{"name": "c", "resourceClaimName": claim}]}})
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("node-{n}")).collect()
}

fn candidates(count: usize) -> Candidates<'static> {
    let names = names(count).into_iter().map(Into::into).collect();
    Candidates::of(None, Some(names)).unwrap()
}

fn filter(decider: &Decider, pod: &Pod, nodes: usize) -> FilterResult<'static> {
    decider.filter(pod, candidates(nodes))
}

fn passed(result: FilterResult) -> Vec<String> {
    assert_eq!(result.error, "");
    let names = result.node_names.unwrap();
    names.iter().map(|name| name.as_ref().to_owned()).collect()
}

#[test]
fn devices_that_a_claim_holds_are_not_offered_again() {
    let state = cluster(3, 2);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("wants", 1, 2));
    let pod = pod("p", "wants");
    assert_eq!(passed(filter(&decider, &pod, 3)).len(), 3);
    state.observe(holding("has", 2, "node-1", &["gpu-0"], None));
    let result = filter(&decider, &pod, 3);
    assert_eq!(
        result.failed_and_unresolvable_nodes["node-1"],
        "request gpus: 2 × gpu needed, at most 1 free (node-1)"
    );
    assert_eq!(passed(result), ["node-0", "node-2"]);
    state.gone("uid-has");
    assert_eq!(passed(filter(&decider, &pod, 3)).len(), 3);
}

#[test]
fn only_what_changed_is_asked_again() {
    let state = cluster(100, 2);
    let decider = Decider::new(Arc::clone(&state));
    for name in ["a", "b"] {
        state.observe(claim(name, 1, 2));
    }
    passed(filter(&decider, &pod("p", "a"), 100));
    assert_eq!(decider.counts(), (100, 0));
    state.observe(holding("has", 2, "node-7", &["gpu-0"], None));
    // Another claim, but one like the first.
    assert_eq!(passed(filter(&decider, &pod("q", "b"), 100)).len(), 99);
    assert_eq!(decider.counts(), (101, 99));
    // What changes nothing about devices changes no verdict.
    state.observe(holding("has", 3, "node-7", &["gpu-0"], Some("r")));
    state.set_node("node-8", Some(BTreeMap::new()), BTreeSet::new());
    passed(filter(&decider, &pod("q", "b"), 100));
    assert_eq!(decider.counts(), (101, 199));
}

#[test]
fn claims_are_told_apart_by_what_policies_and_rules_look_at() {
    let state = cluster(10, 2);
    let decider = Decider::new(Arc::clone(&state));
    let mut gold = claim("gold", 1, 1);
    gold.metadata.labels = Some(BTreeMap::from([("tier".to_owned(), "gold".to_owned())]));
    state.observe(claim("a", 1, 1));
    state.observe(gold);
    passed(filter(&decider, &pod("p", "a"), 10));
    passed(filter(&decider, &pod("q", "gold"), 10));
    assert_eq!(decider.counts(), (10, 10));
    decider.tell_apart_by(ToldApartBy {
        labels: true,
        ..ToldApartBy::default()
    });
    passed(filter(&decider, &pod("p", "a"), 10));
    passed(filter(&decider, &pod("q", "gold"), 10));
    assert_eq!(decider.counts(), (20, 20));
}

#[test]
fn what_changes_about_a_racks_devices_concerns_the_nodes_of_that_rack() {
    let state = cluster(100, 0);
    for n in 0..10 {
        let labels = BTreeMap::from([("rack".to_owned(), "a".to_owned())]);
        state.set_node(&format!("node-{n}"), Some(labels), BTreeSet::new());
    }
    let mut rack = slice("rack", 2);
    rack.spec.node_name = None;
    rack.spec.node_selector = serde_json::from_value(json!({"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["a"]}]}]}))
    .unwrap();
    state.set_slice("rack", Some(rack.clone()));
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("a", 1, 2));
    let pod = pod("p", "a");
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 10);
    assert_eq!(decider.counts(), (100, 0));
    state.observe(holding("has", 2, "rack", &["gpu-0"], None));
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 0);
    assert_eq!(decider.counts(), (110, 90));
    state.gone("uid-has");
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 10);
    assert_eq!(decider.counts(), (120, 180));
    // So does what it publishes.
    rack.spec.devices.as_mut().unwrap().pop();
    state.set_slice("rack", Some(rack.clone()));
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 0);
    assert_eq!(decider.counts(), (130, 270));
    // It may reach others from now on, and those that it reached no longer.
    rack.spec.node_selector = None;
    rack.spec.all_nodes = Some(true);
    rack.spec
        .devices
        .as_mut()
        .unwrap()
        .push(slice("rack", 2).spec.devices.unwrap().remove(1));
    state.set_slice("rack", Some(rack));
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 100);
    assert_eq!(decider.counts(), (230, 270));
    state.set_slice("rack", None);
    assert_eq!(passed(filter(&decider, &pod, 100)).len(), 0);
    assert_eq!(decider.counts(), (330, 270));
}

#[test]
fn a_pool_that_cannot_be_read_spoils_no_verdict_for_longer_than_it_is_there() {
    let state = cluster(2, 1);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("a", 1, 1));
    let pod = pod("p", "a");
    assert_eq!(passed(filter(&decider, &pod, 2)).len(), 2);
    let mut rack = slice("rack", 2);
    rack.spec.node_name = None;
    rack.spec.node_selector = serde_json::from_value(json!({"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "rack", "operator": "Gt", "values": ["abc"]}]}]}))
    .unwrap();
    state.set_slice("rack", Some(rack));
    assert_ne!(filter(&decider, &pod, 2).error, "");
    state.set_slice("rack", None);
    assert_eq!(passed(filter(&decider, &pod, 2)).len(), 2);
}

#[test]
fn many_nodes_are_told_apart_in_whatever_order_they_come() {
    const NODES: usize = 400;
    let state = cluster(NODES, 2);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("a", 1, 2));
    for n in (0..NODES).step_by(3) {
        let claim = format!("has-{n}");
        state.observe(holding(&claim, 2, &format!("node-{n}"), &["gpu-0"], None));
    }
    // All of them, as 7 and their number have no divisor in common.
    let order = (0..NODES).map(|n| n * 7 % NODES);
    let names: Vec<_> = order.clone().map(|n| format!("node-{n}").into()).collect();
    let nodes = Candidates::of(None, Some(names)).unwrap();
    let result = decider.filter(&pod("p", "a"), nodes);
    assert_eq!(
        result.failed_and_unresolvable_nodes.len(),
        NODES.div_ceil(3)
    );
    let free = order.filter(|n| n % 3 != 0).map(|n| format!("node-{n}"));
    assert_eq!(passed(result), free.collect::<Vec<_>>());
}

#[test]
fn a_new_node_is_not_taken_for_the_one_that_is_gone() {
    let state = cluster(2, 1);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("a", 1, 1));
    let pod = pod("p", "a");
    assert_eq!(passed(filter(&decider, &pod, 2)).len(), 2);
    state.set_node("node-1", None, BTreeSet::new());
    state.set_node("node-2", Some(BTreeMap::new()), BTreeSet::new());
    let result = filter(&decider, &pod, 3);
    assert_eq!(decider.counts(), (3, 2));
    assert_eq!(passed(result), ["node-0"]);
}

#[test]
fn a_device_is_taken_once_however_many_decide() {
    let state = cluster(1, 8);
    let decider = Decider::new(Arc::clone(&state));
    for n in 0..32 {
        state.observe(claim(&format!("c{n}"), 1, 1));
    }
    let taken = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (decider, taken) = (&decider, &taken);
            scope.spawn(move || {
                for n in (thread..32).step_by(4) {
                    let pod = pod(&format!("p{n}"), &format!("c{n}"));
                    if let Ok(got) = decider.take(&pod, "node-0") {
                        taken.lock().unwrap().extend(got.pending);
                    }
                }
            });
        }
    });
    let taken = taken.into_inner().unwrap();
    let devices: BTreeSet<String> = taken
        .iter()
        .flat_map(|claim| crate::claims::results(claim))
        .map(|result| result.device.clone())
        .collect();
    assert_eq!((taken.len(), devices.len()), (8, 8));
    assert!(state.clashes().is_empty());
}

#[test]
fn an_assumption_ends_with_the_watch_or_when_it_is_forgotten_and_not_before() {
    let state = cluster(1, 1);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("a", 1, 1));
    state.observe(claim("b", 1, 1));
    let took = decider.take(&pod("p", "a"), "node-0").unwrap();
    assert_eq!(state.sizes().assumptions, 1);
    // An old version of the claim is no news.
    state.observe(claim("a", 1, 1));
    assert!(decider.take(&pod("q", "b"), "node-0").is_err());
    // Written, and then seen.
    let mut written = (*took.pending[0]).clone();
    written.metadata.resource_version = Some("7".to_owned());
    state.wrote(written.clone());
    state.observe(claim("a", 6, 1));
    assert_eq!(state.sizes().assumptions, 1);
    state.observe(written);
    assert_eq!(state.sizes().assumptions, 0);
    assert!(decider.take(&pod("q", "b"), "node-0").is_err());
    // Released.
    state.observe(claim("a", 8, 1));
    assert!(decider.take(&pod("q", "b"), "node-0").is_ok());
    state.forget("uid-b");
    assert_eq!(state.sizes().assumptions, 0);
    assert!(decider.take(&pod("q", "b"), "node-0").is_ok());
}

#[test]
fn a_claim_that_has_its_devices_leads_to_their_node() {
    let state = cluster(3, 2);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(holding("shared", 1, "node-2", &["gpu-0"], None));
    let result = filter(&decider, &pod("p", "shared"), 3);
    assert_eq!(
        result.failed_and_unresolvable_nodes["node-0"],
        "ResourceClaim n/shared has its devices elsewhere"
    );
    assert_eq!(passed(result), ["node-2"]);
    assert!(
        decider
            .take(&pod("p", "shared"), "node-2")
            .unwrap()
            .pending
            .is_empty()
    );
    assert!(decider.take(&pod("p", "shared"), "node-0").is_err());
}

#[test]
fn a_pod_waits_for_claims_that_are_not_there_or_not_its_own() {
    let state = cluster(1, 1);
    let mut waiting = pod("p", "missing");
    let why = |pod: &Pod| state.wants(pod).unwrap_err().to_string();
    assert_eq!(why(&waiting), "there is no ResourceClaim n/missing");
    waiting.claims[0].claim = crate::scheduler::pod::Named::NotYet;
    assert!(why(&waiting).starts_with("waiting until the claim for entry \"c\""));
    state.observe(claim("made", 1, 1));
    waiting.claims[0].claim = crate::scheduler::pod::Named::Generated("made".into());
    assert!(why(&waiting).contains("was not made for this pod"));
    let mut admin = claim("admin", 1, 1);
    let requests = admin.spec.as_mut().unwrap().devices.as_mut().unwrap();
    requests.requests.as_mut().unwrap()[0]
        .exactly
        .as_mut()
        .unwrap()
        .admin_access = Some(true);
    state.observe(admin);
    assert!(why(&pod("p", "admin")).contains("label it resource.kubernetes.io/admin-access=true"));
    state.set_admin_namespace("n", true);
    assert!(state.wants(&pod("p", "admin")).is_ok());
}

#[test]
fn a_device_in_two_claims_is_seen_and_such_claims_are_not_used() {
    let state = cluster(1, 2);
    state.observe(holding("a", 1, "node-0", &["gpu-0"], None));
    assert!(state.wants(&pod("p", "a")).is_ok());
    state.observe(holding("b", 1, "node-0", &["gpu-0", "gpu-1"], None));
    assert_eq!(state.clashes(), ["d/node-0/gpu-0"]);
    let why = state.wants(&pod("p", "a")).unwrap_err().to_string();
    assert!(why.contains("d/node-0/gpu-0 is held by n/b, too"), "{why}");
}

#[test]
fn the_node_with_the_fewest_free_devices_comes_first() {
    let state = cluster(3, 4);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(holding("a", 1, "node-1", &["gpu-0", "gpu-1"], None));
    state.observe(holding("b", 1, "node-2", &["gpu-0"], None));
    state.observe(claim("c", 1, 1));
    let nodes = candidates(3);
    let scores = decider.prioritize(&pod("p", "c"), &nodes);
    let scores: Vec<i64> = scores.iter().map(|host| host.score).collect();
    assert_eq!(scores, [8, 10, 9]);
}

#[test]
fn taints_of_rules_come_and_go_with_them() {
    let state = cluster(2, 1);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("c", 1, 1));
    let rule = serde_json::from_value(json!({"metadata": {"name": "r"}, "spec": {
        "deviceSelector": {"pool": "node-1"}, "taint": {"key": "k", "effect": "NoSchedule"}}}));
    state.set_taint_rule("r", Some(rule.unwrap()));
    assert_eq!(passed(filter(&decider, &pod("p", "c"), 2)), ["node-0"]);
    state.set_taint_rule("r", None);
    assert_eq!(passed(filter(&decider, &pod("p", "c"), 2)).len(), 2);
}

#[test]
fn a_pool_that_moves_takes_what_is_held_with_it() {
    let state = cluster(2, 1);
    let decider = Decider::new(Arc::clone(&state));
    state.observe(claim("c", 1, 1));
    state.observe(holding("has", 1, "net", &["gpu-0"], None));
    let everywhere = |devices| {
        let mut slice = slice("net", devices);
        slice.spec.node_name = None;
        slice.spec.all_nodes = Some(true);
        slice
    };
    for n in 0..2 {
        state.set_slice(&format!("slice-{n}"), None);
    }
    state.set_slice("net", Some(everywhere(1)));
    assert!(passed(filter(&decider, &pod("p", "c"), 2)).is_empty());
    state.set_slice("net", Some(everywhere(2)));
    assert_eq!(passed(filter(&decider, &pod("p", "c"), 2)).len(), 2);
    let mut local = everywhere(2);
    local.spec.all_nodes = None;
    local.spec.node_name = Some("node-1".to_owned());
    state.set_slice("net", Some(local));
    assert_eq!(passed(filter(&decider, &pod("p", "c"), 2)), ["node-1"]);
    state.set_slice("net", None);
    assert!(passed(filter(&decider, &pod("p", "c"), 2)).is_empty());
}

#[test]
fn victims_are_those_whose_devices_make_room_and_no_more() {
    let state = cluster(1, 4);
    for (n, priority) in [(0, 5), (1, 1), (2, 3)] {
        let device = format!("gpu-{n}");
        let name = format!("p{n}");
        state.observe(holding(
            &format!("c{n}"),
            1,
            "node-0",
            &[&device],
            Some(&name),
        ));
        let mut victim = pod(&name, &format!("c{n}"));
        victim.node = "node-0".to_owned();
        victim.priority = priority;
        state.set_pod(&victim.uid.clone(), Some(victim));
    }
    state.observe(claim("big", 1, 3));
    let mut wants = pod("big", "big");
    let ask = |wants: &Pod, proposed: &[&str]| {
        let pods = proposed.iter().map(|uid| MetaPod { uid: (*uid).into() });
        let victims = MetaVictims {
            pods: Some(pods.collect()),
            violations: 0,
        };
        let victims = BTreeMap::from([("node-0".to_owned(), victims)]);
        let answer = crate::scheduler::preempt::preempt(&state, wants, victims);
        let mut answer = answer.node_name_to_meta_victims;
        let victims = answer.remove("node-0")?.pods?;
        Some(victims.into_iter().map(|pod| pod.uid).collect::<Vec<_>>())
    };
    wants.priority = 1;
    assert_eq!(ask(&wants, &[]), None);
    wants.priority = 10;
    assert_eq!(ask(&wants, &[]).unwrap(), ["uid-p2", "uid-p1"]);
    assert_eq!(ask(&wants, &["uid-p0"]).unwrap(), ["uid-p0", "uid-p1"]);
    wants.priority = 4;
    assert_eq!(ask(&wants, &[]).unwrap(), ["uid-p2", "uid-p1"]);
}

/// Two nodes whose pods hold a device each: on `node-0` one of priority 5, on `node-1` two of 1 and 2.
fn full() -> Arc<State> {
    let state = cluster(2, 2);
    for (name, node, device, priority) in [
        ("five", "node-0", "gpu-0", 5),
        ("nine", "node-0", "gpu-1", 9),
        ("one", "node-1", "gpu-0", 1),
        ("two", "node-1", "gpu-1", 2),
    ] {
        let claim = format!("c-{name}");
        state.observe(holding(&claim, 1, node, &[device], Some(name)));
        let mut held = pod(name, &claim);
        held.node = node.to_owned();
        held.priority = priority;
        held.labels = BTreeMap::from([("app".to_owned(), name.to_owned())]);
        state.set_pod(&held.uid.clone(), Some(held));
    }
    state
}

/// Where there is room for a pod, and after whom.
fn room(state: &State, pod: &Pod) -> String {
    use crate::scheduler::preempt::{Room, room};
    match room(state, pod, &names(2)) {
        Room::After(node, victims) => {
            let names: Vec<&str> = victims.pods.iter().map(|pod| &*pod.name).collect();
            format!("{node} after {names:?}, {} protected", victims.violations)
        }
        Room::Coming(node) => format!("{node} soon"),
        Room::Nowhere => "nowhere".to_owned(),
    }
}

#[test]
fn the_least_important_pods_go_and_none_of_equal_priority() {
    let state = full();
    state.observe(claim("single", 1, 1));
    state.observe(claim("pair", 1, 2));
    let mut single = pod("single", "single");
    let mut pair = pod("pair", "pair");
    single.priority = 1;
    assert_eq!(room(&state, &single), "nowhere");
    single.priority = 5;
    assert_eq!(room(&state, &single), "node-1 after [\"one\"], 0 protected");
    (single.priority, pair.priority) = (9, 9);
    assert_eq!(
        room(&state, &pair),
        "node-1 after [\"two\", \"one\"], 0 protected"
    );
    // Whoever is going already makes room, too.
    let mut one = (*state.pod("uid-one").unwrap()).clone();
    one.over = true;
    state.set_pod("uid-one", Some(one));
    assert_eq!(room(&state, &single), "node-1 soon");
    assert_eq!(room(&state, &pair), "node-1 after [\"two\"], 0 protected");
}

#[test]
fn a_budget_protects_pods_as_long_as_others_will_do() {
    let state = full();
    let budget = |app: &str, allowed: u32| {
        Budget::of(
            serde_json::from_value(json!({
                "metadata": {"namespace": "n"}, "spec": {"selector": {"matchLabels": {"app": app}}},
                "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1,
                    "expectedPods": 1}}))
            .unwrap(),
        )
    };
    state.observe(claim("single", 1, 1));
    state.observe(claim("pair", 1, 2));
    let (mut single, mut pair) = (pod("single", "single"), pod("pair", "pair"));
    (single.priority, pair.priority) = (100, 100);
    state.set_budget("n/one", budget("one", 0));
    assert_eq!(room(&state, &single), "node-1 after [\"two\"], 0 protected");
    state.set_budget("n/two", budget("two", 0));
    assert_eq!(
        room(&state, &single),
        "node-0 after [\"five\"], 0 protected"
    );
    state.set_budget("n/five", budget("five", 0));
    state.set_budget("n/nine", budget("nine", 1));
    assert_eq!(
        room(&state, &single),
        "node-0 after [\"nine\"], 0 protected"
    );
    assert_eq!(
        room(&state, &pair),
        "node-0 after [\"nine\", \"five\"], 1 protected"
    );
    state.set_budget("n/nine", None);
    state.set_budget("n/five", None);
    state.set_budget("n/one", None);
    pair.priority = 6;
    assert_eq!(
        room(&state, &pair),
        "node-1 after [\"two\", \"one\"], 1 protected"
    );
}

#[test]
fn what_is_freed_for_a_pod_is_closed_to_those_no_more_important() {
    let state = full();
    let decider = Decider::new(Arc::clone(&state));
    for name in ["first", "second", "third"] {
        state.observe(claim(name, 1, 1));
    }
    let of = |name: &str, priority: i64| {
        let mut pod = pod(name, name);
        pod.priority = priority;
        state.set_pod(&pod.uid.clone(), Some(pod.clone()));
        pod
    };
    let (first, second, third) = (of("first", 10), of("second", 10), of("third", 11));
    let victims = BTreeSet::from(["uid-one".to_owned()]);
    state.nominate(&first.uid, Nomination::new(&first, "node-1", victims));
    // One device will be the first pod's, so the second needs another victim.
    assert_eq!(
        room(&state, &second),
        "node-1 after [\"two\", \"one\"], 0 protected"
    );
    state.gone("uid-c-one");
    state.set_pod("uid-one", None);
    let result = filter(&decider, &second, 2);
    assert_eq!(
        result.failed_and_unresolvable_nodes["node-1"],
        "devices are being freed there for pod n/first"
    );
    assert!(decider.take(&second, "node-1").is_err());
    assert_eq!(passed(filter(&decider, &third, 2)), ["node-1"]);
    assert_eq!(passed(filter(&decider, &first, 2)), ["node-1"]);
    let mut bound = first.clone();
    bound.node = "node-1".to_owned();
    state.set_pod(&first.uid, Some(bound));
    state.review_nominations();
    assert_eq!(passed(filter(&decider, &second, 2)), ["node-1"]);
}

#[test]
fn an_extended_resource_takes_devices_where_no_device_plugin_offers_it() {
    let state = cluster(3, 2);
    state.set_class(
        "gpu",
        Some(
            serde_json::from_value(json!({"metadata": {"name": "gpu"}, "spec": {
            "extendedResourceName": "example.com/gpu", "selectors": [
                {"cel": {"expression": "device.driver == 'd'"}}]}}))
            .unwrap(),
        ),
    );
    let offers = BTreeSet::from(["example.com/gpu".to_owned()]);
    state.set_node("node-1", Some(BTreeMap::new()), offers);
    let decider = Decider::new(Arc::clone(&state));
    let pod = |count: usize| {
        let pod: PodObject = serde_json::from_value(json!({
            "metadata": {"namespace": "n", "name": "p", "uid": "uid-p"},
            "spec": {"schedulerName": "supercargo", "containers": [{"name": "main",
                "resources": {"requests": {"example.com/gpu": count.to_string()}}}]}}))
        .unwrap();
        Pod::from(pod)
    };
    assert_eq!(passed(filter(&decider, &pod(2), 3)).len(), 3);
    // On that node the scheduler itself has counted what its plugin has.
    assert_eq!(passed(filter(&decider, &pod(3), 3)), ["node-1"]);
    let (wants, _) = state.wants(&pod(2)).unwrap();
    let missing = wants.missing(&BTreeSet::new());
    let mut made = (*wants.claims(&missing).unwrap().pending[0]).clone();
    assert_eq!(
        made.metadata.generate_name.as_deref(),
        Some("p-extended-resources-")
    );
    // Once it is made, it is used where it says what the node calls for.
    made.metadata.name = Some("p-x".to_owned());
    made.metadata.uid = Some("uid-x".to_owned());
    made.metadata.resource_version = Some("7".to_owned());
    state.observe(made);
    let taken = decider.take(&pod(2), "node-0").unwrap();
    assert_eq!(taken.pending[0].metadata.name.as_deref(), Some("p-x"));
    assert_eq!(taken.mappings[0].request_name, "container-0-request-0");
    assert!(
        decider
            .take(&pod(1), "node-2")
            .unwrap_err()
            .contains("is just being allocated")
    );
    state.forget("uid-x");
    let other = decider.take(&pod(1), "node-2").unwrap_err();
    assert!(
        other.contains("was made for a node with other resources"),
        "{other}"
    );
    assert_eq!(state.idle_special().len(), 1);
    state.gone("uid-x");
    assert!(state.special_of("uid-p").is_none());
}

mod assumptions;
