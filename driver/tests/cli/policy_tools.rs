//! `policy test`, `bench`, `record`, `replay`, `simulate` and `explain` on the example policies, as users
//! run them.

mod bench;
mod fixtures;
mod journal;
mod random;
mod simulate;

use serde_json::Value;
use tempfile::TempDir;

use super::{component, json, root, supercargo, told};

const POLICIES: [&str; 4] = ["first-fit", "nvlink-groups", "mig-packing", "spread-numa"];

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
