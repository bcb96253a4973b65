//! The project's own policies become components: import-free, with just their hooks, and always the
//! same bytes. The first run on a machine builds the standard library too, which takes a minute.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use supercargo_guest_build::{BuildError, Builder, Built, interfaces};

/// What each world of the contract exports (`wit/worlds.wit`).
const WORLDS: [&[&str]; 3] = [
    &["types", "about", "allocation"],
    &["types", "about", "configuration"],
    &["types", "about", "allocation", "configuration", "inventory"],
];

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every example is here by being in the folder.
fn examples() -> Vec<String> {
    let folder = workspace().join("examples/policies");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.contains(&"first-fit".to_owned()), "{names:?}");
    names
}

fn built() -> &'static [Built] {
    static BUILT: OnceLock<Vec<Built>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let examples = examples();
        let names: Vec<&str> = examples.iter().map(String::as_str).collect();
        let built = Builder::new(workspace())
            .unwrap()
            .build_all(&names)
            .unwrap();
        assert_eq!(built.len(), names.len());
        built
    })
}

#[test]
fn every_example_imports_nothing_and_exports_what_a_world_does() {
    for policy in built() {
        let found = interfaces(&policy.wasm).unwrap();
        assert!(
            found.imports.is_empty(),
            "{}: {:?}",
            policy.package,
            found.imports
        );
        let exports: Vec<&str> = found
            .exports
            .iter()
            .filter_map(|name| {
                name.strip_prefix("supercargo:policy/")?
                    .strip_suffix("@0.1.0")
            })
            .collect();
        assert_eq!(exports.len(), found.exports.len(), "{:?}", found.exports);
        assert!(
            WORLDS.contains(&exports.as_slice()),
            "{}: {exports:?}",
            policy.package
        );
    }
}

#[test]
fn every_example_stays_small() {
    for policy in built() {
        assert!(
            policy.wasm.len() < 200_000,
            "{}: {} bytes",
            policy.package,
            policy.wasm.len()
        );
        assert_eq!(fs::read(&policy.path).unwrap(), policy.wasm);
    }
}

#[test]
fn no_component_holds_a_path_of_this_machine() {
    let home = std::env::home_dir().unwrap();
    let folders = [
        workspace().canonicalize().unwrap(),
        home.join(".cargo"),
        home.join(".rustup"),
    ];
    for policy in built() {
        for folder in &folders {
            let path = folder.to_str().unwrap().as_bytes();
            let found = policy.wasm.windows(path.len()).any(|window| window == path);
            assert!(!found, "{} holds {}", policy.package, folder.display());
        }
    }
}

#[test]
fn a_second_build_makes_the_same_bytes() {
    let first = built()
        .iter()
        .find(|policy| policy.package == "mig-packing")
        .unwrap();
    let folder = first
        .path
        .parent()
        .unwrap()
        .join("wasm32-unknown-unknown/policy/.fingerprint");
    let mut forgotten = 0;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("mig-packing-")
        {
            fs::remove_dir_all(entry.path()).unwrap();
            forgotten += 1;
        }
    }
    assert!(forgotten > 0, "cargo would not have built it again");
    let second = Builder::new(workspace())
        .unwrap()
        .build("mig-packing")
        .unwrap();
    assert!(second.wasm == first.wasm, "the bytes differ");
}

#[test]
fn a_package_that_is_not_there_is_named_with_those_that_are() {
    let error = Builder::new(workspace())
        .unwrap()
        .build("no-such-policy")
        .unwrap_err();
    assert!(matches!(error, BuildError::NoSuchPackage { .. }), "{error}");
    assert!(error.to_string().contains("first-fit"), "{error}");
}

#[test]
fn a_crate_that_exports_no_policy_is_told_the_line_it_lacks() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-a-policy");
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"not-a-policy\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    )
    .unwrap();
    fs::write(folder.join("src/lib.rs"), "#![no_std]\n//! Nothing.\n").unwrap();
    let target = built().first().unwrap().path.parent().unwrap();
    let error = Builder::new(&folder)
        .unwrap()
        .target_dir(target)
        .build_own()
        .unwrap_err();
    assert!(!matches!(error, BuildError::Manifest { .. }), "{error}");
    assert!(error.to_string().contains("not-a-policy"), "{error}");
}
