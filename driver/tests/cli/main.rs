//! The command line as people meet it: the program itself, with the examples and the example policies,
//! which are built here as users build them. What is read is held as files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it leaves out"
)]

mod golden;
mod node_command;
mod plan;
mod policy_checks;
mod policy_tools;
mod recipes;
mod scenes;
mod stock_tools;

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

/// The folders of all example policies in Rust, from the root: each holds a crate of its own name.
fn examples() -> Vec<String> {
    let folders = ["examples/policies", "examples/recipes"];
    let entries = folders.map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let mut examples: Vec<String> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    examples.sort();
    examples
}

/// The component of an example policy, or of `brittle`; all are built once.
fn component(name: &str) -> String {
    static BUILT: OnceLock<Vec<(String, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let examples = examples();
        let name = |folder: &'_ String| folder.rsplit('/').next().unwrap().to_owned();
        let mut names: Vec<String> = examples.iter().map(name).collect();
        names.push("brittle".to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let built = Builder::new(root()).unwrap().build_all(&names).unwrap();
        let found = built.into_iter().map(|built| (built.package, built.path));
        found.collect()
    });
    let (_, path) = built.iter().find(|(package, _)| package == name).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The program, in a folder, as it answers where there is no terminal.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supercargo"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS");
    command
}

/// What the program says at the root, where the paths of examples are short and the same anywhere.
fn supercargo(arguments: &[&str]) -> Output {
    program(&root(), arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How it ended, and all that it said.
fn told(output: &Output) -> String {
    let mut told = format!("exit {}\n", output.status.code().unwrap());
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            told.push_str(&format!("----- {name}\n{}", text(bytes)));
        }
    }
    told
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

/// Holds what is read against the file of that name.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}
