//! A first call of each hook, with a built-in question.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use supercargo_host::journal::Reply;
use supercargo_host::policy::{Hook, Limits, Policy};

use crate::cli::Failure;
use crate::cli::policy::bench::questions::Questions;
use crate::cli::policy::report;
use crate::fixtures::Candidate;
use crate::policies::PolicyError;
use crate::render::style::{BAD, GOOD, WAITING};
use crate::render::table::{Cell, Column, Table};
use crate::render::terminal;

/// How many devices the questions are about.
const DEVICES: usize = 8;

/// What came of a call.
pub(super) struct Call {
    pub(super) hook: Hook,
    /// What was answered, in a few words.
    answer: String,
    refused: bool,
    /// What is wrong with it.
    pub(super) fault: Option<String>,
    time: Duration,
    memory: u64,
}

/// Calls every hook that the policy describes; or why it cannot be called with these settings.
pub(super) fn all(
    file: &Path,
    bytes: Vec<u8>,
    settings: &str,
    limits: Limits,
) -> Result<Result<Vec<Call>, String>, Failure> {
    let candidate = Candidate::new(file.to_owned(), bytes, limits)?;
    let load = || Policy::load(candidate.engine(), candidate.bytes(), settings, limits);
    let policy = match load() {
        Ok(policy) => policy,
        Err(error) => return Ok(Err(format!("{error}; give --settings"))),
    };
    let questions = Questions::new(&policy.description().interests, &[]);
    let mut calls = Vec::new();
    for &hook in &policy.description().hooks {
        let Some(asked) = questions.of(hook, DEVICES, &candidate) else {
            continue;
        };
        // A policy of its own for each hook, for its memory is counted since it was loaded.
        let policy = load().map_err(|error| PolicyError::Refused {
            file: file.to_owned(),
            error,
        })?;
        let began = Instant::now();
        let reply = asked.question.ask(&policy, None);
        let time = began.elapsed();
        let memory = policy.counts().snapshot().memory_bytes;
        let again = asked.question.ask(&policy, None);
        let (answer, fault) = match &reply {
            Reply::Failed(failure) => ("none".to_owned(), Some(failure.message.clone())),
            reply if *reply != again => (
                told(reply),
                Some(format!(
                    "asked the same again, it answers otherwise: {}",
                    told(&again)
                )),
            ),
            reply => (told(reply), None),
        };
        calls.push(Call {
            hook,
            answer,
            refused: matches!(reply, Reply::Refused(_)),
            fault,
            time,
            memory,
        });
    }
    Ok(Ok(calls))
}

fn told(reply: &Reply) -> String {
    let some = |number: usize, what: &str| crate::render::count(number, what);
    match reply {
        Reply::Proposals(proposals) => some(proposals.len(), "proposal"),
        Reply::NodeSets(sets) => some(sets.len(), "set of nodes"),
        Reply::Violations(violations) => some(violations.len(), "violation"),
        Reply::Plan(plan) => format!(
            "{}, {}",
            some(plan.actions.len(), "step"),
            some(plan.edits.len(), "edit")
        ),
        Reply::Announcement(announcement) => some(announcement.devices.len(), "device"),
        Reply::Changes(changes) => some(changes.len(), "change"),
        Reply::Refused(reason) => format!("refuses: {reason}"),
        Reply::Failed(failure) => failure.message.clone(),
    }
}

pub(super) fn table(calls: &[Call], limits: &Limits) -> String {
    let mut table = Table::new(vec![
        Column::fixed("HOOK"),
        Column::fixed("TIME"),
        Column::fixed("MEMORY"),
        Column::wrapping("ANSWER", 30),
    ]);
    for call in calls {
        let style = match (&call.fault, call.refused) {
            (Some(_), _) => BAD,
            (None, true) => WAITING,
            (None, false) => GOOD,
        };
        table.push(vec![
            Cell::plain(call.hook.name()),
            Cell::plain(format!(
                "{:.1} of {} ms",
                call.time.as_secs_f64() * 1e3,
                limits.deadline.as_millis()
            )),
            Cell::plain(format!(
                "{} of {}",
                report::human(call.memory),
                report::human(limits.memory_bytes)
            )),
            Cell::new(style, &call.answer),
        ]);
    }
    table.render(terminal::width())
}

impl Call {
    pub(super) fn value(&self) -> Value {
        json!({
            "hook": self.hook.name(),
            "answer": self.answer,
            "refused": self.refused,
            "fault": self.fault,
            "nanos": u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX),
            "memoryBytes": self.memory,
        })
    }
}
