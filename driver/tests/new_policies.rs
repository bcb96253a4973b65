//! From nothing to a tested policy, with the program itself: in every language and with any hooks, a new
//! policy builds, passes `policy check`, and its fixtures pass `policy test`. A language whose toolchain
//! is not installed is shown as ignored, with the command that installs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use supercargo_guest_build::{Hook, Language, Project, Template};
use tempfile::TempDir;

/// How long a build may take when everything has to be built and the machine is busy.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long nothing must happen: many times what a watcher waits for before it builds.
const CALM: Duration = Duration::from_secs(2);

/// Where an installed toolchain of the language is, which a new folder borrows: (there, in the folder).
fn borrowed(language: Language) -> Option<(PathBuf, &'static str)> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/languages");
    let (there, name) = match language {
        Language::JavaScript => (examples.join("javascript/node_modules"), "node_modules"),
        Language::Python => (examples.join("python/.venv"), ".venv"),
        Language::Rust | Language::C => return None,
    };
    Some((there.canonicalize().ok()?, name))
}

fn borrow(language: Language, folder: &Path) {
    if let Some((there, name)) = borrowed(language) {
        std::os::unix::fs::symlink(there, folder.join(name)).unwrap();
    }
}

fn flag(language: Language) -> &'static str {
    match language {
        Language::Rust => "rust",
        Language::C => "c",
        Language::JavaScript => "js",
        Language::Python => "python",
    }
}

/// The program in a folder. What Rust policies share is built once, for all of them.
fn supercargo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_supercargo"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-policies"),
        );
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Result<String, Failed> {
    let output = supercargo(folder, arguments).output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(told);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{arguments:?}: {}\n{told}\n{why}", output.status).into())
}

fn begins(language: Language, hooks: &[Hook]) -> Result<(TempDir, PathBuf), Failed> {
    let empty = TempDir::new()?;
    let names: Vec<_> = hooks.iter().map(|hook| hook.name()).collect();
    let names = names.join(",");
    let arguments = [
        "policy",
        "new",
        "gpu-pairs",
        "--lang",
        flag(language),
        "--hooks",
        &names,
    ];
    run(empty.path(), &arguments)?;
    let folder = empty.path().join("gpu-pairs");
    borrow(language, &folder);
    Ok((empty, folder))
}

fn is_tested_as_it_stands(language: Language, hooks: &[Hook]) -> Result<(), Failed> {
    let (_empty, folder) = begins(language, hooks)?;
    run(&folder, &["policy", "build", "--output", "policy.wasm"])?;
    let most: &[&str] = match language {
        Language::Rust | Language::C => &[],
        Language::JavaScript | Language::Python => &["--most"],
    };
    let checked = run(
        &folder,
        &[&["policy", "check", "policy.wasm", "-o", "json"], most].concat(),
    )?;
    let checked: Value = serde_json::from_str(&checked)?;
    let tested = ["policy", "test", "--policy", "policy.wasm", "-o", "json"];
    let tested: Value = serde_json::from_str(&run(&folder, &[&tested, most].concat())?)?;
    for hook in hooks {
        let called = checked["calls"].as_array().unwrap();
        if !called.iter().any(|call| call["hook"] == hook.name()) {
            return Err(format!("{hook:?} is not called: {checked}").into());
        }
        if tested["coverage"][hook.name()].as_u64() < Some(1) {
            return Err(format!("{hook:?} has no case: {tested}").into());
        }
    }
    Ok(())
}

/// A component that can be loaded and then fails is told by `policy check`, hook by hook.
fn a_hook_that_traps_is_told() -> Result<(), Failed> {
    let (_empty, folder) = begins(Language::C, &[Hook::Select, Hook::Prepare])?;
    let source = folder.join("policy.c");
    let good = std::fs::read_to_string(&source)?;
    let bad = good.replacen("*ret->edits.ptr);", "*ret->edits.ptr);\n  abort();", 1);
    assert_ne!(good, bad);
    std::fs::write(&source, bad)?;
    run(&folder, &["policy", "build", "--output", "policy.wasm"])?;
    let output = supercargo(&folder, &["policy", "check", "policy.wasm"]).output()?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(1) && why.contains("`prepare`:") && !why.contains("`select`") {
        return Ok(());
    }
    Err(format!("{}: {why}", output.status).into())
}

