//! What users see, held as files: every manifest of `examples/manifests` with its outcome, every
//! mistake with its error, every `--help`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder with the examples; commands run there, so that paths are short and the same anywhere.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/manifests")
        .canonicalize()
        .unwrap()
}

struct Run {
    stdout: String,
    stderr: String,
    code: i32,
}

fn supercargo(arguments: &[&str], stdin: &str) -> Run {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_supercargo"))
        .args(arguments)
        .current_dir(examples())
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Run {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

impl Run {
    fn told(&self) -> String {
        let mut told = format!("exit {}\n", self.code);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                told.push_str(&format!("----- {name}\n{text}"));
            }
        }
        told
    }
}

fn manifests(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(examples().join(folder))
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
    supercargo(&arguments, "")
}

fn snapshot(kind: &str, name: &str, text: &str) {
    let name = name.replace(['/', '.'], "-");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{kind}-{name}"), text);
    });
}

#[test]
fn every_example_has_its_outcome() {
    for name in [manifests("."), manifests("on-cluster")].concat() {
        snapshot("allocate", &name, &allocate(&name, &[]).told());
    }
}

#[test]
fn every_mistake_has_its_cure() {
    for name in manifests("mistakes") {
        snapshot("mistake", &name, &allocate(&name, &[]).told());
    }
}

#[test]
fn what_is_printed_is_read_back_as_allocated() {
    for name in [manifests("."), manifests("on-cluster")].concat() {
        for format in ["yaml", "json"] {
            let first = allocate(&name, &["-o", format]);
            assert!(first.code < 2, "{name}: {}", first.told());
            let again = supercargo(&["allocate", "-f", "-", "-o", format], &first.stdout);
            if first.code == 0 {
                assert_eq!(again.code, 0, "{name}: {}", again.told());
                assert_eq!(again.stdout, first.stdout, "{name}");
            }
        }
    }
}

#[test]
fn the_objects_themselves_are_printed() {
    let yaml = allocate("job-with-several-claims.yaml", &["-o", "yaml"]);
    snapshot("yaml", "job-with-several-claims", &yaml.told());
    let json = allocate("two-pods-one-claim.yaml", &["-o", "json"]);
    snapshot("json", "two-pods-one-claim", &json.told());
    let wide = allocate("on-cluster/inference.yaml", &["-o", "wide"]);
    snapshot("wide", "inference", &wide.told());
}

#[test]
fn decisions_are_explained_on_demand() {
    let rules = allocate("black-and-white-cats.yaml", &["--explain"]);
    snapshot("explain", "rules", &rules.told());
    let devices = allocate("not-enough-devices.yaml", &["--explain=devices"]);
    snapshot("explain", "devices", &devices.told());
}

#[test]
fn a_node_can_be_asked_for() {
    let one = allocate("on-cluster/whole-node.yaml", &["--node", "gpu-node-3"]);
    snapshot("node", "asked", &one.told());
    let none = allocate("on-cluster/whole-node.yaml", &["--node", "gpu-node-9"]);
    snapshot("node", "unknown", &none.told());
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
            supercargo(command, "")
        } else {
            supercargo(&[command, &["--help"]].concat(), "")
        };
        let name = if command.is_empty() {
            "supercargo".to_owned()
        } else {
            command.join("-")
        };
        snapshot("help", &name, &run.told());
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
        let run = supercargo(arguments, "");
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.told());
        assert!(run.stdout.is_empty(), "{arguments:?}: {}", run.told());
        assert!(
            run.stderr.contains("error: "),
            "{arguments:?}: {}",
            run.told()
        );
    }
}

#[test]
fn what_is_no_policy_is_refused_with_the_reason() {
    for command in ["inspect", "check"] {
        let run = supercargo(&["policy", command, "cluster.yaml"], "");
        assert_eq!(run.code, 1, "{}", run.told());
        assert!(
            run.stderr.contains("no WebAssembly component"),
            "{}",
            run.told()
        );
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let run = supercargo(&["completions", shell], "");
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("allocate"), "{shell}");
    }
}
