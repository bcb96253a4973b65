//! Shared counters: nothing is given out twice, and nothing is withheld that is there.

use serde_json::json;

use super::scene::{Scene, claim, drawing, id, names, request, set, with};

#[test]
fn pools_of_the_same_name_have_counters_of_their_own() {
    // Two drivers that name their pools after the node; the second one's set holds one device.
    let scene = Scene::default()
        .partitioned(
            "a.example",
            json!([set("gpu", 10)]),
            json!([drawing("a-0", "gpu", 4)]),
        )
        .partitioned(
            "b.example",
            json!([set("gpu", 10)]),
            json!([drawing("b-0", "gpu", 8), drawing("b-1", "gpu", 8)]),
        );
    let both = |count| [claim("c", json!([request("r", count)]), json!([]))];
    assert_eq!(scene.devices(&both(2)), names(&[&["a-0", "b-0"]]));
    assert_eq!(scene.devices(&both(3)), None);
}

#[test]
fn counters_of_a_device_refused_for_its_taint_stay_available() {
    let mut tainted = drawing("a", "gpu", 8);
    tainted["taints"] = json!([{"key": "broken", "effect": "NoSchedule"}]);
    let scene = Scene::default().partitioned(
        "d.example",
        json!([set("gpu", 10)]),
        json!([tainted, drawing("b", "gpu", 8)]),
    );
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["b"]]));
}

#[test]
fn counters_of_a_device_refused_by_a_constraint_stay_available() {
    let numa = |name: &str, amount, numa: i64| {
        let mut device = drawing(name, "gpu", amount);
        device["attributes"] = json!({"numa": {"int": numa}});
        device
    };
    let scene = Scene::default().partitioned(
        "d.example",
        json!([set("gpu", 10)]),
        json!([numa("a", 2, 0), numa("b", 8, 1), numa("c", 8, 0)]),
    );
    let constraint = json!([{"matchAttribute": "d.example/numa"}]);
    let claims = [claim("c", json!([request("r", 2)]), constraint)];
    assert_eq!(scene.devices(&claims), names(&[&["a", "c"]]));
}

#[test]
fn counters_of_a_share_come_back_when_the_search_goes_back() {
    let shareable = |name: &str| {
        let mut device = drawing(name, "gpu", 8);
        device["allowMultipleAllocations"] = json!(true);
        device["capacity"] = json!({"memory": {"value": "10Gi"}});
        device["attributes"] = json!({"slot": {"string": name}});
        device
    };
    let scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 8)]),
            json!([shareable("a"), shareable("b")]),
        )
        .pool(
            "e.example",
            json!([{"name": "nic", "attributes": {"d.example/slot": {"string": "b"}}}]),
        );
    // The first request tries `a` in vain, since only `b` matches the NIC.
    let constraint = json!([{"matchAttribute": "d.example/slot"}]);
    let requests = json!([request("gpu", 1), request("nic", 1)]);
    let claims = [claim("c", requests, constraint)];
    assert_eq!(scene.devices(&claims), names(&[&["b", "nic"]]));
}

#[test]
fn a_device_known_by_its_shares_alone_draws_its_counters_once() {
    let mut shared = drawing("shared", "gpu", 6);
    shared["allowMultipleAllocations"] = json!(true);
    shared["capacity"] = json!({"memory": {"value": "8Gi",
        "requestPolicy": {"default": "1Gi", "validRange": {"min": "1Gi"}}}});
    let mut scene = Scene::default().partitioned(
        "d.example",
        json!([set("gpu", 10)]),
        json!([shared, drawing("rest", "gpu", 4)]),
    );
    let device = id("d.example", "pool", "shared");
    scene
        .state
        .shared
        .insert((device.clone(), "share-1".into()));
    scene.state.shared.insert((device, "share-2".into()));
    // Another share draws nothing more, and what is left serves the other device.
    let claims = [claim("c", json!([request("r", 2)]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["shared", "rest"]]));
}

