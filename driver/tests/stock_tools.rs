//! What others' tools make of ours: a browser of the simulation's page, the stock `wasmtime` of our
//! components. Where a tool is not installed its test says so and passes; `.ci/setup` installs both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

#[path = "stock_tools/page.rs"]
mod page;
#[path = "stock_tools/wasmtime.rs"]
mod wasmtime;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use supercargo_guest_build::Builder;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A program on the PATH or where `.ci/setup` puts what it builds.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let tools = std::env::var_os("SUPERCARGO_TOOLS")
        .map_or_else(|| home.join(".cache/supercargo/tools"), PathBuf::from);
    let own = tools.join("bin");
    let found = std::env::split_paths(&path)
        .chain([own])
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!(
            "SKIPPED: {} is not installed; .ci/setup installs it",
            names.join(" or ")
        );
    }
    found
}

fn supercargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
