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
