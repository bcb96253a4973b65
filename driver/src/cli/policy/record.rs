//! `supercargo policy record`: what a policy answers today, to be held against tomorrow's version.

use std::path::PathBuf;

use clap::Args;
use supercargo_host::journal::{Line, Recorded, Subject, Verdict};

use super::test::candidate;
use crate::cli::limits::LimitsFlag;
use crate::cli::{Exit, Failure};
use crate::fixtures;
use crate::journal::Journal;
use crate::render::{count, terminal};

const EXAMPLES: &str = "\
Examples:
  Before a change, and after it:
    supercargo policy record my-policy --journal answers.jsonl
    supercargo policy replay answers.jsonl --policy my-policy.wasm

To record decisions about manifests: supercargo allocate -f . --policy my.wasm --journal FILE

Exit status: 0 recorded, 2 a fixture or the policy cannot be read.";

const LONG: &str = "\
Write down what a policy answers to its fixtures

Asks the policy what its fixtures ask, and writes every question and answer into a journal, whatever the \
fixtures expect. `supercargo policy replay` puts the same questions to another version.";

/// Write down what a policy answers to its fixtures
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Record {
    /// The policy's folder, with its fixtures in `fixtures` or `tests`; or a fixture
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// The component; without it the crate in DIR is built
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitsFlag,

    /// The file; lines are added to one that is there
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
}

impl Record {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let cases = fixtures::read(&self.folder)?;
        let candidate = candidate(&self.folder, self.policy.as_deref(), self.limits.limits())?;
        let journal = Journal::open(&self.journal)?;
        journal.keep(candidate.bytes())?;
        let mut written = 0;
        for case in &cases {
            let ran = fixtures::run(case, &candidate)?;
            let (_, policy) = candidate.load(&case.fixture.settings)?;
            let mut decisions = ran.asked;
            if decisions.is_empty()
                && let (Some(question), Some(answer)) = (ran.question, ran.answer)
            {
                let subject = Subject {
                    claim: format!("{}/{}", "fixture", case.name),
                    ..Subject::default()
                };
                let verdict = Verdict::Accepted;
                decisions.push(Recorded::new(
                    &candidate.name,
                    &policy,
                    subject,
                    question,
                    answer,
                    verdict,
                ));
            }
            for mut decision in decisions {
                // Claims of fixtures are all called alike.
                decision.subject.claim = format!("fixture/{}", case.name);
                journal.write(Line::Decision(Box::new(decision)));
                written += 1;
            }
        }
        journal.close()?;
        terminal::print(&format!(
            "{}: {} of {}\n",
            self.journal.display(),
            count(written, "answer"),
            count(cases.len(), "fixture")
        ))?;
        Ok(Exit::Done)
    }
}
