//! A new policy builds and can be loaded as it stands, in every language and with any hooks. A language
//! whose toolchain is not installed is shown as ignored, with the command that installs it.
//!
//! What the policies answer is held to their own fixtures by `driver/tests/new_policies.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use supercargo_guest_build::{Builder, Hook, Language, Progress, Project, Template};
use supercargo_host::policy::{Engine, EngineOptions, Limits, check};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

/// Where an installed toolchain of the language is, which a new folder borrows: (there, in the folder).
fn borrowed(language: Language) -> Option<(PathBuf, &'static str)> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/languages");
    match language {
        Language::JavaScript => Some((examples.join("javascript/node_modules"), "node_modules")),
        Language::Python => Some((examples.join("python/.venv"), ".venv")),
        Language::Rust | Language::C => None,
    }
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

fn can_be_loaded(language: Language, hooks: &[Hook], shared: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("gpu-pairs");
    Template::new("gpu-pairs", language, hooks.iter().copied())?.write(&folder)?;
    if let Some((there, name)) = borrowed(language)
        && there.exists()
    {
        std::os::unix::fs::symlink(there.canonicalize()?, folder.join(name))?;
    }
    let built = match language {
        // One target folder for all, so that what they share is built once.
        Language::Rust => Builder::new(&folder)?.target_dir(shared).build_own()?,
        _ => Project::find(&folder)?.build(Progress::Kept)?,
    };
    let limits = match language {
        Language::Rust | Language::C => Limits::default(),
        Language::JavaScript | Language::Python => Limits::MOST,
    };
    let inspection = check(&ENGINE, &built.wasm, Some("{}"), limits);
    if !inspection.problems.is_empty() {
        return Err(format!("{:?}", inspection.problems).into());
    }
    let description = inspection.description.ok_or("it says nothing of itself")?;
    let mut described: Vec<_> = description.hooks.iter().map(|hook| hook.name()).collect();
    let mut wanted: Vec<_> = hooks.iter().map(|hook| hook.name()).collect();
    described.sort_unstable();
    wanted.sort_unstable();
    if (description.name.as_str(), &described) != ("gpu-pairs", &wanted) {
        return Err(format!("{} with {described:?}", description.name).into());
    }
    Ok(())
}

/// The command that installs what is missing, if something is.
fn missing(language: Language) -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    let folder = folder.path().join("a");
    Template::new("a", language, []).ok()?.write(&folder).ok()?;
    if let Some((there, name)) = borrowed(language)
        && let Ok(there) = there.canonicalize()
    {
        std::os::unix::fs::symlink(there, folder.join(name)).ok()?;
    }
    let toolchain = Project::find(&folder).and_then(|project| project.toolchain());
    toolchain.err().map(|error| error.to_string())
}

fn main() -> ExitCode {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-policies");
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
        for hooks in sets(language) {
            let names: Vec<_> = hooks.iter().map(|hook| hook.name()).collect();
            let name = format!("a_new_policy_in_{}_with_{}", language.name(), names.join("_"));
            let shared = shared.clone();
            let trial = Trial::test(name, move || can_be_loaded(language, &hooks, &shared));
            trials.push(trial.with_ignored_flag(missing.is_some()));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
