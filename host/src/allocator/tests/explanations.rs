//! What a person reads when a request finds no device.

use k8s_openapi::api::resource::v1::ResourceClaim;
use serde_json::json;

use super::scene::{Scene, claim, drawing, id, node, request, set};
use crate::allocator::{Explanation, RequestIndex};

fn explain(scene: &Scene, claims: &[ResourceClaim]) -> Explanation {
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    scene
        .allocator()
        .explain(&scene.state, &node("node"), &claims)
}

#[test]
fn each_refused_device_has_the_first_rule_that_refuses_it() {
    let mut scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 10)]),
            json!([
                drawing("big", "gpu", 12),
                drawing("fits", "gpu", 5),
                {"name": "used"},
                {"name": "worn", "taints": [{"key": "worn", "value": "out", "effect": "NoExecute"}]}
            ]),
        )
        .any_slice("e.example", 2, json!({"devices": [{"name": "half"}]}))
        .any_slice(
            "f.example",
            1,
            json!({"nodeName": "elsewhere", "devices": [{"name": "far"}]}),
        )
        .any_slice(
            "g.example",
            1,
            json!({"devices": [{"name": "twin"}, {"name": "twin"}]}),
        )
        .used("d.example", "used");
    let holder = id("d.example", "pool", "used");
    scene.state.holders.insert(holder, "team/other".to_owned());
    let claims = [claim("c", json!([request("r", 4)]), json!([]))];
    let explanation = explain(&scene, &claims);
    let allocator = scene.allocator();
    let lines: Vec<String> = (explanation.requests[0].refused.iter())
        .map(|one| format!("{}: {}", allocator.device_id(one.device).device, one.rule))
        .collect();
    assert_eq!(
        lines,
        [
            "big: counter units of gpu: 12 needed, 10 left",
            "used: in use by claim team/other",
            "worn: taint worn=out:NoExecute is not tolerated",
            "half: pool e.example/pool is incomplete: 1 of 2 slices, its driver is updating it",
            "far: published for another node",
            "twin: pool g.example/pool is invalid: duplicate device name twin",
            "twin: pool g.example/pool is invalid: duplicate device name twin",
        ]
    );
    assert_eq!(
        explanation.to_string(),
        "r: devices free 1 of 4 needed; 2 in an invalid pool, 1 in an incomplete pool, 1 in use, \
         1 on other nodes, 1 tainted, 1 with exhausted counters"
    );
    assert!(!explanation.requests[0].enough());
}

#[test]
fn a_constraint_that_splits_the_devices_is_named() {
    let device =
        |name: &str, numa: i64| json!({"name": name, "attributes": {"numa": {"int": numa}}});
    let devices = json!([device("a", 0), device("b", 1), device("c", 0), {"name": "d"}]);
    let scene = Scene::default().pool("d.example", devices);
    let constraint = json!([{"matchAttribute": "d.example/numa"}]);
    let claims = [claim("c", json!([request("r", 3)]), constraint)];
    assert_eq!(
        explain(&scene, &claims).to_string(),
        "r: devices free 3 of 3 needed; 1 lacking a constrained attribute; \
         at most 2 go together by d.example/numa"
    );
}

#[test]
fn candidates_are_what_a_request_could_have_alone() {
    let scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 10)]),
            json!([
                drawing("a", "gpu", 4),
                drawing("b", "gpu", 6),
                drawing("c", "gpu", 7)
            ]),
        )
        .used("d.example", "a");
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    let index = RequestIndex {
        claim: 0,
        request: 0,
        alternative: None,
    };
    let allocator = scene.allocator();
    let found = allocator
        .candidates(&scene.state, &node("node"), &claims, index)
        .unwrap();
    assert_eq!(found, [scene.index("b")]);
    let nothing = RequestIndex {
        request: 7,
        ..index
    };
    assert!(
        allocator
            .candidates(&scene.state, &node("node"), &claims, nothing)
            .unwrap()
            .is_empty()
    );
}
