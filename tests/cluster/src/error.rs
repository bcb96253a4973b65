//! What can go wrong between asking for a cluster and having one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::requirements::Unavailable;

/// Why there is no cluster, or why it did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// This machine cannot run one.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A file, folder or process could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A command ended with an error.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// The command and its arguments.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        output: String,
    },
    /// A part of the cluster ended by itself.
    #[error("{component} ended ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// Which part.
        component: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Where its output is.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Something did not happen in time.
    #[error("waited {} s in vain until {until}", after.as_secs())]
    TimedOut {
        /// What was waited for, and what was seen instead where that is known.
        until: String,
        /// How long.
        after: Duration,
    },
    /// A path is too long for a unix socket.
    #[error(
        "plugins' sockets below {} would have paths too long for a unix socket: set TMPDIR to a shorter folder", .0.display()
    )]
    SocketPath(PathBuf),
    /// A folder lies where the cluster covers the machine's own files with empty ones.
    #[error("{} lies below {covered}, which the cluster covers: set {variable} to a folder elsewhere", path.display())]
    Covered {
        /// The folder.
        path: PathBuf,
        /// Below what it lies.
        covered: &'static str,
        /// What moves it.
        variable: &'static str,
    },
    /// A folder belongs to somebody else.
    #[error("{} is not a folder that only this user writes to: remove it, or set TMPDIR", .0.display())]
    NotOurs(PathBuf),
    /// A certificate or key could not be made.
    #[error("make certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The API server refused something or could not be reached.
    #[error("{what}: {source}")]
    Api {
        /// What was asked of it.
        what: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The kubeconfig could not be used.
    #[error("use {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// An answer that makes no sense.
    #[error("{what}: {answer:?}")]
    Answer {
        /// What was asked.
        what: String,
        /// The answer.
        answer: String,
    },
}

impl ClusterError {
    /// Names what was asked in an error of the API server.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }
}

/// Names the file in an error about one.
pub(crate) fn at<'a>(
    verb: &'a str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> ClusterError + 'a {
    move |source| ClusterError::Io {
        what: format!("{verb} {}", path.display()),
        source,
    }
}
