//! Devices that are allocated in shares.

use serde_json::{Value, json};

use super::scene::{Scene, claim, id, names, request, with};
use crate::allocator::Guidance;

fn shareable(name: &str, memory: &str, policy: Value) -> Value {
    json!({"name": name, "allowMultipleAllocations": true,
        "capacity": {"memory": {"value": memory, "requestPolicy": policy}}})
}

fn share(memory: &str) -> Value {
    with("r", json!({"capacity": {"requests": {"memory": memory}}}))
}

#[test]
fn shares_add_up_to_the_capacity_and_no_further() {
    let policy = json!({"default": "10Gi", "validRange": {"min": "10Gi", "step": "5Gi"}});
    let mut scene = Scene::default().pool("d.example", json!([shareable("gpu", "80Gi", policy)]));
    let claims: Vec<_> = (0..4)
        .map(|i| claim(&format!("c{i}"), json!([share("18Gi")]), json!([])))
        .collect();
    // 18Gi are rounded up to 20Gi.
    assert_eq!(scene.devices(&claims), names(&[&["gpu"][..]; 4]));
    let consumed = [("memory".to_owned(), "5Gi".parse().unwrap())].into();
    scene
        .state
        .capacity
        .insert(id("d.example", "pool", "gpu"), consumed);
    assert_eq!(scene.devices(&claims), None);
    assert_eq!(scene.devices(&claims[..3]), names(&[&["gpu"][..]; 3]));
}

#[test]
fn what_a_share_consumes_and_its_id_are_in_the_result() {
    let policy = json!({"default": "10Gi", "validValues": ["10Gi", "20Gi"]});
    let scene = Scene::default().pool("d.example", json!([shareable("gpu", "80Gi", policy)]));
    let claims = [claim("c", json!([share("11Gi")]), json!([]))];
    let allocation = scene
        .allocate(&claims, &Guidance::default())
        .unwrap()
        .unwrap();
    let result = serde_json::to_value(&allocation.results[0]).unwrap();
    assert_eq!(
        result["devices"]["results"],
        json!([{"request": "r", "driver": "d.example", "pool": "pool", "device": "gpu",
            "shareID": "00000000-0000-4000-8000-000000000000",
            "consumedCapacity": {"memory": "20Gi"}}])
    );
}

#[test]
fn admin_access_consumes_no_capacity() {
    let mut scene =
        Scene::default().pool("d.example", json!([shareable("gpu", "80Gi", Value::Null)]));
    let consumed = [("memory".to_owned(), "80Gi".parse().unwrap())].into();
    scene
        .state
        .capacity
        .insert(id("d.example", "pool", "gpu"), consumed);
    let user = claim("user", json!([request("r", 1)]), json!([]));
    assert_eq!(scene.devices(&[user]), None);
    let admin = claim(
        "admin",
        json!([with("r", json!({"adminAccess": true}))]),
        json!([]),
    );
    assert_eq!(scene.devices(&[admin]), names(&[&["gpu"]]));
}

#[test]
fn a_step_of_zero_refuses_the_device_instead_of_dividing_by_it() {
    let policy = json!({"default": "10Gi", "validRange": {"min": "10Gi", "step": "0"}});
    let scene = Scene::default().pool("d.example", json!([shareable("gpu", "80Gi", policy)]));
    let claims = [claim("c", json!([share("18Gi")]), json!([]))];
    assert_eq!(scene.devices(&claims), None);
}
