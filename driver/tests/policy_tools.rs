//! `policy test`, `bench`, `record`, `replay`, `simulate` and `explain` on the example policies, as users
//! run them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use supercargo_guest_build::Builder;
use tempfile::TempDir;

const POLICIES: [&str; 4] = ["first-fit", "nvlink-groups", "mig-packing", "spread-numa"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A folder with the components of the example policies, each built once and called after its policy.
fn components() -> &'static Path {
    static BUILT: OnceLock<TempDir> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let folder = TempDir::new().unwrap();
            for built in Builder::new(root()).unwrap().build_all(&POLICIES).unwrap() {
                let file = folder.path().join(format!("{}.wasm", built.package));
                std::fs::write(file, built.wasm).unwrap();
            }
            folder
        })
        .path()
}

fn component(name: &str) -> String {
    let file = components().join(format!("{name}.wasm"));
    file.to_str().unwrap().to_owned()
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

fn told(output: &Output) -> String {
    let mut told = format!("exit {}\n", output.status.code().unwrap());
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            told.push_str(&format!("----- {name}\n{}", String::from_utf8_lossy(bytes)));
        }
    }
    told
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

/// What a user reads, without what differs from run to run: times, digests, folders.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => [
            (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
            (r"sha256:[0-9a-f]{12,64}", "sha256:DIGEST"),
            (r"/\S*/([a-z0-9.-]+\.(wasm|yaml|jsonl))", "FOLDER/$1"),
            (r"-gpus-[a-z0-9]{5}\b", "-gpus-xxxxx"),
        ],
    }, {
        insta::assert_snapshot!(format!("tools-{name}"), text);
    });
}

