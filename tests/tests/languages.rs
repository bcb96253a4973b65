//! One policy in four languages: each is built with its own toolchain, imports nothing, and answers
//! every question as the others do. A language whose toolchain is not installed is shown as ignored,
//! with the command that installs it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Failed, Trial};
use supercargo_guest_build::{BuildError, Progress, Project};
use supercargo_host::policy::input::{Amount, DeviceTable, Pool, Request};
use supercargo_host::policy::{
    CallError, Choice, Engine, EngineOptions, Limits, Policy, Proposal, Situation, Texts, Value,
    check,
};

const QUESTIONS: u64 = 40;

fn folder(language: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/languages")
        .join(language)
}

/// Without the memory of earlier answers, so that every question is really asked.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(EngineOptions {
        decisions: 0,
        ..EngineOptions::default()
    })
    .unwrap()
});

fn load(language: &str) -> Result<Policy, Failed> {
    let built = Project::find(folder(language))?.build(Progress::Kept)?;
    let inspection = check(&ENGINE, &built.wasm, None, Limits::MOST);
    if !inspection.imports.is_empty() {
        return Err(format!("it imports {:?}", inspection.imports).into());
    }
    Ok(Policy::load(&ENGINE, &built.wasm, "{}", Limits::MOST)?)
}

static RUST: LazyLock<Policy> = LazyLock::new(|| load("rust").unwrap());

/// Groups of one to four devices in shuffled order, some devices without a group, one or two requests.
fn question(seed: u64) -> Situation {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut texts = Texts::default();
    let driver = texts.position(&"gpu.nvidia.com".into());
    let mut attributes: Vec<Value> = (0..random.usize(1..6))
        .flat_map(|group| {
            let text = texts.position(&Arc::from(format!("group-{group}")));
            vec![Value::String(text); random.usize(1..5)]
        })
        .collect();
    attributes.extend((0..random.usize(0..3)).map(|_| Value::Absent));
    attributes.extend((0..random.usize(0..2)).map(|_| Value::Int(7)));
    random.shuffle(&mut attributes);
    let devices = u32::try_from(attributes.len()).unwrap();
    let requests = (0..random.u32(1..3))
        .map(|slot| Request {
            slot,
            amount: if random.u8(0..8) == 0 {
                Amount::All
            } else {
                Amount::Exactly(random.u32(1..4))
            },
            admin_access: false,
            capacities: Vec::new(),
            devices: (0..devices).filter(|_| random.u8(0..5) > 0).collect(),
        })
        .filter(|request| !request.devices.is_empty())
        .collect();
    Situation {
        pools: vec![Pool { driver }],
        devices: DeviceTable {
            pools: vec![0; attributes.len()],
            attributes,
            capacities: Vec::new(),
            consumed: Vec::new(),
        },
        requests,
        strings: texts.into_strings(),
        ..Situation::default()
    }
}

/// What was answered, in words that compare.
fn told(answer: Result<Arc<[Proposal]>, CallError>) -> Result<String, Failed> {
    match answer {
        Ok(proposals) => Ok(format!("{proposals:?}")),
        Err(CallError::Refused(refusal)) => Ok(format!("refused: {refusal}")),
        Err(error) => Err(error.to_string().into()),
    }
}

fn answers_as_rust_does(language: &'static str) -> Result<(), Failed> {
    let policy = load(language)?;
    for seed in 0..QUESTIONS {
        let question = question(seed);
        let theirs = told(policy.select(&question, None))?;
        let ours = told(RUST.select(&question, None))?;
        if theirs != ours {
            return Err(format!("question {seed}:\n {language}: {theirs}\n rust: {ours}").into());
        }
    }
    Ok(())
}

/// Two groups, of which the smaller is large enough: the answer is known without asking anybody.
fn the_tightest_group_is_taken() -> Result<(), Failed> {
    let mut texts = Texts::default();
    let driver = texts.position(&"gpu.nvidia.com".into());
    let [a, b] = ["a", "b"].map(|group| Value::String(texts.position(&group.into())));
    let situation = Situation {
        pools: vec![Pool { driver }],
        devices: DeviceTable {
            pools: vec![0; 5],
            attributes: vec![a.clone(), a.clone(), a, b.clone(), b],
            capacities: Vec::new(),
            consumed: Vec::new(),
        },
        requests: vec![Request {
            slot: 0,
            amount: Amount::Exactly(2),
            admin_access: false,
            capacities: Vec::new(),
            devices: (0..5).collect(),
        }],
        strings: texts.into_strings(),
        ..Situation::default()
    };
    let answer = RUST.select(&situation, None)?;
    let Choice::Exact(assignments) = &answer[0].choice else {
        return Err("not exact".into());
    };
    if assignments[0].devices != [3, 4] || (answer[0].score - 100.0).abs() > f64::EPSILON {
        return Err(format!("{answer:?}").into());
    }
    Ok(())
}

/// The command that installs what is missing, if something is.
fn missing(language: &str) -> Option<String> {
    match Project::find(folder(language)).and_then(|project| project.toolchain()) {
        Ok(_) => None,
        Err(error @ BuildError::NoTool { .. }) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn main() -> ExitCode {
    let mut trials = vec![Trial::test(
        "the_tightest_group_is_taken",
        the_tightest_group_is_taken,
    )];
    for language in ["c", "javascript", "python"] {
        let missing = missing(language);
        if let Some(cure) = &missing {
            eprintln!("ignored: {language}: {cure}");
        }
        trials.push(
            Trial::test(format!("{language}_answers_as_rust_does"), move || {
                answers_as_rust_does(language)
            })
            .with_ignored_flag(missing.is_some()),
        );
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
