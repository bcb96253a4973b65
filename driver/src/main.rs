//! The `supercargo` binary: hand the arguments over, print what went wrong, say how it ended.

use std::process::ExitCode;

use clap::Parser as _;
use supercargo::cli::Cli;

fn main() -> ExitCode {
    supercargo::cli::conclude(Cli::parse().run())
}