/// What `policy check` refuses is not built, and nothing is put where it was to go.
fn what_no_host_would_load_is_not_built() -> Result<(), Failed> {
    let (_empty, folder) = begins(Language::C, &[Hook::Select])?;
    let source = folder.join("policy.c");
    let good = std::fs::read_to_string(&source)?;
    let bad = good.replacen("\"0.1.0\"", "\"not a version\"", 1);
    assert_ne!(good, bad);
    std::fs::write(&source, bad)?;
    let build = ["policy", "build", "--output", "policy.wasm"];
    let output = supercargo(&folder, &build).output()?;
    let why = String::from_utf8_lossy(&output.stderr);
    let is_told = why.contains("error:") && why.contains("not a version");
    if output.status.code() == Some(2) && is_told && !folder.join("policy.wasm").exists() {
        return Ok(());
    }
    Err(format!("{}: {why}", output.status).into())
}

/// What the README of the examples says, with limits that an interpreter needs.
fn the_example_passes_its_fixtures(language: Language) -> Result<(), Failed> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/languages");
    let folder = match language {
        Language::Rust => "rust",
        Language::C => "c",
        Language::JavaScript => "javascript",
        Language::Python => "python",
    };
    let report = run(
        &examples,
        &["policy", "test", folder, "--most", "-o", "json"],
    )?;
    let report: Value = serde_json::from_str(&report)?;
    if report["coverage"]["select"] == 2 {
        return Ok(());
    }
    Err(format!("not all cases were asked: {report}").into())
}

/// A policy in Rust is ordinary Rust, and its own tests pass without WebAssembly.
fn the_tests_in_rust_pass_natively() -> Result<(), Failed> {
    let (_empty, folder) = begins(Language::Rust, &Hook::ALL)?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet"])
        .current_dir(&folder)
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-policies"),
        )
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{why}", String::from_utf8_lossy(&output.stdout)).into())
}

/// Every command of the guide's five minutes, as it stands there, and the mistake that it has one make.
fn the_guide_is_right() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = std::fs::read_to_string(root.join("guest/README.md"))?;
    let minutes = guide
        .split("\n## ")
        .find(|it| it.starts_with("Five minutes"));
    let minutes = minutes.ok_or("no five minutes")?;
    let empty = TempDir::new()?;
    let mut folder = empty.path().to_owned();
    let mut wrong = None;
    let mut told = String::new();
    for (at, block) in minutes.split("```").enumerate() {
        match block.strip_prefix("sh\n") {
            Some(commands) => {
                for command in commands.lines() {
                    told = match command.split_once(' ') {
                        Some(("cd", name)) => {
                            folder = folder.join(name);
                            // What all tests here have built is not built again.
                            let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-policies");
                            std::os::unix::fs::symlink(built, folder.join("target"))?;
                            continue;
                        }
                        Some(("kubectl", _)) => {
                            let scene = root.join("examples/scenes/nvlink.yaml");
                            std::fs::copy(scene, folder.join("cluster.yaml"))?;
                            continue;
                        }
                        Some(("supercargo", arguments)) => {
                            let arguments: Vec<&str> = arguments.split(' ').collect();
                            let output = supercargo(&folder, &arguments).output()?;
                            let expected = if wrong.is_some() { 1 } else { 0 };
                            let told = String::from_utf8_lossy(&output.stdout).into_owned();
                            if output.status.code() != Some(expected) {
                                let why = String::from_utf8_lossy(&output.stderr);
                                return Err(
                                    format!("{command}: {}\n{told}\n{why}", output.status).into()
                                );
                            }
                            told
                        }
                        _ => return Err(format!("cannot follow {command:?}").into()),
                    };
                }
                if let Some((source, good)) = wrong.take() {
                    if !told.contains("FAILED") {
                        return Err(format!("nothing failed: {told}").into());
                    }
                    std::fs::write::<PathBuf, String>(source, good)?;
                }
            }
            // What is shown is what came.
            None if at % 2 == 1 => assert_eq!(block.strip_prefix("text\n"), Some(&*told)),
            None => {
                let mut words = block.split('`').skip(1).step_by(2);
                if let Some(file) = words.by_ref().find(|it| it.starts_with("src/"))
                    && block.contains("wrong on purpose")
                {
                    let source = folder.join(file);
                    let good = std::fs::read_to_string(&source)?;
                    let words: Vec<&str> = words.collect();
                    let from = words
                        .iter()
                        .position(|it| good.contains(it) && it.contains("::"));
                    let from = from.ok_or("nothing to change")?;
                    let bad = good.replacen(words[from], words[from + 1], 1);
                    assert_ne!(good, bad);
                    std::fs::write(&source, bad)?;
                    wrong = Some((source, good));
                }
            }
        }
    }
    match folder.join("cluster.yaml").exists() && told.contains("FIRST FIT") {
        true => Ok(()),
        false => Err(format!("the guide ends early: {told}").into()),
    }
}

