//! No search runs forever, and no depth depends on the input.

use std::time::Instant;

use k8s_openapi::api::resource::v1::ResourceClaim;
use serde_json::json;

use super::scene::{BUDGET, Scene, claim, node, request, with};
use crate::allocator::{AllocateError, Budget, Guidance};

/// Devices whose attributes leave no solution, but no quick proof of that either.
fn puzzle() -> (Scene, Vec<ResourceClaim>) {
    let devices = (0..24).map(|i| {
        let links: Vec<String> = (0..6)
            .map(|j| format!("{}", (i * 7 + j * j * 5) % 23))
            .collect();
        json!({"name": format!("gpu-{i:02}"), "attributes": {"links": {"strings": links}}})
    });
    let devices: Vec<_> = devices.collect();
    let scene = Scene::default().pool("d.example", json!(devices));
    let constraint = json!([{"distinctAttribute": "d.example/links"}]);
    let claims = vec![claim("c", json!([request("r", 12)]), constraint)];
    (scene, claims)
}

#[test]
fn a_step_budget_that_runs_out_is_an_answer_of_its_own() {
    let (scene, claims) = puzzle();
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    let budget = Budget {
        steps: 3,
        deadline: None,
    };
    let answer = scene.allocator().allocate(
        &scene.state,
        &node("node"),
        &claims,
        &Guidance::default(),
        budget,
    );
    assert!(
        matches!(answer, Err(AllocateError::GaveUp { steps: 3 })),
        "{answer:?}"
    );
}

#[test]
fn a_deadline_that_passed_is_an_answer_of_its_own() {
    let (scene, claims) = puzzle();
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    let budget = Budget {
        steps: u64::MAX,
        deadline: Some(Instant::now()),
    };
    let answer = scene.allocator().allocate(
        &scene.state,
        &node("node"),
        &claims,
        &Guidance::default(),
        budget,
    );
    assert!(
        matches!(answer, Err(AllocateError::Deadline { .. })),
        "{answer:?}"
    );
}

#[test]
fn thousands_of_claims_are_no_depth() {
    let devices: Vec<_> = (0..3000)
        .map(|i| json!({"name": format!("gpu-{i}")}))
        .collect();
    let scene = Scene::default().pool("d.example", json!(devices));
    let claims: Vec<_> = (0..3000)
        .map(|i| claim(&format!("c{i}"), json!([request("r", 1)]), json!([])))
        .collect();
    let fits = scene.devices(&claims).unwrap();
    assert_eq!(fits.len(), 3000);
}

#[test]
fn too_few_devices_are_found_out_at_once() {
    let devices: Vec<_> = (0..30)
        .map(|i| json!({"name": format!("gpu-{i}")}))
        .collect();
    let scene = Scene::default().pool("d.example", json!(devices));
    let claims = [claim(
        "c",
        json!([request("a", 16), request("b", 15)]),
        json!([]),
    )];
    let allocator = scene.allocator();
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    let budget = Budget {
        steps: 100,
        deadline: None,
    };
    let answer = allocator.allocate(
        &scene.state,
        &node("node"),
        &claims,
        &Guidance::default(),
        budget,
    );
    assert!(matches!(answer, Ok(None)), "{answer:?}");
}

#[test]
fn counts_beyond_reason_are_refused_as_upstream_does() {
    let scene = Scene::default().pool("d.example", json!([{"name": "a"}]));
    for count in [33, i64::MAX] {
        let claims = [claim(
            "c",
            json!([with("r", json!({"count": count}))]),
            json!([]),
        )];
        let error = scene.allocate(&claims, &Guidance::default()).unwrap_err();
        let text = format!(
            "claim default/c, request r: adding {count} devices exceeds the claim limit of 32, with 0 already accounted for"
        );
        assert_eq!(error.to_string(), text);
    }
    let claims = [claim(
        "c",
        json!([with("r", json!({"count": i64::MIN}))]),
        json!([]),
    )];
    let claims: Vec<&ResourceClaim> = claims.iter().collect();
    let answer = scene.allocator().allocate(
        &scene.state,
        &node("node"),
        &claims,
        &Guidance::default(),
        BUDGET,
    );
    assert!(answer.unwrap().unwrap().devices.is_empty());
}
