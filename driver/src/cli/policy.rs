//! `supercargo policy`: everything about one policy, from its source to what it decided.

mod bench;
mod build;
mod check;
mod inspect;
mod new;
mod record;
mod replay;
mod report;
mod simulate;
mod test;

use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, Failure};

/// Build, test, measure and look at policies
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Inspect(inspect::Inspect),
    Check(check::Check),
    Build(build::Build),
    Test(test::Test),
    Bench(bench::Bench),
    Record(record::Record),
    Replay(replay::Replay),
    Simulate(simulate::Simulate),
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
            Command::New(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Build(command) => command.run(),
            Command::Test(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Record(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Simulate(command) => command.run(),
        }
    }
}
