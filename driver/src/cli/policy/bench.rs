//! `supercargo policy bench`: what a policy costs, hook by hook, against first fit.

pub(super) mod questions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use supercargo_host::journal::{Question, Reply};
use supercargo_host::objects::write;
use supercargo_host::policy::{Hook, Limits, Policy};

use super::Format;
use super::test::{candidate, loaded};
use crate::cli::limits::LimitsFlag;
use crate::cli::{Exit, Failure};
use crate::fixtures::{self, Candidate, Case};
use crate::policies::PolicyError;
use crate::render::style::{FAINT, WAITING, paint};
use crate::render::table::{Cell, Column, Table};
use crate::render::terminal;
use questions::Questions;

/// Calls of one hook on one topology: at most so many, and no longer than [`PATIENCE`].
const CALLS: usize = 2_000;
const PATIENCE: Duration = Duration::from_millis(500);
/// The most devices that are measured: what one ResourceSlice holds.
const MOST: usize = 128;

const EXAMPLES: &str = "\
Examples:
  supercargo policy bench my-policy
  supercargo policy bench --policy my-policy.wasm --devices 8,64,128 -o json

Build supercargo itself with --release before you believe a number.
Exit status: 0 measured, 1 a hook fails, 2 the policy cannot be read.";

const LONG: &str = "\
Measure what a policy costs, hook by hook, against first fit

Each hook that the policy implements is called on made-up nodes of several sizes, in groups of four with \
values from the fixtures, where there are any. A call is all of it: a fresh instance, the question in, \
the answer out and checked. The decision cache is off. For `select` the last column is what first fit \
alone takes for the same claim, selectors and search included; with a policy, the call comes on top.

COLD is loading (checking and compiling) and the very first call. MEMORY is the most linear memory that \
any call of the hook used up to that size.";

/// Measure what a policy costs, hook by hook, against first fit
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Bench {
    /// The policy's folder, with its fixtures in `fixtures` or `tests`
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// The component; without it the crate in DIR is built
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitsFlag,

    /// How many devices a node has
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [8, 16, 32, 64, 128],
        value_parser = clap::value_parser!(u8).range(1..=128))]
    devices: Vec<u8>,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// One hook on one topology.
struct Row {
    hook: Hook,
    /// None where the question does not depend on it.
    devices: Option<usize>,
    calls: usize,
    p50: Duration,
    p99: Duration,
    memory: u64,
    first_fit: Option<Duration>,
    /// What it says instead of an answer.
    instead: Option<(bool, String)>,
}

impl Bench {
    pub(super) fn run(mut self) -> Result<Exit, Failure> {
        // Fixtures lend their values; a folder without any is measured with made-up ones.
        let cases = fixtures::read(&self.folder).unwrap_or_default();
        let limits = self.limits.limits();
        let candidate = candidate(&self.folder, self.policy.as_deref(), limits)?;
        self.devices.sort_unstable();
        self.devices.dedup();
        let (policy, loading) = load(&candidate, &cases, limits)?;
        let questions = Questions::new(&policy.description().interests, &cases);
        let mut rows = Vec::new();
        let mut first_call = None;
        for &hook in &policy.description().hooks {
            // A policy of its own for each hook, for its memory is counted since it was loaded.
            let (policy, _) = load(&candidate, &cases, limits)?;
            for devices in self.devices.iter().map(|&n| usize::from(n).min(MOST)) {
                let Some(asked) = questions.of(hook, devices, &candidate) else {
                    continue;
                };
                // Parameters are the same on every node.
                let devices = (hook != Hook::Validate).then_some(devices);
                let (mut row, first) = measure(&policy, hook, devices, &asked.question);
                first_call.get_or_insert(first);
                row.first_fit = asked.scene.map(|scene| first_fit(&scene, &candidate));
                rows.push(row);
                if devices.is_none() {
                    break;
                }
            }
        }
        let cold = loading + first_call.unwrap_or_default();
        terminal::print(&match self.output {
            Format::Table => table(&policy, &rows, cold),
            Format::Json => format!("{:#}\n", value(&policy, &rows, cold)),
            Format::Yaml => write::yaml_values(&[value(&policy, &rows, cold)]),
        })?;
        let fails = rows
            .iter()
            .any(|row| row.instead.as_ref().is_some_and(|(fails, _)| *fails));
        Ok(if fails { Exit::Unsatisfied } else { Exit::Done })
    }
}

