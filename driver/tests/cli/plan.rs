//! `supercargo plan` with the example policies, built here as users build them: what is shown, what is
//! refused, and how it ends.

use std::path::{Path, PathBuf};

use super::{component, program, root};

/// The example's configuration with the components where they are, changed as a test wants it.
fn configuration(change: impl Fn(String) -> String) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(root().join("examples/configuration.yaml")).unwrap();
    let component = component("time-slicing");
    let (folder, _) = component.rsplit_once('/').unwrap();
    let text = text.replace("../target/policies", folder);
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), change(text)).unwrap();
    file
}

/// Exit status, standard output and standard error.
fn plan(claim: &Path, topology: &str, config: Option<&Path>, more: &[&str]) -> (i32, String) {
    let mut command = program(&root(), &["plan", "-f"]);
    command.arg(claim);
    command
        .arg("--topology")
        .arg(format!("examples/topologies/{topology}.yaml"));
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let output = command.args(more).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn example(name: &str) -> PathBuf {
    root().join(format!("examples/plans/{name}.yaml"))
}

/// An example's claim, changed as a test wants it.
fn changed(name: &str, change: impl Fn(String) -> String) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(
        file.path(),
        change(std::fs::read_to_string(example(name)).unwrap()),
    )
    .unwrap();
    file
}

fn snapshot(name: &str, (code, text): &(i32, String)) {
    super::snapshot(&format!("plan-{name}"), &format!("exit {code}\n{text}"));
}

#[test]
fn what_is_granted_is_shown_against_the_hardware() {
    let config = configuration(|text| text);
    let slices = plan(
        &example("time-slicing"),
        "h100-nvlink",
        Some(config.path()),
        &[],
    );
    snapshot("time-slicing", &slices);
    let partition = plan(
        &example("mig-partition"),
        "a100-mig",
        Some(config.path()),
        &[],
    );
    snapshot("mig-partition", &partition);
}

#[test]
fn what_is_not_granted_is_shown_with_the_lines_that_are_missing() {
    let config = configuration(|text| {
        text.replace("short, medium, long", "short")
            .replace(", \"3g.*\"", "")
    });
    let slices = plan(
        &example("time-slicing"),
        "h100-nvlink",
        Some(config.path()),
        &[],
    );
    snapshot("time-slicing-refused", &slices);
    let partition = plan(
        &example("mig-partition"),
        "a100-mig",
        Some(config.path()),
        &[],
    );
    snapshot("mig-partition-refused", &partition);
}

#[test]
fn wrong_parameters_are_named_by_field() {
    let config = configuration(|text| text);
    let claim = changed("time-slicing", |text| {
        text.replace("interval: Long", "interval: Brief")
    });
    let refused = plan(claim.path(), "h100-nvlink", Some(config.path()), &[]);
    snapshot("wrong-parameters", &refused);
}

#[test]
fn without_a_policy_the_host_makes_and_shows_what_was_claimed() {
    let whole = plan(&example("time-slicing"), "h100-nvlink", None, &[]);
    snapshot("no-policy-gpu", &whole);
    let partition = plan(&example("mig-partition"), "a100-mig", None, &[]);
    snapshot("no-policy-partition", &partition);
}

#[test]
fn a_plan_that_leaves_out_what_its_device_needs_is_told_to_fail() {
    // The policy for whole GPUs plans nothing for a partition.
    let config = configuration(|text| text.replace("[gpu.nvidia.com]", "[mig.nvidia.com]"));
    let (code, text) = plan(
        &example("mig-partition"),
        "a100-mig",
        Some(config.path()),
        &[],
    );
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("policy time-slicing"), "{text}");
    assert!(
        text.contains("there is no GPU instance; the plan of its claim makes none"),
        "{text}"
    );
}

#[test]
fn a_claim_without_a_device_stays_pending() {
    let (code, text) = plan(&example("mig-partition"), "h100-nvlink", None, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("stays pending: the node has no devices for it"),
        "{text}"
    );
}

#[test]
fn machines_read_the_same() {
    let config = configuration(|text| text.replace("short, medium, long", "short"));
    let run = |format| {
        plan(
            &example("time-slicing"),
            "h100-nvlink",
            Some(config.path()),
            &["-o", format],
        )
    };
    let (code, json) = run("json");
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let part = &json["claims"][0]["parts"][0];
    assert_eq!(part["policy"], "time-slicing");
    assert_eq!(part["changes"][1]["place"], "actions[1] set-time-slice");
    assert_eq!(part["changes"][1]["before"], "driverDefault");
    assert_eq!(
        part["missingGrants"],
        serde_json::json!([{"setTimeSlice": ["long"]}])
    );
    snapshot("yaml", &run("yaml"));
}

#[test]
fn bad_input_ends_with_two() {
    let config = configuration(|text| text.replace("setTimeSlice", "setTimeslice"));
    let wrong_grant = plan(
        &example("time-slicing"),
        "h100-nvlink",
        Some(config.path()),
        &[],
    );
    let (code, text) = &wrong_grant;
    assert_eq!(*code, 2, "{text}");
    assert!(
        text.contains("policies[0].grants[0].setTimeslice: unknown field"),
        "{text}"
    );
    for (claim, topology) in [
        (example("none"), "h100-nvlink"),
        (example("time-slicing"), "none"),
    ] {
        let (code, text) = plan(&claim, topology, None, &[]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("error: "), "{text}");
    }
}
