//! What others' tools make of ours: a browser of the simulation's page, the stock `wasmtime` of our
//! components. Where a tool is not installed its test says so and passes; `.ci/setup` installs both.

mod page;
mod wasmtime;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{component, examples, json, supercargo, text};

/// A program on the PATH or where `.ci/setup` puts what it builds.
fn installed(names: &[&str]) -> Option<PathBuf> {
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
