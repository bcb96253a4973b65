//! `supercargo policy inspect`: what a component is and what it looks at.

use std::path::PathBuf;

use clap::Args;
use supercargo_host::policy::{Limits, check};

use super::{Format, report};
use crate::cli::{Exit, Failure};
use crate::policies::{self, PolicyError};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  supercargo policy inspect nvlink-groups.wasm
  supercargo policy inspect nvlink-groups.wasm -o json | jq .interests

Exit status: 0 it can be loaded, 1 it cannot (see `supercargo policy check`), 2 no such file.";

/// Show what a policy is: digest, hooks, what it looks at, settings, sizes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Inspect {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Inspect {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let bytes = policies::component(&self.file).map_err(PolicyError::from)?;
        let engine = policies::engine().map_err(PolicyError::from)?;
        // Everything any policy may have: what it is comes first, what it may have is for `check`.
        let inspection = check(&engine, &bytes, None, Limits::MOST);
        terminal::print(&report::report(
            &self.file.display().to_string(),
            &inspection,
            self.output,
        ))?;
        terminal::print_error(&report::problems(&inspection))?;
        Ok(if inspection.problems.is_empty() {
            Exit::Done
        } else {
            Exit::Unsatisfied
        })
    }
}
