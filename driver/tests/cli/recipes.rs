//! The cookbook: every recipe builds, imports nothing, does what its fixtures say in the whole host, and
//! is told of where a reader looks for it.

use std::path::Path;

use super::{component, examples, json, root, supercargo, told};

/// The recipes there are: every folder of the cookbook.
fn recipes() -> Vec<String> {
    let recipe = |folder: String| folder.strip_prefix("examples/recipes/").map(str::to_owned);
    examples().into_iter().filter_map(recipe).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join("examples/recipes").join(path)).unwrap()
}

#[test]
fn every_recipe_does_what_its_fixtures_say_and_shows_no_fault_on_random_clusters() {
    let recipes = recipes();
    assert_eq!(recipes.len(), 8, "{recipes:?}");
    for recipe in recipes {
        let folder = format!("examples/recipes/{recipe}");
        let component = component(&recipe);
        let run = ["policy", "test", &folder, "--policy", &component];
        let output = supercargo(&[&run[..], &["--random", "100", "-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{folder}: {}", told(&output));
        let value = json(&output);
        let hooks = value["coverage"].as_object().unwrap();
        assert!(!hooks.is_empty());
        for (hook, cases) in hooks {
            assert!(cases.as_u64() > Some(0), "{folder}: no fixture asks {hook}");
        }
    }
}

#[test]
fn every_recipe_is_in_the_cookbook_and_introduces_itself_in_ten_lines() {
    let cookbook = read("README.md");
    for recipe in recipes() {
        assert!(
            cookbook.contains(&format!("[{recipe}]({recipe}/")),
            "{recipe} is not in the cookbook"
        );
        let own = read(format!("{recipe}/README.md"));
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
    let cookbook = read("README.md");
    let mut shown = 0;
    for section in cookbook.split("\n## ").skip(1) {
        let Some((_, excerpt)) = section.split_once("```rust\n") else {
            continue;
        };
        let recipe = section.split('[').nth(1).unwrap();
        let recipe = recipe.split(']').next().unwrap();
        let source = squeezed(&read(format!("{recipe}/src/lib.rs")));
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
