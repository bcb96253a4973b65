//! Whole clusters in, schedules out, without a policy.

use std::sync::Arc;

use super::*;
use crate::allocator::{Allocator, Features};
use crate::configuration::Configuration;
use crate::objects::{Cluster, read, workloads};
use crate::policy::{Engine, EngineOptions, Registry};

const CLASS: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec: {selectors: [{cel: {expression: device.driver == 'd.com'}}]}
---
";

fn node(name: &str, more: &str, devices: &[&str]) -> String {
    let devices: Vec<String> = devices
        .iter()
        .map(|name| format!("{{name: {name}}}"))
        .collect();
    format!(
        "
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
{more}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {{name: {name}-d.com}}
spec:
  driver: d.com
  nodeName: {name}
  pool: {{name: {name}, generation: 1, resourceSliceCount: 1}}
  devices: [{}]
---
",
        devices.join(", ")
    )
}

fn claim(name: &str, exactly: &str) -> String {
    format!(
        "
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: {name}}}
spec: {{devices: {{requests: [{{name: r, exactly: {{{exactly}}}}}]}}}}
---
"
    )
}

fn pod(name: &str, claim: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers: [{{name: c, image: i, resources: {{claims: [{{name: g}}]}}}}]
  resourceClaims: [{{name: g, resourceClaimName: {claim}}}]
---
"
    )
}

fn run(text: &[String]) -> Schedule {
    let found = read("test.yaml", &text.concat());
    assert!(!found.has_errors(), "{:#?}", found.problems);
    let (cluster, twice) = Cluster::from_objects(found.objects);
    assert!(twice.is_empty());
    let classes: Vec<_> = cluster
        .classes
        .iter()
        .map(|class| class.object.clone())
        .collect();
    let allocator = Allocator::new(Features::ALL, &cluster.tainted_slices(), &classes);
    let engine = Engine::new(EngineOptions {
        concurrency: 1,
        ..EngineOptions::default()
    })
    .unwrap();
    let none = Configuration {
        policies: Vec::new(),
        rules: Vec::new(),
        ..Configuration::single("x", "")
    };
    let placement = Placement::new(Arc::new(allocator), &none, Arc::new(Registry::new(engine)));
    let input = Input::of(&cluster, workloads::workloads(&cluster), |source| {
        source.line
    });
    let options = Options {
        budget: Budget {
            steps: 100_000,
            deadline: None,
        },
        explain_all: false,
    };
    schedule(input, &placement, options, &mut |_| ())
}

fn node_of(schedule: &Schedule, pod: usize) -> &str {
    &schedule.pods[pod].result.as_ref().unwrap().node
}

fn blockers(schedule: &Schedule, pod: usize) -> &[Blocker] {
    match schedule.pods[pod].result.as_ref().unwrap_err() {
        Pending::Blocked(blockers) => blockers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shared_claim_is_allocated_once_and_later_pods_follow_it() {
    let schedule = run(&[
        CLASS.to_owned(),
        node("a", "", &["g0"]),
        node("b", "", &["g0", "g1"]),
        claim("shared", "deviceClassName: gpu, count: 2"),
        pod("one", "shared"),
        pod("two", "shared"),
    ]);
    assert!(schedule.is_complete());
    assert_eq!((node_of(&schedule, 0), node_of(&schedule, 1)), ("b", "b"));
    assert_eq!(schedule.state.devices.len(), 2);
    let status = schedule.claims[0].claim.status.as_ref().unwrap();
    assert_eq!(status.reserved_for.as_ref().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_had_anywhere_is_told_at_once() {
    let schedule = run(&[
        CLASS.to_owned(),
        node("a", "", &["g0"]),
        claim("typo", "deviceClassName: gpus"),
        claim("watch", "deviceClassName: gpu, adminAccess: true"),
        pod("one", "typo"),
        pod("two", "watch"),
        pod("three", "nowhere"),
    ]);
    assert!(matches!(blockers(&schedule, 0), [Blocker::NoClass { class, .. }] if class == "gpus"));
    assert!(matches!(
        blockers(&schedule, 1),
        [Blocker::AdminAccess { .. }]
    ));
    assert!(matches!(blockers(&schedule, 2), [Blocker::NoClaim { .. }]));
    assert!(schedule.state.devices.is_empty());
}

#[test]
fn nodes_that_keep_pods_away_are_passed_over() {
    let schedule = run(&[
        CLASS.to_owned(),
        node("a", "spec: {unschedulable: true}", &["g0"]),
        node(
            "b",
            "spec: {taints: [{key: k, effect: NoSchedule}]}",
            &["g0"],
        ),
        node("c", "", &["g0"]),
        claim("x", "deviceClassName: gpu"),
        pod("one", "x"),
    ]);
    assert_eq!(node_of(&schedule, 0), "c");
}

#[test]
fn a_full_cluster_says_who_has_what() {
    let schedule = run(&[
        CLASS.to_owned(),
        node("a", "", &["g0"]),
        claim("first", "deviceClassName: gpu"),
        claim("second", "deviceClassName: gpu"),
    ]);
    assert!(matches!(schedule.claims[0].state, ClaimState::Now(_)));
    let ClaimState::Pending(Some(Pending::NoNodeFits(refusals))) = &schedule.claims[1].state else {
        panic!("{:?}", schedule.claims[1].state);
    };
    let Refusal::DoesNotFit {
        explanation: Some(explanation),
        ..
    } = &refusals[0].reason
    else {
        panic!("{refusals:?}");
    };
    let rule = &explanation.requests[0].refused[0].rule;
    assert_eq!(rule.to_string(), "in use by claim default/first");
}

#[test]
fn a_node_that_only_slices_name_is_a_node() {
    let slice = node("a", "", &["g0"]);
    let slice = slice.split_once("---\n").unwrap().1.to_owned();
    let schedule = run(&[
        CLASS.to_owned(),
        slice,
        claim("x", "deviceClassName: gpu"),
        pod("p", "x"),
    ]);
    assert_eq!(node_of(&schedule, 0), "a");
}
