//! `supercargo policy`: looking at, checking and building policies.

mod build;
mod check;
mod inspect;
mod report;

use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, Failure};

/// Inspect, check and build policies
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Check(check::Check),
    Build(build::Build),
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// One YAML document
    Yaml,
}

impl Policy {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Inspect(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Build(command) => command.run(),
        }
    }
}