#[test]
fn admin_access_draws_no_counters() {
    let scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 8)]),
            json!([drawing("a", "gpu", 8), drawing("b", "gpu", 8)]),
        )
        .used("d.example", "a");
    let admin = with("watch", json!({"adminAccess": true, "count": 2}));
    let claims = [claim("c", json!([admin]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["a", "b"]]));
    // And what it watches stays available for real use.
    let scene = Scene::default().partitioned(
        "d.example",
        json!([set("gpu", 8)]),
        json!([drawing("a", "gpu", 8), drawing("b", "gpu", 8)]),
    );
    let admin = with("watch", json!({"adminAccess": true, "count": 1}));
    let claims = [
        claim("watcher", json!([admin]), json!([])),
        claim("user", json!([request("r", 1)]), json!([])),
    ];
    assert_eq!(scene.devices(&claims), names(&[&["a"], &["a"]]));
}

#[test]
fn a_device_in_use_that_is_no_longer_published_keeps_its_counters() {
    let scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 10)]),
            json!([drawing("b", "gpu", 8)]),
        )
        .used("d.example", "gone");
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    // Nobody knows what `gone` draws, so nothing more may be given out.
    assert_eq!(scene.devices(&claims), None);

    // With its draw recorded, the rest is known.
    let with_record = |amount: &str| {
        let mut scene = Scene::default()
            .partitioned(
                "d.example",
                json!([set("gpu", 10)]),
                json!([drawing("b", "gpu", 8)]),
            )
            .used("d.example", "gone");
        let units = [("units".to_owned(), amount.parse().unwrap())].into();
        let record = [("gpu".to_owned(), units)].into();
        scene
            .state
            .counters
            .insert(id("d.example", "pool", "gone"), record);
        scene
    };
    assert_eq!(with_record("2").devices(&claims), names(&[&["b"]]));
    assert_eq!(with_record("3").devices(&claims), None);
}

#[test]
fn a_device_in_use_that_changed_keeps_the_counters_it_was_given() {
    let mut scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("gpu", 10)]),
            json!([drawing("a", "gpu", 1), drawing("b", "gpu", 8)]),
        )
        .used("d.example", "a");
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["b"]]));
    let units = [("units".to_owned(), "8".parse().unwrap())].into();
    let record = [("gpu".to_owned(), units)].into();
    scene
        .state
        .counters
        .insert(id("d.example", "pool", "a"), record);
    assert_eq!(scene.devices(&claims), None);
}

#[test]
fn an_older_generation_tells_what_a_device_in_use_draws() {
    let pool = |generation: i64| json!({"name": "pool", "generation": generation, "resourceSliceCount": 2});
    let scene = Scene::default()
        .any_slice(
            "d.example",
            2,
            json!({"pool": pool(1), "devices": [drawing("gone", "gpu", 2)]}),
        )
        .any_slice(
            "d.example",
            2,
            json!({"pool": pool(2), "devices": [drawing("b", "gpu", 8), drawing("c", "gpu", 9)]}),
        )
        .any_slice(
            "d.example",
            2,
            json!({"pool": pool(2), "sharedCounters": [set("gpu", 10)]}),
        )
        .used("d.example", "gone");
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["b"]]));
    let both = [claim("c", json!([request("r", 2)]), json!([]))];
    assert_eq!(scene.devices(&both), None);
}

#[test]
fn an_overdrawn_counter_set_blocks_only_its_own_devices() {
    let scene = Scene::default()
        .partitioned(
            "d.example",
            json!([set("one", 4), set("two", 4)]),
            json!([
                drawing("a-0", "one", 3),
                drawing("a-1", "one", 3),
                drawing("a-2", "one", 1),
                drawing("b-0", "two", 3)
            ]),
        )
        .used("d.example", "a-0")
        .used("d.example", "a-1");
    let claims = [claim("c", json!([request("r", 1)]), json!([]))];
    assert_eq!(scene.devices(&claims), names(&[&["b-0"]]));
}
