//! `supercargo policy check`: everything that loading would refuse, all at once.

use std::path::PathBuf;

use clap::Args;
use supercargo_host::policy::{Limits, check};

use super::report;
use crate::cli::{Exit, Failure};
use crate::input::read_bytes;
use crate::policies::{self, PolicyError};
use crate::render::style::{GOOD, paint};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  supercargo policy check nvlink-groups.wasm
  supercargo policy check nvlink-groups.wasm --settings '{\"groupSize\": 4}'
  supercargo policy check python-policy.wasm --most

Exit status: 0 all can be loaded, 1 at least one is refused (why is on stderr), 2 no such file.";

/// Say everything that would keep a policy from being loaded
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// The components
    #[arg(value_name = "FILE.wasm", required = true)]
    files: Vec<PathBuf>,

    /// Check these settings against the policy's schema too: a JSON object, or @FILE with one
    #[arg(long, value_name = "JSON|@FILE")]
    settings: Option<String>,

    /// Allow as much as any policy may be given, instead of the default limits
    #[arg(long)]
    most: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let limits = if self.most {
            Limits::MOST
        } else {
            Limits::default()
        };
        let settings = match self.settings.as_deref() {
            Some(settings) => Some(match settings.strip_prefix('@') {
                Some(file) => {
                    let bytes = read_bytes(file.as_ref(), 1 << 20).map_err(PolicyError::from)?;
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                None => settings.to_owned(),
            }),
            None => None,
        };
        let engine = policies::engine().map_err(PolicyError::from)?;
        let mut exit = Exit::Done;
        for file in &self.files {
            let bytes = policies::component(file).map_err(PolicyError::from)?;
            let inspection = check(&engine, &bytes, settings.as_deref(), limits);
            let file = file.display();
            if inspection.problems.is_empty() {
                terminal::print(&format!("{file}: {}\n", paint(GOOD, "can be loaded")))?;
            } else {
                exit = Exit::Unsatisfied;
                terminal::print(&format!("{file}: refused\n"))?;
                terminal::print_error(&report::problems(&inspection))?;
            }
        }
        Ok(exit)
    }
}
