//! Fixtures: run, reported, blessed.

use super::*;

/// A fixture that the nvlink-groups policy does not meet.
const WRONG: &str = "# the second group is tighter\ndriver: gpu.nvidia.com\ndevices:\n\
- {name: gpu-0, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}\n\
- {name: gpu-1, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}\n\
- {name: gpu-2, attributes: {supercargo.dev/nvlinkGroup: {string: b}}}\n\
expect:\n  gpu: [gpu-0]\nrequests: [{name: gpu, count: 1}]\n";

#[test]
fn the_fixtures_of_the_sdk_hold_for_the_component_in_the_whole_host() {
    for name in POLICIES {
        let folder = format!("examples/policies/{name}");
        let output = supercargo(&["policy", "test", &folder, "--policy", &component(name)]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        snapshot(&format!("test-{name}"), &told(&output));
    }
}

#[test]
fn what_differs_is_told_reported_and_blessed() {
    let folder = fixtures_of("nvlink-groups");
    let wrong = write(&folder, "wrong.yaml", WRONG);
    let report = folder.path().join("report.xml");
    let flags = [
        "policy",
        "test",
        path(&folder),
        "--policy",
        &component("nvlink-groups"),
    ];
    let junit = ["--junit", report.to_str().unwrap()];
    let failed = supercargo(&[&flags[..], &junit].concat());
    assert_eq!(failed.status.code(), Some(1));
    snapshot("test-wrong", &told(&failed));
    let xml = std::fs::read_to_string(&report).unwrap();
    assert!(xml.contains("tests=\"7\" failures=\"1\""), "{xml}");
    assert!(
        xml.contains("expected devices gpu: gpu-0, got gpu: gpu-2"),
        "{xml}"
    );

    let blessed = supercargo(&[&flags[..], &["--bless"]].concat());
    assert_eq!(blessed.status.code(), Some(0), "{}", told(&blessed));
    let now = std::fs::read_to_string(&wrong).unwrap();
    assert!(now.starts_with("# the second group is tighter\n"), "{now}");
    assert!(
        now.ends_with("requests: [{name: gpu, count: 1}]\nexpect:\n  gpu: [gpu-2]\n"),
        "{now}"
    );
    assert_eq!(supercargo(&flags).status.code(), Some(0));
}

/// Blesses with `first-fit` or `brittle` a fixture that must not change, and gives back what is said.
fn not_blessed(name: &str, policy: &str, text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, name, text);
    let component = component(policy);
    let flags = ["policy", "test", path(&folder), "--policy", &component];
    let output = supercargo(&[&flags[..], &["--bless"]].concat());
    let said = told(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), text, "{said}");
    assert!(
        said.contains("FAILED") && !said.contains("blessed\n"),
        "{said}"
    );
    // Columns are wrapped.
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

const DEVICES: &str = "driver: gpu.example.com\ndevices: [{name: gpu-0}, {name: gpu-1}]\n";

#[test]
fn what_no_fixture_can_expect_is_not_blessed_and_costs_no_fixture() {
    let one = format!("{DEVICES}requests: [{{name: gpu, count: 1}}]\n");
    let three = format!("{DEVICES}requests: [{{name: gpu, count: 3}}]\nexpect: {{gpu: [gpu-0]}}\n");
    for (text, policy) in [
        (
            format!("{one}settings: {{nonsense: 1}}\nexpect: {{gpu: [gpu-1]}}\n"),
            "brittle",
        ),
        (
            format!("{one}hook: validate\nquestion: {{}}\nanswer: []\n"),
            "brittle",
        ),
        (three, "brittle"),
        (
            format!(
                "{one}expect: {{gpu: [gpu-1]}}\nthen: [{{requests: [{{name: all, count: 2}}]}}]\n"
            ),
            "brittle",
        ),
        (
            format!("{one}hook: prepare\nplan: {{actions: []}}\nthen: 1\n").replace(
                "then: 1\n",
                "expect: {gpu: [gpu-1]}\nsettings: {fault: trapsAtThree, nonsense: 2}\n",
            ),
            "brittle",
        ),
    ] {
        let said = not_blessed("a.yaml", policy, &text);
        assert!(said.contains("not blessed:"), "{text}\n{said}");
    }
    let json = r#"{"driver": "a.example", "devices": [{"name": "a"}, {"name": "b"}],
        "requests": [{"name": "r"}], "expect": {"r": ["b"]}}"#;
    let said = not_blessed("a.json", "brittle", json);
    assert!(said.contains("is JSON, and only YAML"), "{said}");
}