fn load(
    candidate: &Candidate,
    cases: &[Case],
    limits: Limits,
) -> Result<(Policy, Duration), Failure> {
    let settings = loaded(cases, candidate)?.settings().to_owned();
    let began = Instant::now();
    let policy = Policy::load(candidate.engine(), candidate.bytes(), &settings, limits);
    let policy = policy.map_err(|error| PolicyError::Refused {
        file: candidate.file.clone(),
        error,
    })?;
    Ok((policy, began.elapsed()))
}

/// Times a question; the very first call on its own.
fn measure(
    policy: &Policy,
    hook: Hook,
    devices: Option<usize>,
    question: &Question,
) -> (Row, Duration) {
    let began = Instant::now();
    let reply = question.ask(policy, None);
    let first = began.elapsed();
    let times = sample(|| drop(question.ask(policy, None)));
    let row = Row {
        hook,
        devices,
        calls: times.len(),
        p50: quantile(&times, 50),
        p99: quantile(&times, 99),
        memory: policy.counts().snapshot().memory_bytes,
        first_fit: None,
        instead: match reply {
            Reply::Failed(failure) => Some((true, failure.message)),
            Reply::Refused(reason) => Some((false, format!("refuses: {reason}"))),
            _ => None,
        },
    };
    (row, first)
}

fn first_fit(scene: &fixtures::Scene, candidate: &Candidate) -> Duration {
    let allocator = Arc::new(supercargo_host::allocator::Allocator::new(
        supercargo_host::allocator::Features::ALL,
        &scene.slices,
        &scene.classes,
    ));
    let times = sample(|| {
        drop(fixtures::decide(
            scene,
            &allocator,
            None,
            candidate.engine(),
        ))
    });
    quantile(&times, 50)
}

/// Times, sorted.
fn sample(mut call: impl FnMut()) -> Vec<Duration> {
    let mut times = Vec::with_capacity(CALLS);
    let began = Instant::now();
    while times.len() < CALLS && (times.is_empty() || began.elapsed() < PATIENCE) {
        let call_began = Instant::now();
        call();
        times.push(call_began.elapsed());
    }
    times.sort_unstable();
    times
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

fn table(policy: &Policy, rows: &[Row], cold: Duration) -> String {
    let mut table = Table::new(
        ["HOOK", "DEVICES", "P50", "P99", "MEMORY", "FIRST FIT", ""]
            .map(Column::fixed)
            .into(),
    );
    for row in rows {
        let instead = row.instead.as_ref().map_or("", |(_, told)| told);
        table.push(vec![
            Cell::plain(row.hook.name()),
            Cell::plain(
                row.devices
                    .map_or_else(|| "-".to_owned(), |devices| devices.to_string()),
            ),
            Cell::plain(time(row.p50)),
            Cell::plain(time(row.p99)),
            Cell::plain(format!("{} KiB", row.memory / 1024)),
            Cell::plain(row.first_fit.map_or_else(|| "-".to_owned(), time)),
            Cell::new(WAITING, instead),
        ]);
    }
    let description = policy.description();
    let mut text = format!(
        "{} {}: cold start {}\n\n",
        description.name,
        description.version,
        time(cold)
    );
    text.push_str(&table.render(terminal::width()));
    if cfg!(debug_assertions) {
        text.push_str(&format!(
            "\n{}\n",
            paint(
                FAINT,
                "this supercargo is a debug build: its numbers are too high"
            )
        ));
    }
    text
}

fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1_000.0 {
        format!("{micros:.1} us")
    } else {
        format!("{:.1} ms", micros / 1e3)
    }
}

fn value(policy: &Policy, rows: &[Row], cold: Duration) -> Value {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "hook": row.hook.name(),
                "devices": row.devices,
                "calls": row.calls,
                "p50Nanos": nanos(row.p50),
                "p99Nanos": nanos(row.p99),
                "memoryBytes": row.memory,
                "firstFitNanos": row.first_fit.map(nanos),
                "instead": row.instead.as_ref().map(|(_, told)| told),
            })
        })
        .collect();
    json!({
        "name": policy.description().name,
        "version": policy.description().version.to_string(),
        "digest": policy.digest(),
        "debugBuild": cfg!(debug_assertions),
        "coldNanos": nanos(cold),
        "hooks": rows,
    })
}
