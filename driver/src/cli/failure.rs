//! Everything that ends a command early. All of it means: nothing was decided.

use std::io;

use super::Exit;
use crate::manifests::ManifestError;
use crate::policies::PolicyError;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The manifests.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Building a policy.
    #[error(transparent)]
    Build(#[from] supercargo_guest_build::BuildError),
    /// Several results for one file.
    #[error("--output takes one policy; build the others without it")]
    OneOutput,
    /// Standard output.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// What to print: a message an error.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Manifests(ManifestError::Documents(documents)) => {
                documents.problems.iter().map(ToString::to_string).collect()
            }
            other => vec![format!("error: {other}")],
        }
    }

    /// What is still worth saying after the problems.
    pub fn remarks(&self) -> Vec<String> {
        let Self::Manifests(ManifestError::Documents(documents)) = self else { return Vec::new() };
        let errors = documents.errors().count();
        let good = documents.good.iter().map(|(place, what)| format!("read: {place}: {what}"));
        let (problems, are) = if errors == 1 { ("error", "is") } else { ("errors", "are") };
        let last = format!(
            "{errors} {problems}; {} good documents {are} listed above; nothing was allocated",
            documents.good.len()
        );
        good.chain([last]).collect()
    }

    /// How the process ends.
    pub fn exit(&self) -> Exit {
        Exit::BadInput
    }
}
