//! Constraints and admin access: what one device's choice means for the next.

use serde_json::{Value, json};

use super::scene::{Scene, claim, names, request, with};

fn devices(attribute: &str, values: &[(&str, Value)]) -> Value {
    values
        .iter()
        .map(|(name, value)| json!({"name": name, "attributes": {attribute: value}}))
        .collect()
}

#[test]
fn going_back_widens_what_a_list_has_in_common_again() {
    // After a narrows {x, y} to {y}, b fails; without restoring {x, y}, c and d would fail too.
    let scene = Scene::default().pool(
        "d.example",
        devices(
            "links",
            &[
                ("a", json!({"strings": ["x", "y"]})),
                ("b", json!({"strings": ["y", "z"]})),
                ("c", json!({"strings": ["x", "z"]})),
                ("d", json!({"strings": ["x"]})),
            ],
        ),
    );
    let constraint = json!([{"matchAttribute": "d.example/links"}]);
    let claims = [claim("c", json!([request("r", 3)]), constraint)];
    assert_eq!(scene.devices(&claims), names(&[&["a", "c", "d"]]));
}

#[test]
fn distinct_values_are_compared_with_all_devices_before() {
    let string = |value: &str| json!({"string": value});
    let scene = Scene::default().pool(
        "d.example",
        devices(
            "rack",
            &[
                ("a", string("A")),
                ("b", string("B")),
                ("c", string("A")),
                ("d", string("C")),
            ],
        ),
    );
    let distinct = json!([{"distinctAttribute": "d.example/rack"}]);
    let three = [claim("c", json!([request("r", 3)]), distinct.clone())];
    assert_eq!(scene.devices(&three), names(&[&["a", "b", "d"]]));
    let four = [claim("c", json!([request("r", 4)]), distinct)];
    assert_eq!(scene.devices(&four), None);
}

#[test]
fn distinct_values_are_still_known_after_going_back() {
    let string = |value: &str| json!({"string": value});
    let scene = Scene::default().pool(
        "d.example",
        devices(
            "rack",
            &[("a", string("A")), ("b", string("A")), ("c", string("A"))],
        ),
    );
    let distinct = json!([{"distinctAttribute": "d.example/rack"}]);
    let claims = [claim("c", json!([request("r", 2)]), distinct)];
    assert_eq!(scene.devices(&claims), None);
}

#[test]
fn admin_access_of_one_claim_leaves_the_device_to_another() {
    let scene = Scene::default().pool("d.example", json!([{"name": "only"}]));
    let admin = || {
        claim(
            "watcher",
            json!([with("r", json!({"adminAccess": true}))]),
            json!([]),
        )
    };
    let user = || claim("user", json!([request("r", 1)]), json!([]));
    assert_eq!(
        scene.devices(&[admin(), user()]),
        names(&[&["only"], &["only"]])
    );
    assert_eq!(
        scene.devices(&[user(), admin()]),
        names(&[&["only"], &["only"]])
    );
    // Within a claim a device is listed once, whatever the access.
    let requests = json!([
        with("watch", json!({"adminAccess": true})),
        request("use", 1)
    ]);
    assert_eq!(scene.devices(&[claim("both", requests, json!([]))]), None);
    // And two users never share it.
    assert_eq!(scene.devices(&[user(), user()]), None);
}
