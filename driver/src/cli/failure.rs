//! Everything that ends a command early. Nearly all of it means: nothing was decided.

use std::io;

use super::Exit;
use crate::fixtures::FixtureError;
use crate::journal::JournalError;
use crate::manifests::ManifestError;
use crate::node::NodeError;
use crate::policies::PolicyError;
use crate::scheduler::SchedulerError;
use crate::simulation::CourseError;
use crate::wave::NoWave;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The manifests.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The hardware of a simulated node.
    #[error(transparent)]
    Topology(#[from] crate::devices::simulated::TopologyError),
    /// What the device layer says.
    #[error(transparent)]
    Device(#[from] crate::devices::DeviceError),
    /// What a node announces.
    #[error(transparent)]
    Announcement(#[from] crate::node::slices::Defects),
    /// Building a policy.
    #[error(transparent)]
    Build(#[from] supercargo_guest_build::BuildError),
    /// What was built is a component that no host would load.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unfit {
        /// All that is wrong with it.
        problems: Vec<supercargo_host::policy::LoadError>,
    },
    /// The node driver.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The scheduler extender.
    #[error(transparent)]
    Scheduler(#[from] Box<SchedulerError>),
    /// What is to be simulated.
    #[error(transparent)]
    Course(CourseError),
    /// A recorded component that is not there any more.
    #[error("no component {digest} of policy {name} ({why}); give one with --policy")]
    NoComponent {
        /// The policy.
        name: String,
        /// What it was.
        digest: supercargo_host::policy::Digest,
        /// What was found instead.
        why: String,
    },
    /// Groups that there are not.
    #[error(transparent)]
    Group(#[from] crate::topology::NoSuchAttribute),
    /// A fixture.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A question that has no text form.
    #[error("the question cannot be written as WAVE: {0}")]
    Wave(#[from] NoWave),
    /// A case that is not there.
    #[error("no fixture is called {asked}; there are {}", known.join(", "))]
    NoSuchCase {
        /// The name.
        asked: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// Several policies where one can be.
    #[error("--output and --watch take one policy; build the others without them")]
    OneOutput,
    /// A folder that cannot be watched.
    #[error("cannot watch {}: {error}", folder.display())]
    Watch {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why not.
        error: String,
    },
    /// A file that is asked for.
    #[error("cannot write {}: {source}", file.display())]
    Write {
        /// The file.
        file: std::path::PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<CourseError> for Failure {
    fn from(error: CourseError) -> Self {
        match error {
            // Manifests are told document by document.
            CourseError::Manifests(error) => Self::Manifests(error),
            error => Self::Course(error),
        }
    }
}

impl Failure {
    /// Writes a file that is asked for.
    ///
    /// # Errors
    /// It cannot be written, with its name.
    pub fn write(file: &std::path::Path, text: impl AsRef<[u8]>) -> Result<(), Self> {
        std::fs::write(file, text).map_err(|source| Self::Write {
            file: file.to_owned(),
            source,
        })
    }

    /// What to print: a message an error.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Manifests(ManifestError::Documents(documents)) => {
                documents.problems.iter().map(ToString::to_string).collect()
            }
            Self::Unfit { problems } => {
                problems.iter().map(|one| format!("error: {one}")).collect()
            }
            other => vec![format!("error: {other}")],
        }
    }

    /// What was read without errors, and what came of it in a line: said around the problems.
    pub fn around(&self) -> (Vec<String>, Option<String>) {
        let Self::Manifests(ManifestError::Documents(documents)) = self else {
            return (Vec::new(), None);
        };
        let good = documents
            .good
            .iter()
            .map(|(place, what)| format!("read: {place}: {what}"))
            .collect();
        let errors = documents.errors().count();
        let errors = if errors == 1 {
            "1 error".to_owned()
        } else {
            format!("{errors} errors")
        };
        let last = match documents.good.len() {
            0 => format!("{errors}; nothing was allocated"),
            1 => format!("{errors}, 1 good document; nothing was allocated"),
            good => format!("{errors}, {good} good documents; nothing was allocated"),
        };
        (good, Some(last))
    }

    /// How the process ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Node(error) if !error.is_bad_input() => Exit::Unsatisfied,
            Self::Scheduler(error) if !error.is_bad_input() => Exit::Unsatisfied,
            _ => Exit::BadInput,
        }
    }
}
