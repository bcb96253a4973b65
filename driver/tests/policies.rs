//! The demo's scenes with the example policies, built here as users build them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use supercargo_guest_build::Builder;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The component of an example policy; all are built once.
fn policy(name: &str) -> String {
    static BUILT: OnceLock<Vec<(String, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let builder = Builder::new(root()).unwrap();
        let built = builder
            .build_all(&["nvlink-groups", "mig-packing"])
            .unwrap();
        built
            .into_iter()
            .map(|built| (built.package, built.path))
            .collect()
    });
    let (_, path) = built.iter().find(|(package, _)| package == name).unwrap();
    path.to_str().unwrap().to_owned()
}

fn supercargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn policies_place_what_first_fit_strands() {
    for (scene, name) in [("nvlink", "nvlink-groups"), ("mig", "mig-packing")] {
        let file = format!("examples/scenes/{scene}.yaml");
        let output = supercargo(&["compare", "-f", &file, "--policy", &policy(name)]);
        assert_eq!(output.status.code(), Some(0));
        snapshot(&format!("compare-{scene}"), &stdout(&output));
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
            &policy(name),
            "--explain",
        ]);
        assert_eq!(with.status.code(), Some(0));
        snapshot(&format!("explain-{scene}"), &stdout(&with));
    }
}

#[test]
fn a_policy_is_inspected_and_checked() {
    let file = policy("nvlink-groups");
    let inspected = supercargo(&["policy", "inspect", &file, "-o", "json"]);
    assert_eq!(inspected.status.code(), Some(0));
    let value: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
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
    assert!(String::from_utf8(bad.stderr).unwrap().contains("split"));
}
