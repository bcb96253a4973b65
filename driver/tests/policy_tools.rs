//! `policy test`, `bench`, `record`, `replay`, `simulate` and `explain` on the example policies, as users
//! run them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

#[path = "policy_tools/bench.rs"]
mod bench;
#[path = "policy_tools/fixtures.rs"]
mod fixtures;
#[path = "policy_tools/journal.rs"]
mod journal;
#[path = "policy_tools/random.rs"]
mod random;
#[path = "policy_tools/simulate.rs"]
mod simulate;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use supercargo_guest_build::Builder;
use tempfile::TempDir;

const POLICIES: [&str; 4] = ["first-fit", "nvlink-groups", "mig-packing", "spread-numa"];

/// What some tests need besides.
const MORE: [&str; 6] = [
    "brittle",
    "time-slicing",
    "numa-next-to-nic",
    "vendor-settings",
    "publish-partitions",
    "drain-bad-card",
];

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
            let all = [&POLICIES[..], &MORE[..]].concat();
            for built in Builder::new(root()).unwrap().build_all(&all).unwrap() {
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
            (r"(^|[\s(])/\S*/([a-z0-9.-]+\.(wasm|yaml|jsonl))", "${1}FOLDER/$2"),
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
