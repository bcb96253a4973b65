//! What users see, held as files: every manifest of `examples/manifests` with its outcome, every
//! mistake with its error, every `--help`.

use std::path::PathBuf;
use std::process::Stdio;

use super::{program, root, text, told};

/// The folder with the manifests; commands run there, so that paths are short and the same anywhere.
fn folder() -> PathBuf {
    root().join("examples/manifests")
}

struct Run {
    stdout: String,
    stderr: String,
    code: i32,
    told: String,
}

/// What the program says to that on its standard input.
fn fed(arguments: &[&str], stdin: &str) -> Run {
    use std::io::Write as _;
    let mut child = program(&folder(), arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    Run {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        code: output.status.code().unwrap(),
        told: told(&output),
    }
}

fn manifests(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(self::folder().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml") && name != "cluster.yaml")
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} has no manifests");
    names
        .into_iter()
        .map(|name| {
            if folder == "." {
                name
            } else {
                format!("{folder}/{name}")
            }
        })
        .collect()
}

/// The flags that read an example: some stand alone, some need the five-node cluster.
fn input(name: &str) -> Vec<String> {
    let mut flags = vec!["-f".to_owned(), name.to_owned()];
    if name.starts_with("on-cluster/") {
        flags.splice(0..0, ["-f".to_owned(), "cluster.yaml".to_owned()]);
    }
    flags
}

fn allocate(name: &str, more: &[&str]) -> Run {
    let flags = input(name);
    let mut arguments = vec!["allocate"];
    arguments.extend(flags.iter().map(String::as_str));
    arguments.extend(more);
    fed(&arguments, "")
}

fn snapshot(kind: &str, name: &str, text: &str) {
    let name = name.replace(['/', '.'], "-");
    super::snapshot(&format!("{kind}-{name}"), text);
}

#[test]
fn every_example_has_its_outcome() {
    for name in [manifests("."), manifests("on-cluster")].concat() {
        snapshot("allocate", &name, &allocate(&name, &[]).told);
    }
}

#[test]
fn every_mistake_has_its_cure() {
    for name in manifests("mistakes") {
        snapshot("mistake", &name, &allocate(&name, &[]).told);
    }
}

#[test]
fn what_is_printed_is_read_back_as_allocated() {
    for name in [manifests("."), manifests("on-cluster")].concat() {
        for format in ["yaml", "json"] {
            let first = allocate(&name, &["-o", format]);
            assert!(first.code < 2, "{name}: {}", first.told);
            let again = fed(&["allocate", "-f", "-", "-o", format], &first.stdout);
            if first.code == 0 {
                assert_eq!(again.code, 0, "{name}: {}", again.told);
                assert_eq!(again.stdout, first.stdout, "{name}");
            }
        }
    }
}

#[test]
fn the_objects_themselves_are_printed() {
    let yaml = allocate("job-with-several-claims.yaml", &["-o", "yaml"]);
    snapshot("yaml", "job-with-several-claims", &yaml.told);
    let json = allocate("two-pods-one-claim.yaml", &["-o", "json"]);
    snapshot("json", "two-pods-one-claim", &json.told);
    let wide = allocate("on-cluster/inference.yaml", &["-o", "wide"]);
    snapshot("wide", "inference", &wide.told);
}

#[test]
fn decisions_are_explained_on_demand() {
    let rules = allocate("black-and-white-cats.yaml", &["--explain"]);
    snapshot("explain", "rules", &rules.told);
    let devices = allocate("not-enough-devices.yaml", &["--explain=devices"]);
    snapshot("explain", "devices", &devices.told);
}

#[test]
fn a_node_can_be_asked_for() {
    let one = allocate("on-cluster/whole-node.yaml", &["--node", "gpu-node-3"]);
    snapshot("node", "asked", &one.told);
    let none = allocate("on-cluster/whole-node.yaml", &["--node", "gpu-node-9"]);
    snapshot("node", "unknown", &none.told);
}

#[test]
fn help_teaches() {
    let commands: &[&[&str]] = &[
        &[],
        &["allocate"],
        &["compare"],
        &["plan"],
        &["node"],
        &["scheduler"],
        &["policy"],
        &["policy", "inspect"],
        &["policy", "check"],
        &["policy", "build"],
        &["policy", "test"],
        &["policy", "bench"],
        &["policy", "new"],
        &["policy", "record"],
        &["policy", "replay"],
        &["policy", "simulate"],
        &["explain"],
        &["completions"],
        &["help", "allocate"],
    ];
    for &command in commands {
        let run = if command.first() == Some(&"help") {
            fed(command, "")
        } else {
            fed(&[command, &["--help"]].concat(), "")
        };
        let name = if command.is_empty() {
            "supercargo".to_owned()
        } else {
            command.join("-")
        };
        snapshot("help", &name, &run.told);
    }
}

#[test]
fn bad_input_ends_with_two_and_says_so_on_stderr() {
    for arguments in [
        &["allocate", "-f", "no-such-file.yaml"][..],
        &["allocate", "-f", "-", "-f", "-"],
        &["allocate"],
        &["allocate", "-f", "cluster.yaml", "--policy", "no-such.wasm"],
        &["allocate", "-f", "cluster.yaml", "--policy", "cluster.yaml"],
        &["allocate", "-f", "cluster.yaml", "--config", "cluster.yaml"],
        &["policy", "check", "no-such.wasm"],
    ] {
        let run = fed(arguments, "");
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.told);
        assert!(run.stdout.is_empty(), "{arguments:?}: {}", run.told);
        assert!(
            run.stderr.contains("error: "),
            "{arguments:?}: {}",
            run.told
        );
    }
}

#[test]
fn what_is_no_policy_is_refused_with_the_reason() {
    for command in ["inspect", "check"] {
        let run = fed(&["policy", command, "cluster.yaml"], "");
        assert_eq!(run.code, 1, "{}", run.told);
        assert!(
            run.stderr.contains("no WebAssembly component"),
            "{}",
            run.told
        );
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let run = fed(&["completions", shell], "");
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("allocate"), "{shell}");
    }
}