/// Lines of a pipe as they come, so that waiting for one can end.
fn lines(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn watching_builds_again_after_a_change_until_ctrl_c() -> Result<(), Failed> {
    let (_empty, folder) = begins(Language::C, &[Hook::Select])?;
    // The component lies among the sources, and is no reason to build again.
    let build = ["policy", "build", "--watch", "--output", "gpu-pairs.wasm"];
    let mut child = supercargo(&folder, &build)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let built = lines(child.stdout.take().unwrap());
    let told = lines(child.stderr.take().unwrap());
    let outcome = (|| -> Result<(), Failed> {
        let until = |lines: &mpsc::Receiver<String>, what: &str| -> Result<(), Failed> {
            loop {
                if lines.recv_timeout(PATIENCE)?.contains(what) {
                    return Ok(());
                }
            }
        };
        let source = folder.join("policy.c");
        let good = std::fs::read_to_string(&source)?;
        until(&built, "imports nothing")?;
        until(&told, "watching")?;
        std::fs::write(&source, "this is no C\n")?;
        until(&told, "does not build")?;
        until(&told, "watching")?;
        std::fs::write(&source, &good)?;
        until(&built, "imports nothing")?;
        until(&told, "watching")?;
        // A change that is told late may be one reason more, and no second.
        if (0..2).all(|_| built.recv_timeout(CALM).is_ok()) {
            return Err("builds again and again without a change".into());
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        Ok(())
    })();
    if outcome.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    outcome?;
    if status.success() {
        return Ok(());
    }
    Err(format!("it ended with {status}").into())
}

fn sets(language: Language) -> Vec<Vec<Hook>> {
    let all = Hook::ALL.to_vec();
    let setting_up = vec![Hook::Select, Hook::Validate, Hook::Prepare];
    match language {
        // A build takes some ten seconds, and every hook is in one of these.
        Language::Python => vec![vec![Hook::Select], all],
        _ => Hook::ALL
            .into_iter()
            .map(|hook| vec![hook])
            .chain([setting_up, all])
            .collect(),
    }
}

/// The command that installs what is missing, if something is.
fn missing(language: Language) -> Option<String> {
    let empty = TempDir::new().unwrap();
    let folder = empty.path().join("a");
    Template::new("a", language, [])
        .unwrap()
        .write(&folder)
        .unwrap();
    borrow(language, &folder);
    let toolchain = Project::find(&folder).and_then(|project| project.toolchain());
    toolchain.err().map(|error| error.to_string())
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for language in [
        Language::Rust,
        Language::C,
        Language::JavaScript,
        Language::Python,
    ] {
        let missing = missing(language);
        if let Some(cure) = &missing {
            eprintln!("ignored: {}: {cure}", language.name());
        }
        let mut add = |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
            trials.push(Trial::test(name, test).with_ignored_flag(missing.is_some()));
        };
        for hooks in sets(language) {
            let names: Vec<_> = hooks.iter().map(|hook| hook.name()).collect();
            let name = format!("a_policy_in_{}_with_{}", flag(language), names.join("_"));
            add(
                name,
                Box::new(move || is_tested_as_it_stands(language, &hooks)),
            );
        }
        add(
            format!("the_example_in_{}_passes_its_fixtures", flag(language)),
            Box::new(move || the_example_passes_its_fixtures(language)),
        );
        match language {
            Language::Rust => {
                add(
                    "the_tests_in_rust_pass_natively".to_owned(),
                    Box::new(the_tests_in_rust_pass_natively),
                );
                add(
                    "the_guide_is_right".to_owned(),
                    Box::new(the_guide_is_right),
                );
            }
            Language::C => {
                add(
                    "a_hook_that_traps_is_told".to_owned(),
                    Box::new(a_hook_that_traps_is_told),
                );
                add(
                    "what_no_host_would_load_is_not_built".to_owned(),
                    Box::new(what_no_host_would_load_is_not_built),
                );
                add(
                    "watching_builds_again_after_a_change_until_ctrl_c".to_owned(),
                    Box::new(watching_builds_again_after_a_change_until_ctrl_c),
                );
            }
            Language::JavaScript | Language::Python => {}
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
