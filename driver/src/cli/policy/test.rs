//! `supercargo policy test`: fixtures and random clusters against the finished component.

mod junit;
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use supercargo_guest_build::{Progress, Project};
use supercargo_host::journal::Question;
use supercargo_host::objects::write;
use supercargo_host::policy::{Hook, Limits, Policy};

use super::Format;
use crate::cli::limits::LimitsFlag;
use crate::cli::{Exit, Failure};
use crate::fixtures::{self, Candidate, Case, Ran};
use crate::policies::{self, PolicyError};
use crate::render::style::{BAD, FAINT, GOOD, WAITING, paint};
use crate::render::table::{Cell, Column, Table, printable};
use crate::render::{count, terminal};
use crate::wave::wave;

const EXAMPLES: &str = "\
Examples:
  Build the policy in this folder and run fixtures/*.yaml:
    supercargo policy test

  Test a finished component, whatever it was written in:
    supercargo policy test my-policy --policy my-policy.wasm --junit report.xml

  Take what it does now as what it should do:
    supercargo policy test --bless

  Look for a small cluster where it traps, or places less than first fit:
    supercargo policy test --random 500 --worse-by placed

  Ask one fixture's question with the stock wasmtime command line:
    sh -c \"$(supercargo policy test --emit-wave whole-group)\"

Exit status: 0 all as expected, 1 something is not, 2 a fixture or the policy cannot be read.";

const LONG: &str = "\
Test a policy with fixtures and with random clusters

A fixture is a YAML file: what a node has, what a claim asks for, the settings, and what must come of \
it. The same files serve `testkit::expect` in the SDK; here the component itself runs in the whole host, \
so what it proposes must also be allocatable.

  driver: gpu.nvidia.com               # of devices and attributes that name none
  devices:                             # as in a ResourceSlice
  - {name: gpu-0, attributes: {supercargo.dev/nvlinkGroup: {string: a}}}
  - {name: gpu-1, attributes: {supercargo.dev/nvlinkGroup: {string: a}}, inUse: true}
  requests: [{name: gpus, count: 1}]   # also: devices, capacity, firstAvailable, adminAccess
  settings: {split: refuse}
  expect: {gpus: [gpu-0]}              # the devices it gets; or what must come instead:
  refusal: no group has                #   a part of the reason
  plan: {actions: [...]}               #   of `prepare` (with grants: [...], checked too)
  then: [{requests: [...]}]            # claims that must find devices after this one
  together: supercargo.dev/nvlinkGroup # every claim's devices have one value of it
  strandsAtMost: 2                     # free devices left in groups that are partly taken

`objects: [...]` takes Kubernetes objects instead of devices and requests. What is empty may be left out \
of a plan or an answer.

`hardware: [{id: GPU-1, facts: {nvml.memory-bytes: {int: 85899345920}}}]` is what `publish` is asked about; \
the `answer` has `devices` and `sharedCounters`, as in a ResourceSlice, and must be publishable. `hook: \
validate` with `question` and `answer` tests any other hook, in the form of the WIT with names in camelCase.";

/// Test a policy with fixtures and with random clusters
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Test {
    /// The policy's folder, with its fixtures in `fixtures` or `tests`; or a fixture
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// The component; without it the crate in DIR is built
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitsFlag,

    /// Write what the policy does into the fixtures that fail, as what it should do
    #[arg(long, conflicts_with = "random")]
    bless: bool,

    /// Write a JUnit report too
    #[arg(long, value_name = "FILE.xml")]
    junit: Option<PathBuf>,

    /// Print the `wasmtime run --invoke` command that asks this fixture's question, and do nothing else
    #[arg(long, value_name = "CASE", conflicts_with_all = ["bless", "random", "junit"])]
    emit_wave: Option<String>,

    #[command(flatten)]
    random: random::RandomFlags,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// What a random cluster is judged by besides traps and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Fewer claims find devices than under first fit
    Placed,
    /// Fewer claims for several devices get them from one group
    Locality,
    /// More free devices are left in groups that are partly taken
    Stranded,
}

impl Test {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let cases = fixtures::read(&self.folder)?;
        let candidate = candidate(&self.folder, self.policy.as_deref(), self.limits.limits())?;
        if let Some(name) = &self.emit_wave {
            return emit(&cases, name, &candidate);
        }
        let mut results = Vec::new();
        for case in &cases {
            let mut ran = fixtures::run(case, &candidate)?;
            let mut blessed = false;
            if self.bless && !ran.problems.is_empty() {
                match fixtures::bless(case, &ran, &candidate) {
                    Ok(()) => blessed = true,
                    Err(why) => ran.problems.push(format!("not blessed: {why}")),
                }
            }
            results.push(Tested { case, ran, blessed });
        }
        let found = self.random.search(&cases, &candidate, &self.folder)?;
        if let Some(file) = &self.junit {
            Failure::write(
                file,
                junit::report(&candidate.name, &results, found.as_ref())?,
            )?;
        }
        let policy = loaded(&cases, &candidate).ok();
        let hooks = policy.map(|policy| policy.description().hooks.clone());
        let hooks = &hooks.unwrap_or_default();
        let failed = results.iter().any(Tested::failed)
            || found.as_ref().is_some_and(random::Search::failed);
        terminal::print(&match self.output {
            Format::Table => table(&results, hooks, found.as_ref()),
            Format::Json => format!("{:#}\n", value(&results, hooks, found.as_ref())),
            Format::Yaml => write::yaml_values(&[value(&results, hooks, found.as_ref())]),
        })?;
        Ok(if failed {
            Exit::Unsatisfied
        } else {
            Exit::Done
        })
    }
}

/// A case and what came of it.
struct Tested<'c> {
    case: &'c Case,
    ran: Ran,
    blessed: bool,
}

impl Tested<'_> {
    fn failed(&self) -> bool {
        !self.blessed && !self.ran.problems.is_empty()
    }
}

/// The component to be tried: the one given, or what the crate in the folder builds to.
pub(super) fn candidate(
    folder: &std::path::Path,
    policy: Option<&std::path::Path>,
    limits: Limits,
) -> Result<Candidate, Failure> {
    let (file, bytes) = match policy {
        Some(file) => (
            file.to_owned(),
            policies::component(file).map_err(PolicyError::from)?,
        ),
        None => {
            let built = Project::find(folder)?.build(Progress::Shown)?;
            (built.path, built.wasm)
        }
    };
    Ok(Candidate::new(file, bytes, limits)?)
}

/// The policy with settings that it takes: those of a fixture, for a policy that insists on some.
pub(super) fn loaded(cases: &[Case], candidate: &Candidate) -> Result<Policy, PolicyError> {
    let own = cases.iter().map(|case| &case.fixture.settings);
    let own = own.filter(|settings| !settings.is_null());
    let mut tried = own.chain([&Value::Null]).map(|one| candidate.load(one));
    let found = tried.find(Result::is_ok);
    found
        .unwrap_or_else(|| candidate.load(&Value::Null))
        .map(|(_, policy)| policy)
}

fn coverage(results: &[Tested<'_>], hooks: &[Hook]) -> BTreeMap<Hook, usize> {
    let mut coverage: BTreeMap<Hook, usize> = hooks.iter().map(|hook| (*hook, 0)).collect();
    for tested in results.iter().filter(|tested| tested.ran.answer.is_some()) {
        *coverage.entry(tested.ran.hook).or_default() += 1;
    }
    coverage
}

fn table(results: &[Tested<'_>], hooks: &[Hook], found: Option<&random::Search>) -> String {
    let mut table = Table::new(vec![
        Column::fixed("CASE"),
        Column::fixed("HOOK"),
        Column::fixed("RESULT"),
        Column::wrapping("WHY", 40),
    ]);
    for tested in results {
        let (style, result) = match tested {
            _ if tested.blessed => (WAITING, "blessed"),
            _ if tested.failed() => (BAD, "FAILED"),
            _ => (GOOD, "ok"),
        };
        table.push(vec![
            Cell::plain(tested.case.name.as_str()),
            Cell::plain(tested.ran.hook.name()),
            Cell::new(style, result),
            Cell::plain(tested.ran.problems.join("; ")),
        ]);
    }
    let mut text = table.render(terminal::width());
    let failed = results.iter().filter(|tested| tested.failed()).count();
    text.push_str(&format!(
        "\n{}, {failed} failed\n",
        count(results.len(), "case")
    ));
    for (hook, cases) in coverage(results, hooks) {
        let line = format!(
            "{}: {}",
            hook.name(),
            if cases == 0 {
                "no case".to_owned()
            } else {
                count(cases, "case")
            }
        );
        text.push_str(&format!(
            "  {}\n",
            paint(if cases == 0 { WAITING } else { FAINT }, &line)
        ));
    }
    if let Some(found) = found {
        text.push_str(&format!("\n{}", printable(&found.told())));
    }
    text
}

fn value(results: &[Tested<'_>], hooks: &[Hook], found: Option<&random::Search>) -> Value {
    let cases: Vec<Value> = results
        .iter()
        .map(|tested| {
            json!({
                "case": tested.case.name,
                "file": tested.case.path.display().to_string(),
                "hook": tested.ran.hook.name(),
                "passed": !tested.failed(),
                "blessed": tested.blessed,
                "problems": tested.ran.problems,
                "devices": tested.ran.got,
            })
        })
        .collect();
    let coverage: BTreeMap<&str, usize> = coverage(results, hooks)
        .into_iter()
        .map(|(hook, cases)| (hook.name(), cases))
        .collect();
    json!({"cases": cases, "coverage": coverage, "random": found.map(random::Search::value)})
}

/// Prints the command for one case.
fn emit(cases: &[Case], name: &str, candidate: &Candidate) -> Result<Exit, Failure> {
    let Some(case) = cases.iter().find(|case| case.name == *name) else {
        return Err(Failure::NoSuchCase {
            asked: name.to_owned(),
            known: cases.iter().map(|case| case.name.clone()).collect(),
        });
    };
    let ran = fixtures::run(case, candidate)?;
    let Some(question) = ran.question else {
        return Err(case.wrong("", ran.problems.join("; ")).into());
    };
    let settings = match &case.fixture.settings {
        Value::Null => "{}".to_owned(),
        settings => settings.to_string(),
    };
    terminal::print(&format!("{}\n", command(&settings, &question, candidate)?))?;
    Ok(Exit::Done)
}

fn command(settings: &str, question: &Question, candidate: &Candidate) -> Result<String, Failure> {
    let argument = match question {
        Question::Select(asked) => wave(asked),
        Question::Place(asked) => wave(asked),
        Question::Validate(asked) => wave(asked),
        Question::Prepare(asked) | Question::Unprepare(asked) => wave(asked),
        Question::Publish(asked) => wave(asked),
        Question::Assess(asked) => wave(asked),
    };
    let call = format!(
        "{}({}, {})",
        question.hook().name(),
        wave(settings)?,
        argument?
    );
    let file = candidate.file.display().to_string();
    Ok(format!(
        "wasmtime run --invoke {} {}",
        quoted(&call),
        quoted(&file)
    ))
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