/// A copy of a policy's fixtures that may be written to.
fn fixtures_of(name: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let from = root().join("examples/policies").join(name).join("fixtures");
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

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
  metadata: {name: s}
  spec:
    driver: gpu.nvidia.com
    nodeName: n
    pool: {name: n, generation: 1, resourceSliceCount: 1}
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

#[test]
fn random_clusters_find_no_fault_in_the_examples() {
    for name in POLICIES {
        let folder = fixtures_of(name);
        let output = supercargo(&[
            "policy",
            "test",
            path(&folder),
            "--policy",
            &component(name),
            "--random",
            "150",
            "-o",
            "json",
        ]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", told(&output));
        assert_eq!(json(&output)["random"]["tried"], 150);
    }
}

#[test]
fn what_is_worse_than_first_fit_is_shrunk_to_a_fixture_that_fails() {
    // Spreading is what the policy is for; by locality that is a fault, and two devices together show it.
    let folder = fixtures_of("spread-numa");
    let flags = [
        "policy",
        "test",
        path(&folder),
        "--policy",
        &component("spread-numa"),
    ];
    let found = supercargo(
        &[
            &flags[..],
            &["--random", "200", "--worse-by", "locality", "-o", "json"],
        ]
        .concat(),
    );
    assert_eq!(found.status.code(), Some(1), "{}", told(&found));
    let fault = &json(&found)["random"]["fault"];
    assert_eq!(fault["kind"], "worse-by-locality");
    let file = fault["fixture"].as_str().unwrap();
    let fixture = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        fixture.matches("- name: dev-").count(),
        3,
        "two of one NUMA node, one of another:\n{fixture}"
    );
    let again = supercargo(&flags);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    assert!(
        told(&again).contains("its devices are not together"),
        "{}",
        told(&again)
    );
}

#[test]
fn every_hook_is_measured_on_every_topology() {
    let output = supercargo(&[
        "policy",
        "bench",
        "examples/policies/nvlink-groups",
        "--policy",
        &component("nvlink-groups"),
        "--devices",
        "8,128",
        "-o",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let value = json(&output);
    let rows = value["hooks"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let number = |field: &str| {
            row[field]
                .as_u64()
                .unwrap_or_else(|| panic!("{field}: {row}"))
        };
        assert!(number("p50Nanos") > 0 && number("p50Nanos") <= number("p99Nanos"));
        assert!(number("memoryBytes") >= 64 << 10 && number("firstFitNanos") > 0);
        assert_eq!(row["instead"], Value::Null, "{row}");
    }
    assert!(value["coldNanos"].as_u64().unwrap() > 0);
}

#[test]
fn what_is_recorded_is_replayed_bit_for_bit_and_a_changed_line_is_found() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("answers.jsonl");
    let journal = journal.to_str().unwrap();
    let recorded = supercargo(&[
        "policy",
        "record",
        "examples/policies/nvlink-groups",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert_eq!(recorded.status.code(), Some(0), "{}", told(&recorded));
    let same = supercargo(&["policy", "replay", journal]);
    snapshot("replay-same", &told(&same));
    assert_eq!(same.status.code(), Some(0));

    // Somebody edits an answer, and the end of the file is lost.
    let text = std::fs::read_to_string(journal).unwrap();
    let changed = text.replacen("\"score\":100.0", "\"score\":99.0", 1);
    assert_ne!(text, changed);
    std::fs::write(journal, &changed[..changed.len() - 40]).unwrap();
    let different = supercargo(&["policy", "replay", journal]);
    assert_eq!(different.status.code(), Some(1), "{}", told(&different));
    snapshot("replay-different", &told(&different));

    // Another policy looks at something else: that is told, and is no fault.
    let other = supercargo(&[
        "policy",
        "replay",
        journal,
        "--policy",
        &component("first-fit"),
    ]);
    assert_eq!(other.status.code(), Some(0), "{}", told(&other));
    assert!(told(&other).contains("not comparable"), "{}", told(&other));

    std::fs::remove_dir_all(format!("{journal}.policies")).unwrap();
    let gone = supercargo(&["policy", "replay", journal]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        told(&gone).contains("give one with --policy"),
        "{}",
        told(&gone)
    );
}

#[test]
fn decisions_of_allocate_are_replayed_and_explained() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("decisions.jsonl");
    let journal = journal.to_str().unwrap();
    let allocated = supercargo(&[
        "allocate",
        "-f",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert_eq!(allocated.status.code(), Some(0), "{}", told(&allocated));
    let replayed = supercargo(&["policy", "replay", journal, "-o", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", told(&replayed));
    let policy = &json(&replayed)["policies"][0];
    assert_eq!(policy["same"], policy["decisions"]);
    assert_eq!(policy["answeredByTheRecordedComponent"], true);

    let text = std::fs::read_to_string(journal).unwrap();
    let claim = text
        .split('"')
        .find(|part| part.starts_with("default/pretrain-0-gpus"))
        .unwrap();
    let explained = supercargo(&["explain", journal, "--claim", claim, "--devices"]);
    snapshot("explain-claim", &told(&explained));
    let unknown = supercargo(&["explain", journal, "--claim", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("nothing in"));

    // A second run adds to the journal.
    let before = text.lines().count();
    supercargo(&[
        "compare",
        "-f",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert!(std::fs::read_to_string(journal).unwrap().lines().count() > before);
}

#[test]
fn a_journal_that_is_none_is_bad_input() {
    for arguments in [
        &["explain", "Cargo.toml", "--claim", "x"][..],
        &["policy", "replay", "Cargo.toml"],
        &["policy", "replay", "no-such-file"],
        &[
            "allocate",
            "-f",
            "examples/scenes/nvlink.yaml",
            "--journal",
            "/no/such/folder/j",
        ],
    ] {
        let output = supercargo(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            told(&output)
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_simulation_comes_out_the_same_every_time() {
    let nvlink = component("nvlink-groups");
    let scenario = [
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/two-days.yaml",
        "--policy",
        &nvlink,
    ];
    let output = supercargo(&scenario);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    snapshot("simulate-two-days", &told(&output));
    let value = json(&supercargo(&[&scenario[..], &["-o", "json"]].concat()));
    for contender in value["contenders"].as_array().unwrap() {
        let samples = contender["samples"].as_array().unwrap();
        assert!(samples.len() > 300);
        for sample in samples {
            let number = |field: &str| sample[field].as_u64().unwrap();
            assert_eq!(number("used") + number("free"), 64);
            assert!(number("stranded") <= number("free"));
        }
    }
    let dump = [
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &nvlink,
        "--anew",
    ];
    snapshot("simulate-dump", &told(&supercargo(&dump)));
}

#[test]
fn a_wrong_scenario_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(root().join("examples/scenes/two-days.yaml")).unwrap();
    let file = write(
        &folder,
        "scenario.yaml",
        &text.replace("every: 30m", "every: often"),
    );
    let output = supercargo(&[
        "policy",
        "simulate",
        "--cluster",
        &file,
        "--policy",
        &component("first-fit"),
    ]);
    assert_eq!(output.status.code(), Some(2));
    snapshot("simulate-wrong", &told(&output));
}
