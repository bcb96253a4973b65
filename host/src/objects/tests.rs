//! Reading, checking, making and writing, from the outside.

mod manifests;
mod outcomes;
mod reading;
mod robustness;
mod validation;
mod workloads;
mod writing;

use super::{Cluster, Object, Problem, Read, Sourced, cross_check, read};

/// The folder of example manifests.
fn examples() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/manifests")
}

/// Names and texts of the manifests in a folder of the examples, in name order.
fn manifests(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(examples().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// Reads a text that must be good.
fn good(text: &str) -> Vec<Sourced<Object>> {
    let Read { objects, problems } = read("test.yaml", text);
    assert_eq!(shown(&problems), "");
    objects
}

/// The only object of a text that must be good.
fn one(text: &str) -> Object {
    let mut objects = good(text);
    assert_eq!(objects.len(), 1);
    objects.remove(0).object
}

/// The problems of a text, one after another.
fn wrong(text: &str) -> String {
    shown(&read("test.yaml", text).problems)
}

fn shown(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

/// Everything wrong with a file, cross checks included.
fn all_problems(file: &str, text: &str) -> Vec<Problem> {
    let Read {
        objects,
        mut problems,
    } = read(file, text);
    let (cluster, duplicates) = Cluster::from_objects(objects);
    problems.extend(duplicates);
    let pending = cross_check(&cluster);
    problems.extend(pending);
    problems
}
