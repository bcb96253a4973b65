//! The command line: what can be asked, and how an answer ends.
//!
//! Each command is one file under `cli/`, with its flags, its help and what it does. A command
//! returns how it ended or a [`Failure`]; [`conclude`] is the only place that prints one. Data goes
//! to standard output and everything else to standard error, so that output can be piped.

mod allocate;
mod chosen;
mod compare;
mod completions;
mod contenders;
mod daemon;
mod exit;
mod explain;
mod failure;
mod filenames;
mod journaled;
mod limits;
mod node;
mod plan;
mod policy;
mod scheduler;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;
pub use failure::Failure;

use crate::render::style::{BAD, FAINT, paint};
use crate::render::table::printable;

const ABOUT: &str = "Allocate Kubernetes devices with sandboxed vendor policies";

const LONG_ABOUT: &str = "\
Allocate Kubernetes devices with sandboxed vendor policies

Supercargo decides which devices a ResourceClaim gets. Without a policy it decides exactly as
kube-scheduler does; with a policy (a WebAssembly component that can touch nothing) a hardware
vendor's knowledge decides, and every rule of Dynamic Resource Allocation is still kept.";

const EXAMPLES: &str = "\
Examples:
  Who gets which devices?
    supercargo allocate -f cluster.yaml -f my-pod.yaml

  Why is my pod pending?
    supercargo allocate -f . --explain

  What would a vendor's policy do better?
    supercargo compare -f scene.yaml --policy nvlink-groups.wasm

  What would be done to the node for this claim, and may it?
    supercargo plan -f claim.yaml --topology node.yaml --config configuration.yaml

  Is this policy fit to be loaded?
    supercargo policy check nvlink-groups.wasm

  Serve the devices of a node
    supercargo node --node-name worker-1 --topology node.yaml

  Let policies decide where pods go
    supercargo scheduler --mode coexist --config configuration.yaml

Exit status: 0 done, 1 something stays pending or was refused, 2 bad input.
`supercargo <COMMAND> --help` explains a command.";

/// The arguments.
#[derive(Debug, Parser)]
#[command(name = "supercargo", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Allocate(allocate::Allocate),
    Compare(compare::Compare),
    Explain(explain::Explain),
    Plan(plan::Plan),
    Policy(policy::Policy),
    Node(node::Node),
    Scheduler(scheduler::Scheduler),
    Completions(completions::Completions),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Allocate(command) => command.run(),
            Command::Compare(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Plan(command) => command.run(),
            Command::Policy(command) => command.run(),
            Command::Node(command) => command.run(),
            Command::Scheduler(command) => command.run(),
            Command::Completions(command) => command.run(),
        }
    }
}

/// Prints what went wrong, if anything did, and says how the process ends.
pub fn conclude(result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Errors come last, where they are still on the screen.
            let (good, last) = failure.around();
            for line in good {
                anstream::eprintln!("{}", paint(FAINT, &printable(&line)));
            }
            for problem in failure.problems() {
                let problem = printable(&problem);
                match problem.strip_prefix("error: ") {
                    Some(error) => anstream::eprintln!("{} {error}", paint(BAD, "error:")),
                    None => anstream::eprintln!("{problem}"),
                }
            }
            if let Some(last) = last {
                anstream::eprintln!("{last}");
            }
            failure.exit().into()
        }
    }
}
