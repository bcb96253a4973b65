//! `supercargo explain`: the story of a decision, from a journal.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;
use supercargo_host::journal::Line;
use supercargo_host::objects::write;

use super::{Exit, Failure};
use crate::journal::{self, Bad, JournalError};
use crate::render::decision::{self, Asked};
use crate::render::style::{WAITING, paint};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  Why did the claim get these devices?
    supercargo explain decisions.jsonl --claim train-0-gpus

  What did the policy know of each device?
    supercargo explain decisions.jsonl --claim ml/train-0-gpus --devices

Exit status: 0 told, 1 the journal has nothing on this claim, 2 the journal cannot be read.";

const LONG: &str = "\
Tell how a claim came to its devices

Reads a journal (what `--journal FILE` of `supercargo allocate`, `compare`, `plan`, `policy simulate`, \
`node` and `scheduler` writes, and `policy record`) and tells everything in it about one claim in the order it happened: which policy was asked on which node, what it was told, what \
it proposed, what the allocator said to each proposal, and what came of it.";

/// Tell how a claim came to its devices
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Explain {
    /// The journal; full files beside it (FILE.1 and so on) are read too
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,

    /// The claim: `name`, in whatever namespace, or `namespace/name`
    #[arg(long, value_name = "CLAIM")]
    claim: String,

    /// Show every device with what the policy was told about it
    #[arg(long)]
    devices: bool,

    /// How to print: `json` and `yaml` are the journal's own lines
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON list of lines
    Json,
    /// One YAML list of lines
    Yaml,
}

impl Explain {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut told = String::new();
        let mut lines: Vec<Value> = Vec::new();
        let mut all = 0_usize;
        let asked = if self.devices {
            Asked::Devices
        } else {
            Asked::InShort
        };
        let bad = journal::read(&self.journal, &mut |_, line| {
            all += 1;
            let about = match &line {
                Line::Decision(decision) => self.means(&decision.subject.claim),
                Line::Placed(placed) => placed.claims.iter().any(|claim| self.means(&claim.claim)),
            };
            if !about {
                return;
            }
            told.push_str(&match &line {
                Line::Decision(one) => decision::decision(one, asked),
                Line::Placed(one) => decision::placed(one),
            });
            lines.extend(serde_json::to_value(&line));
        })?;
        report(&bad)?;
        if all == 0 {
            return Err(JournalError::Empty(self.journal).into());
        }
        if lines.is_empty() {
            terminal::print_error(&format!(
                "nothing in {} is about claim {}; it has {all} other lines\n",
                self.journal.display(),
                self.claim
            ))?;
            return Ok(Exit::Unsatisfied);
        }
        terminal::print(&match self.output {
            Format::Table => told,
            Format::Json => format!("{:#}\n", Value::Array(lines)),
            Format::Yaml => write::yaml_values(&[Value::Array(lines)]),
        })?;
        Ok(Exit::Done)
    }

    fn means(&self, claim: &str) -> bool {
        claim == self.claim
            || claim
                .split_once('/')
                .is_some_and(|(_, name)| name == self.claim)
    }
}

/// Tells the lines that cannot be read; one that is more than cut short is an error.
pub(super) fn report(bad: &[Bad]) -> Result<(), Failure> {
    for bad in bad {
        if !bad.torn {
            return Err(JournalError::Line {
                path: bad.path.clone(),
                line: bad.line,
                problem: bad.problem.clone(),
            }
            .into());
        }
        terminal::print_error(&format!(
            "{} {}:{}: {}\n",
            paint(WAITING, "passed over:"),
            bad.path.display(),
            bad.line,
            bad.problem
        ))?;
    }
    Ok(())
}
