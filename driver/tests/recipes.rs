//! The cookbook: every recipe builds, imports nothing, does what its fixtures say in the whole host, and
//! is told of where a reader looks for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use supercargo_guest_build::Builder;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The recipes there are: every folder of the cookbook.
fn recipes() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("examples/recipes")).unwrap();
    let mut names: Vec<String> = entries
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join("examples/recipes").join(path)).unwrap()
}

fn supercargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

#[test]
fn every_recipe_does_what_its_fixtures_say_and_shows_no_fault_on_random_clusters() {
    let recipes = recipes();
    assert_eq!(recipes.len(), 8, "{recipes:?}");
    let names: Vec<&str> = recipes.iter().map(String::as_str).collect();
    for built in Builder::new(root()).unwrap().build_all(&names).unwrap() {
        let folder = format!("examples/recipes/{}", built.package);
        let component = built.path.to_str().unwrap();
        let run = ["policy", "test", &folder, "--policy", component];
        let output = supercargo(&[&run[..], &["--random", "100", "-o", "json"]].concat());
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{folder}: {told}");
        let value: Value = serde_json::from_str(&told).unwrap();
        let hooks = value["coverage"].as_object().unwrap();
        assert!(!hooks.is_empty());
        for (hook, cases) in hooks {
            assert!(cases.as_u64() > Some(0), "{folder}: no fixture asks {hook}");
        }
    }
}

#[test]
fn every_recipe_is_in_the_cookbook_and_introduces_itself_in_ten_lines() {
    let cookbook = text("README.md");
    for recipe in recipes() {
        assert!(
            cookbook.contains(&format!("[{recipe}]({recipe}/")),
            "{recipe} is not in the cookbook"
        );
        let own = text(format!("{recipe}/README.md"));
        let lines = own.lines().count();
        assert!(
            own.starts_with(&format!("# {recipe}\n")) && lines <= 12,
            "{lines} lines:\n{own}"
        );
    }
}

/// The lines that the cookbook shows are the recipe's own: it cannot fall behind.
#[test]
fn every_excerpt_in_the_cookbook_is_in_its_recipe() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let cookbook = text("README.md");
    let mut shown = 0;
    for section in cookbook.split("\n## ").skip(1) {
        let Some((_, excerpt)) = section.split_once("```rust\n") else {
            continue;
        };
        let recipe = section.split('[').nth(1).unwrap();
        let recipe = recipe.split(']').next().unwrap();
        let source = squeezed(&text(format!("{recipe}/src/lib.rs")));
        let excerpt = excerpt.split("```").next().unwrap();
        assert!(
            excerpt.lines().count() <= 14,
            "{recipe}: too long to be looked at"
        );
        for part in excerpt.split("// …") {
            assert!(source.contains(&squeezed(part)), "{recipe} has no:\n{part}");
        }
        shown += 1;
    }
    assert_eq!(shown, recipes().len());
}