#[test]
fn one_that_traps_keeps_no_other_from_being_blessed() {
    let folder = TempDir::new().unwrap();
    let traps = format!(
        "{DEVICES}requests: [{{name: gpu, count: 2}}]\nhook: prepare\nsettings: {{fault: trapsWhenPreparing}}\nplan: {{actions: []}}\n"
    );
    let trapping = write(&folder, "a.yaml", &traps);
    let other = write(
        &folder,
        "b.yaml",
        "driver: gpu.example.com\ndevices: [{name: \"0\"}, {name: \"true\"}]\nexpect:\n  \"no\": [\"true\"]\n# kept\n  more: [x]\nrequests: [{name: \"no\", count: 2}]\n",
    );
    let policy = component("brittle");
    let flags = ["policy", "test", path(&folder), "--policy", &policy];
    let output = supercargo(&[&flags[..], &["--bless"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(std::fs::read_to_string(trapping).unwrap(), traps);
    assert_eq!(
        std::fs::read_to_string(&other).unwrap(),
        "driver: gpu.example.com\ndevices: [{name: \"0\"}, {name: \"true\"}]\n# kept\nrequests: [{name: \"no\", count: 2}]\nexpect:\n  \"no\": [\"0\", \"true\"]\n"
    );
    let alone = ["policy", "test", &other, "--policy", &policy];
    assert_eq!(supercargo(&alone).status.code(), Some(0));
}

#[test]
fn a_claim_that_comes_later_must_be_answered_too() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "later.yaml",
        &format!("{DEVICES}- {{name: gpu-2}}\nrequests: [{{name: gpu}}]\nsettings: {{fault: stints}}\nthen: [{{requests: [{{name: pair, count: 2}}]}}]\n")
            .replace("devices: [{name: gpu-0}, {name: gpu-1}]\n", "devices:\n- {name: gpu-0}\n- {name: gpu-1}\n"),
    );
    let output = supercargo(&[
        "policy",
        "test",
        path(&folder),
        "--policy",
        &component("brittle"),
        "-o",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let problem = json(&output)["cases"][0]["problems"][0].to_string();
    assert!(problem.starts_with("\"then[0]: "), "{problem}");
}

#[test]
fn wrong_settings_of_one_fixture_hide_no_other() {
    let folder = TempDir::new().unwrap();
    let fixture = |settings: &str| {
        format!(
            "{DEVICES}requests: [{{name: gpu}}]\nsettings: {settings}\nexpect: {{gpu: [gpu-0]}}\n"
        )
    };
    write(&folder, "a-wrong.yaml", &fixture("{nonsense: 1}"));
    write(&folder, "b-right.yaml", &fixture("{fault: null}"));
    let policy = component("brittle");
    let test = [
        "policy",
        "test",
        path(&folder),
        "--policy",
        &policy,
        "-o",
        "json",
    ];
    let output = supercargo(&test);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let report = json(&output);
    assert_eq!(report["cases"][0]["passed"], false);
    assert_eq!(report["cases"][1]["passed"], true);
    assert_eq!(report["coverage"]["prepare"], 0);
}

#[test]
fn devices_are_compared_beside_a_plan_too() {
    let folder = TempDir::new().unwrap();
    let text = format!(
        "{DEVICES}requests: [{{name: gpu}}]\nplan: {{}}\nexpect: {{gpu: [gpu-1]}}\nhook: prepare\n"
    );
    let file = write(&folder, "a.yaml", &text);
    let policy = component("brittle");
    let test = ["policy", "test", path(&folder), "--policy", &policy];
    let output = supercargo(&test);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let blessed = supercargo(&[&test[..], &["--bless"]].concat());
    assert_eq!(blessed.status.code(), Some(0), "{}", told(&blessed));
    let now = std::fs::read_to_string(file).unwrap();
    assert!(
        now.ends_with("hook: prepare\nexpect:\n  gpu: [gpu-0]\nplan: {}\n"),
        "{now}"
    );
    let asked = "hook: validate\nquestion: {}\nsettings: {leastWatts: 1, mostWatts: 2}\nexpect: {gpu: [a]}\n";
    write(&folder, "a.yaml", asked);
    let foreign = supercargo(&[
        "policy",
        "test",
        path(&folder),
        "--policy",
        &component("vendor-settings"),
    ]);
    assert_eq!(foreign.status.code(), Some(2), "{}", told(&foreign));
    assert!(
        told(&foreign).contains("no claim gets devices"),
        "{}",
        told(&foreign)
    );
}

#[test]
fn a_fixture_may_hold_kubernetes_objects_and_claims_that_come_later() {
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "objects.yaml",
        r#"
objects:
- apiVersion: resource.k8s.io/v1
  kind: DeviceClass
  metadata: {name: gpu}
- apiVersion: resource.k8s.io/v1
  kind: ResourceSlice
  metadata: {name: slice}
  spec:
    driver: gpu.nvidia.com
    nodeName: node-a
    pool: {name: node-a, generation: 1, resourceSliceCount: 1}
    devices:
    - {name: gpu-0, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}
    - {name: gpu-1, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}
    - {name: gpu-2, attributes: {supercargo.dev/nvlinkGroup: {string: b}}}
- apiVersion: resource.k8s.io/v1
  kind: ResourceClaim
  metadata: {name: c}
  spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu}}]}}
