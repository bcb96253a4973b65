//! `supercargo policy build`: from source to a component that imports nothing.

mod watch;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use supercargo_guest_build::{Progress, Project};
use supercargo_host::policy::{Limits, check};

use super::report;
use crate::cli::{Exit, Failure};
use crate::policies::{self, PolicyError};
use crate::render::style::{BAD, FAINT, GOOD, paint};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  supercargo policy build
  supercargo policy build examples/policies/nvlink-groups examples/languages/c
  supercargo policy build my-policy --output my-policy.wasm
  supercargo policy build my-policy --watch

What it is written in is told by Cargo.toml, else by policy.yaml. Rust needs its \
wasm32-unknown-unknown target (`rustup target add wasm32-unknown-unknown`) or Debian's rustc-web and \
rust-web-src, C clang and lld, JavaScript componentize-qjs, Python componentize-py; what is missing is \
named with the command that installs it.

Exit status: 0 built, or watched until Ctrl-C; 2 not built.";

/// Build policies into components that import nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Build {
    /// The policies' folders
    #[arg(value_name = "DIR", default_value = ".")]
    folders: Vec<PathBuf>,

    /// Copy the component here too; for one policy
    #[arg(short, long, value_name = "FILE.wasm")]
    output: Option<PathBuf>,

    /// Build again whenever a file in the folder changes, until Ctrl-C; for one policy
    #[arg(long)]
    watch: bool,
}

impl Build {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if (self.output.is_some() || self.watch) && self.folders.len() > 1 {
            return Err(Failure::OneOutput);
        }
        for folder in &self.folders {
            if self.watch {
                return watch::watch(folder, self.output.as_deref(), || {
                    match self.build(folder) {
                        Ok(()) => Ok(()),
                        // A mistake in the source is what a watcher waits to see corrected.
                        Err(failure @ (Failure::Build(_) | Failure::Unfit { .. })) => {
                            anstream::eprintln!("{} {failure}", paint(BAD, "error:"));
                            Ok(())
                        }
                        Err(other) => Err(other),
                    }
                });
            }
            self.build(folder)?;
        }
        Ok(Exit::Done)
    }

    fn build(&self, folder: &Path) -> Result<(), Failure> {
        let began = Instant::now();
        let project = Project::find(folder)?;
        if let Some(patience) = project.toolchain()? {
            anstream::eprintln!("{}", paint(FAINT, patience));
        }
        let built = project.build(Progress::Shown)?;
        let engine = policies::engine().map_err(PolicyError::from)?;
        let problems = check(&engine, &built.wasm, None, Limits::MOST).problems;
        if !problems.is_empty() {
            return Err(Failure::Unfit { problems });
        }
        let mut path = built.path.clone();
        if let Some(output) = &self.output {
            Failure::write(output, &built.wasm)?;
            path.clone_from(output);
        }
        let exports: Vec<&str> = built
            .exports
            .iter()
            .filter_map(|export| export.split('/').nth(1)?.split('@').next())
            .filter(|interface| *interface != "types")
            .collect();
        terminal::print(&format!(
            "{}: {}, imports nothing, exports {}, {}, {:.1} s\n",
            path.display(),
            paint(GOOD, &built.package),
            exports.join(", "),
            report::human(u64::try_from(built.wasm.len()).unwrap_or(u64::MAX)),
            began.elapsed().as_secs_f64()
        ))?;
        Ok(())
    }
}
