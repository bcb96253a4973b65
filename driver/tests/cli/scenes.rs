//! The demo's scenes with the example policies, built here as users build them.

use super::{component, json, snapshot, supercargo, text};

#[test]
fn policies_place_what_first_fit_strands() {
    for (scene, name) in [("nvlink", "nvlink-groups"), ("mig", "mig-packing")] {
        let file = format!("examples/scenes/{scene}.yaml");
        let output = supercargo(&["compare", "-f", &file, "--policy", &component(name)]);
        assert_eq!(output.status.code(), Some(0));
        snapshot(&format!("compare-{scene}"), &text(&output.stdout));
        let alone = supercargo(&["allocate", "-f", &file]);
        assert_eq!(
            alone.status.code(),
            Some(1),
            "first fit was to strand something"
        );
        let with = supercargo(&[
            "allocate",
            "-f",
            &file,
            "--policy",
            &component(name),
            "--explain",
        ]);
        assert_eq!(with.status.code(), Some(0));
        snapshot(&format!("explain-{scene}"), &text(&with.stdout));
    }
}

#[test]
fn a_policy_is_inspected_and_checked() {
    let file = component("nvlink-groups");
    let inspected = supercargo(&["policy", "inspect", &file, "-o", "json"]);
    assert_eq!(inspected.status.code(), Some(0));
    let value = json(&inspected);
    assert_eq!(value["imports"], serde_json::json!([]));
    assert_eq!(value["hooks"], serde_json::json!(["select"]));
    assert!(value["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(value["problems"], serde_json::json!([]));

    let good = supercargo(&[
        "policy",
        "check",
        &file,
        "--settings",
        r#"{"split": "refuse"}"#,
    ]);
    assert_eq!(good.status.code(), Some(0));
    let bad = supercargo(&[
        "policy",
        "check",
        &file,
        "--settings",
        r#"{"split": "maybe"}"#,
    ]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("split"));
}
