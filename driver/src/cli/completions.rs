//! `supercargo completions`: a script that completes commands and flags.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, Failure};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  supercargo completions bash > /etc/bash_completion.d/supercargo
  supercargo completions zsh > \"${fpath[1]}/_supercargo\"
  supercargo completions fish > ~/.config/fish/completions/supercargo.fish";

/// Print a script that completes commands and flags in your shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell to complete in
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "supercargo", &mut script);
        terminal::print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
