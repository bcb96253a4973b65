//! `supercargo policy build`: from a crate to a component that imports nothing.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use supercargo_guest_build::{Progress, Project};

use crate::cli::{Exit, Failure};
use crate::render::style::{FAINT, GOOD, paint};
use crate::render::terminal;

const EXAMPLES: &str = "\
Examples:
  supercargo policy build examples/policies/nvlink-groups
  supercargo policy build my-policy --output my-policy.wasm

It needs Rust's wasm32-unknown-unknown target (`rustup target add wasm32-unknown-unknown`), or
Debian's rustc-web and rust-web-src. Exit status: 0 built, 2 not.";

/// Build a policy crate into a component that imports nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Build {
    /// The folders of the policies' crates
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,

    /// Copy the component here too; for one policy
    #[arg(short, long, value_name = "FILE.wasm")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.output.is_some() && self.folders.len() > 1 {
            return Err(Failure::OneOutput);
        }
        for folder in &self.folders {
            let began = Instant::now();
            let project = Project::find(folder)?;
            if let Some(patience) = project.toolchain()? {
                anstream::eprintln!("{}", paint(FAINT, patience));
            }
            let built = project.build(Progress::Shown)?;
            let mut path = built.path.clone();
            if let Some(output) = &self.output {
                std::fs::write(output, &built.wasm)?;
                path.clone_from(output);
            }
            let exports: Vec<&str> = built
                .exports
                .iter()
                .filter_map(|export| export.split('/').nth(1)?.split('@').next())
                .collect();
            terminal::print(&format!(
                "{}: {}, imports nothing, exports {}, {} bytes, {:.1} s\n",
                path.display(),
                paint(GOOD, &built.package),
                exports.join(", "),
                built.wasm.len(),
                began.elapsed().as_secs_f64()
            ))?;
        }
        Ok(Exit::Done)
    }
}