expect: {gpu: [gpu-2]}
"#,
    );
    write(
        &folder,
        "later.yaml",
        "driver: gpu.nvidia.com\ndevices:\n\
         - {name: gpu-0, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}\n\
         - {name: gpu-1, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}\n\
         - {name: gpu-2, attributes: {supercargo.dev/nvlinkGroup: {string: b}}}\n\
         requests: [{name: gpu, count: 1}]\n\
         then: [{requests: [{name: pair, count: 2}], expect: {pair: [gpu-0, gpu-1]}}]\n\
         together: supercargo.dev/nvlinkGroup\nstrandsAtMost: 0\n",
    );
    let test = |policy: &str| {
        supercargo(&[
            "policy",
            "test",
            path(&folder),
            "--policy",
            &component(policy),
        ])
    };
    assert_eq!(
        test("nvlink-groups").status.code(),
        Some(0),
        "{}",
        told(&test("nvlink-groups"))
    );
    // First fit takes gpu-0 and leaves no pair: the same fixtures fail.
    let other = test("first-fit");
    assert_eq!(other.status.code(), Some(1));
    snapshot("test-later", &told(&other));
}

#[test]
fn a_fixture_that_makes_no_sense_is_bad_input() {
    for (name, text, told_to_be) in [
        (
            "unknown",
            "driver: a\nnoSuchField: 1\n",
            "unknown field `noSuchField`",
        ),
        (
            "hook",
            "driver: a\nhook: chose\n",
            "no hook is called `chose`",
        ),
        (
            "question",
            "hook: validate\nquestion: {driver: a}\n",
            "does not implement `validate`",
        ),
        ("empty", "", "the file is empty"),
    ] {
        let folder = TempDir::new().unwrap();
        write(&folder, &format!("{name}.yaml"), text);
        let output = supercargo(&[
            "policy",
            "test",
            path(&folder),
            "--policy",
            &component("first-fit"),
        ]);
        let told = told(&output);
        assert!(told.contains(told_to_be), "{told}");
        assert_eq!(
            output.status.code(),
            Some(if name == "question" { 1 } else { 2 }),
            "{told}"
        );
    }
}
