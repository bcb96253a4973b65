//! Guidance chooses among what the rules allow; it never bends a rule, and nonsense is no crash.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::ResourceClaim;
use serde_json::json;

use super::scene::{Scene, claim, drawing, names, request, set};
use crate::allocator::{Choice, DeviceIndex, Guidance, RequestIndex};

const FIRST: RequestIndex = RequestIndex {
    claim: 0,
    request: 0,
    alternative: None,
};

fn choose(choice: Choice) -> Guidance {
    Guidance {
        choices: [(FIRST, choice)].into(),
        alternatives: BTreeMap::new(),
    }
}

fn four() -> Scene {
    let devices = json!([{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]);
    Scene::default().pool("d.example", devices)
}

fn of(scene: &Scene, devices: &[&str]) -> Vec<DeviceIndex> {
    devices.iter().map(|device| scene.index(device)).collect()
}

fn two() -> [ResourceClaim; 1] {
    [claim("c", json!([request("r", 2)]), json!([]))]
}

#[test]
fn exact_gives_these_devices_in_this_order() {
    let scene = four();
    let guidance = choose(Choice::Exact(of(&scene, &["d", "b"])));
    assert_eq!(scene.guided(&two(), &guidance), names(&[&["d", "b"]]));
}

#[test]
fn prefer_puts_devices_first_and_leaves_the_rest_in_order() {
    let scene = four();
    let guidance = choose(Choice::Prefer(of(&scene, &["c"])));
    assert_eq!(scene.guided(&two(), &guidance), names(&[&["c", "a"]]));
    let guidance = choose(Choice::Prefer(of(&scene, &["d", "b"])));
    assert_eq!(scene.guided(&two(), &guidance), names(&[&["d", "b"]]));
}

#[test]
fn a_preferred_device_in_use_is_passed_over() {
    let scene = four().used("d.example", "c");
    let guidance = choose(Choice::Prefer(of(&scene, &["c", "d"])));
    assert_eq!(scene.guided(&two(), &guidance), names(&[&["d", "a"]]));
}

#[test]
fn exact_devices_that_a_rule_forbids_do_not_fit() {
    let scene = four().used("d.example", "b");
    for wish in [&["a", "b"][..], &["a", "a"], &["a"], &["a", "c", "d"], &[]] {
        let guidance = choose(Choice::Exact(of(&scene, wish)));
        assert_eq!(scene.guided(&two(), &guidance), None, "{wish:?}");
    }
    let counters = Scene::default().partitioned(
        "d.example",
        json!([set("gpu", 8)]),
        json!([
            drawing("a", "gpu", 5),
            drawing("b", "gpu", 5),
            drawing("c", "gpu", 3)
        ]),
    );
    let guidance = choose(Choice::Exact(of(&counters, &["a", "b"])));
    assert_eq!(counters.guided(&two(), &guidance), None);
    let guidance = choose(Choice::Exact(of(&counters, &["c", "b"])));
    assert_eq!(counters.guided(&two(), &guidance), names(&[&["c", "b"]]));
}

#[test]
fn guidance_for_what_does_not_exist_does_not_fit() {
    let scene = four();
    for index in [4, u32::MAX] {
        let wish = vec![DeviceIndex(index), DeviceIndex(0)];
        assert_eq!(
            scene.guided(&two(), &choose(Choice::Exact(wish.clone()))),
            None
        );
        // A preference for what does not exist forbids nothing.
        assert_eq!(
            scene.guided(&two(), &choose(Choice::Prefer(wish))),
            names(&[&["a", "b"]])
        );
    }
    for index in [
        RequestIndex { claim: 1, ..FIRST },
        RequestIndex {
            request: 1,
            ..FIRST
        },
        RequestIndex {
            alternative: Some(0),
            ..FIRST
        },
    ] {
        let guidance = Guidance {
            choices: [(index, Choice::Exact(Vec::new()))].into(),
            alternatives: BTreeMap::new(),
        };
        assert_eq!(scene.guided(&two(), &guidance), None, "{index:?}");
    }
    for pin in [((0, 0), 0), ((0, 1), 0), ((9, 9), 9)] {
        let guidance = Guidance {
            choices: BTreeMap::new(),
            alternatives: [pin].into(),
        };
        assert_eq!(scene.guided(&two(), &guidance), None, "{pin:?}");
    }
}

#[test]
fn a_pinned_alternative_is_the_only_one_tried() {
    let scene = four();
    let sub = |name: &str, count: u32| json!({"name": name, "deviceClassName": "any", "allocationMode": "ExactCount", "count": count});
    let requests =
        json!([{"name": "r", "firstAvailable": [sub("one", 1), sub("two", 2), sub("five", 5)]}]);
    let claims = [claim("c", requests, json!([]))];
    let pinned = |alternative| Guidance {
        choices: BTreeMap::new(),
        alternatives: [((0, 0), alternative)].into(),
    };
    assert_eq!(scene.devices(&claims), names(&[&["a"]]));
    assert_eq!(scene.guided(&claims, &pinned(1)), names(&[&["a", "b"]]));
    assert_eq!(scene.guided(&claims, &pinned(2)), None);
    assert_eq!(scene.guided(&claims, &pinned(3)), None);
    let allocation = scene.allocate(&claims, &pinned(1)).unwrap().unwrap();
    let second = RequestIndex {
        alternative: Some(1),
        ..FIRST
    };
    assert_eq!(
        allocation.devices,
        [(second, of(&scene, &["a", "b"]))].into()
    );
}

#[test]
fn the_choice_of_one_request_leaves_others_to_the_search() {
    let scene = four();
    let claims = [claim(
        "c",
        json!([request("r", 1), request("s", 2)]),
        json!([]),
    )];
    let second = RequestIndex {
        request: 1,
        ..FIRST
    };
    let guidance = Guidance {
        choices: [(second, Choice::Exact(of(&scene, &["a", "c"])))].into(),
        alternatives: BTreeMap::new(),
    };
    // The first request would take `a`; it has to go back.
    assert_eq!(scene.guided(&claims, &guidance), names(&[&["b", "a", "c"]]));
}

#[test]
fn all_devices_may_be_reordered_but_not_left_out() {
    let scene = four();
    let all = super::scene::with("r", json!({"allocationMode": "All"}));
    let claims = [claim("c", json!([all]), json!([]))];
    let guidance = choose(Choice::Exact(of(&scene, &["d", "c", "b", "a"])));
    assert_eq!(
        scene.guided(&claims, &guidance),
        names(&[&["d", "c", "b", "a"]])
    );
    let guidance = choose(Choice::Exact(of(&scene, &["d", "c", "b"])));
    assert_eq!(scene.guided(&claims, &guidance), None);
    let guidance = choose(Choice::Prefer(of(&scene, &["c"])));
    assert_eq!(
        scene.guided(&claims, &guidance),
        names(&[&["c", "a", "b", "d"]])
    );
}
