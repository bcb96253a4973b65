//! `--filename`: the manifests that a command reads.

use std::path::PathBuf;

use clap::Args;

/// Where manifests are.
#[derive(Debug, Args)]
pub(super) struct Filenames {
    /// A manifest, a folder of manifests, or `-` for standard input; may be given several times
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "FILE|DIR|-",
        required = true
    )]
    pub(super) files: Vec<PathBuf>,
}
