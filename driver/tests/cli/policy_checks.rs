//! What `policy inspect` and `policy check` say of a good component, of one that imports, and of one
//! that differs from the contract: held as files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{component, program};

/// What the program says, run in the folder of the component.
fn told(component: &Path, arguments: &[&str]) -> String {
    let name = component.file_name().unwrap();
    let mut command = program(component.parent().unwrap(), arguments);
    super::told(&command.arg(name).output().unwrap())
}

fn nvlink_groups() -> PathBuf {
    PathBuf::from(component("nvlink-groups"))
}

/// Without what differs with the compiler and the machine: digests, sizes, times.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        filters => [
            (r"sha256:[0-9a-f]{12,64}", "sha256:DIGEST"),
            (r"\d+\.\d KiB( of| \()", "SIZE$1"),
            (r"\d+\.\d KiB after", "SIZE after"),
            (r"SIZE \(\d+ bytes\)", "SIZE"),
            (r"\d+\.\d of (\d+) ms +", "TIME of $1 ms  "),
            (r#"("?)(bytes|nanos|memoryBytes|memoryBytesAfterDescribe|initialMemoryBytes)("?): \d+"#, "$1$2$3: N"),
            (r"\d+\.\d MiB( of| to begin| after)", "SIZE$1"),
            (r"HOOK +TIME +MEMORY +ANSWER", "HOOK  TIME  MEMORY  ANSWER"),
        ],
    }, {
        insta::assert_snapshot!(format!("checks-{name}"), text);
    });
}

/// A component from its text.
fn written(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    (folder, file)
}

#[test]
fn a_policy_is_shown_for_people_and_for_programs() {
    for format in ["table", "json", "yaml"] {
        let shown = told(&nvlink_groups(), &["policy", "inspect", "-o", format]);
        snapshot(&format!("inspect-{format}"), &shown);
    }
}

#[test]
fn a_good_policy_is_called_once_for_each_hook() {
    for format in ["table", "json", "yaml"] {
        let checked = told(&nvlink_groups(), &["policy", "check", "-o", format]);
        snapshot(&format!("good-{format}"), &checked);
    }
}

#[test]
fn settings_that_do_not_fit_the_schema_are_told() {
    let settings = r#"{"groupSize": -4}"#;
    let checked = told(
        &nvlink_groups(),
        &["policy", "check", "--settings", settings],
    );
    snapshot("settings", &checked);
}

#[test]
fn imports_come_with_what_helps_in_the_language() {
    let text = r#"(component
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result u64)))))
        (@custom "producers" "componentize-py")
    )"#;
    let (_folder, file) = written("clock.wasm", text);
    snapshot("imports", &told(&file, &["policy", "check"]));
}

#[test]
fn a_difference_from_the_contract_is_shown_with_its_line() {
    let text = r#"(component
        (core module $module (func (export "describe") (result i32) i32.const 7))
        (core instance $instance (instantiate $module))
        (func $describe (result u32) (canon lift (core func $instance "describe")))
        (instance $about (export "describe" (func $describe)))
        (export "supercargo:policy/about@0.1.0" (instance $about))
    )"#;
    let (_folder, file) = written("other.wasm", text);
    snapshot("difference", &told(&file, &["policy", "check"]));
}

#[test]
fn what_cannot_be_called_without_settings_is_not_good() {
    let policy = super::component("vendor-settings");
    let check = |more: &[&str]| super::supercargo(&[&["policy", "check", &policy], more].concat());
    let none = check(&[]);
    assert_eq!(none.status.code(), Some(1), "{}", super::told(&none));
    assert!(super::told(&none).contains("no hook was called: "));
    assert!(super::told(&none).contains("give --settings"));
    let json = super::json(&check(&["-o", "json"]));
    assert_eq!(json["good"], false);
}

#[test]
fn several_components_are_one_list() {
    let (first, second) = (
        super::component("first-fit"),
        super::component("spread-numa"),
    );
    let output = super::supercargo(&["policy", "check", &first, &second, "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", super::told(&output));
    let list = super::json(&output);
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["good"], true);
}

/// `policy build` in the folder of the C example where PATH has only these programs.
fn build_with(programs: &[&str]) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    for name in programs {
        let file = folder.path().join(name);
        std::fs::write(&file, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let example = super::root().join("examples/languages/c");
    let mut command = program(&example, &["policy", "build"]);
    super::told(&command.env("PATH", folder.path()).output().unwrap())
}

#[test]
fn clang_without_its_linker_is_told_with_what_installs_it() {
    let said = build_with(&["clang-19"]);
    assert!(said.starts_with("exit 2\n"), "{said}");
    assert!(
        said.contains("wasm-ld") && said.contains("lld-19"),
        "{said}"
    );
    assert!(!build_with(&["clang-19", "wasm-ld-19"]).contains("wasm-ld"));
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let folder = TempDir::new().unwrap();
    let say =
        |arguments: &[&str]| super::told(&program(folder.path(), arguments).output().unwrap());
    let watched = say(&["policy", "build", "nosuch", "--watch"]);
    assert!(
        watched.starts_with("exit 2\n") && watched.contains("cannot watch nosuch: "),
        "{watched}"
    );
    std::fs::create_dir(folder.path().join("fixtures")).unwrap();
    let policy = super::component("first-fit");
    let empty = say(&["policy", "test", "--policy", &policy]);
    assert!(
        empty.starts_with("exit 2\n") && empty.contains("fixtures: holds no fixtures"),
        "{empty}"
    );
    std::fs::remove_dir(folder.path().join("fixtures")).unwrap();
    std::fs::write(folder.path().join("policy.yaml"), "name: a\n").unwrap();
    let none = say(&["policy", "test", "--policy", &policy]);
    assert!(none.contains("fixtures: holds no fixtures"), "{none}");
}

#[test]
fn a_policy_can_be_begun_with_every_hook_that_the_host_knows() {
    let known = supercargo_host::policy::Hook::ALL.map(|hook| hook.name());
    let begun = supercargo_guest_build::Hook::ALL.map(|hook| hook.name());
    assert_eq!(begun, known);
}
