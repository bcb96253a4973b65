//! The upstream allocator as a program, where there is one: a Go program that answers and times the
//! same problems. The environment variable [`SOURCE`] names the folder of its source.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Names the folder with the source of the upstream program.
pub const SOURCE: &str = "SUPERCARGO_ORACLE";

/// The upstream program, built.
#[derive(Debug)]
pub struct Oracle {
    program: PathBuf,
    folder: PathBuf,
}

/// Why the upstream program is not there or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// Nobody asked for it.
    #[error("{SOURCE} is not set; it names the folder of the upstream program's source")]
    NotAskedFor,
    /// There is no Go to build it with.
    #[error("{SOURCE} is set, but `go` is not there: {0}")]
    NoGo(#[source] io::Error),
    /// A file could not be made.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It was built or run, and failed.
    #[error("`{command}`: {status}")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
}

impl Oracle {
    /// Builds the program that [`SOURCE`] names; it and its output go into `folder`.
    pub fn from_environment(folder: &Path) -> Result<Self, OracleError> {
        let source = env::var_os(SOURCE)
            .filter(|source| !source.is_empty())
            .ok_or(OracleError::NotAskedFor)?;
        let folder = folder.join("oracle");
        fs::create_dir_all(&folder).map_err(|error| OracleError::File {
            path: folder.clone(),
            error,
        })?;
        let program = folder.join("oracle");
        let mut build = Command::new("go");
        build
            .arg("build")
            .arg("-o")
            .arg(&program)
            .arg(".")
            .current_dir(source);
        let status = build.status().map_err(OracleError::NoGo)?;
        succeeded("go build", status)?;
        Ok(Self { program, folder })
    }

    /// Where the program and its output are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `number` allocation problems with upstream's answers, drawn from `seed`.
    pub fn problems(&self, number: usize, seed: u64) -> Result<PathBuf, OracleError> {
        let (number, seed) = (number.to_string(), seed.to_string());
        self.output(
            "problems.jsonl",
            ["gen", "-n", &number, "-seed", &seed].map(OsString::from),
        )
    }

    /// `number` device selectors with upstream's answers, drawn from `seed`.
    pub fn selectors(&self, number: usize, seed: u64) -> Result<PathBuf, OracleError> {
        let (number, seed) = (number.to_string(), seed.to_string());
        self.output(
            "selectors.jsonl",
            ["cel-gen", "-n", &number, "-seed", &seed].map(OsString::from),
        )
    }

    /// The performance problems with upstream's answers.
    pub fn performance_problems(&self) -> Result<PathBuf, OracleError> {
        self.output("performance.jsonl", ["problems-bench".into()])
    }

    /// How long upstream takes for each problem of a file, one line of JSON each.
    pub fn time_problems(&self, seconds: f64, problems: &Path) -> Result<PathBuf, OracleError> {
        let seconds = format!("{seconds}s");
        self.output(
            "times.jsonl",
            ["bench".into(), "-d".into(), seconds.into(), problems.into()],
        )
    }

    /// How long upstream takes for typical selectors, one line of JSON each.
    pub fn time_selectors(&self, seconds: f64) -> Result<PathBuf, OracleError> {
        let seconds = format!("{seconds}s");
        self.output(
            "selector-times.jsonl",
            ["cel-bench".into(), "-d".into(), seconds.into()],
        )
    }

    /// Runs the program with its standard output in a file.
    fn output<const N: usize>(
        &self,
        name: &str,
        arguments: [OsString; N],
    ) -> Result<PathBuf, OracleError> {
        let path = self.folder.join(name);
        let file = |error| OracleError::File {
            path: path.clone(),
            error,
        };
        let mut command = Command::new(&self.program);
        command
            .args(&arguments)
            .stdout(File::create(&path).map_err(file)?)
            .stderr(Stdio::null());
        let status = command.status().map_err(file)?;
        let words: Vec<_> = arguments
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect();
        succeeded(&words.join(" "), status)?;
        Ok(path)
    }
}

fn succeeded(command: &str, status: ExitStatus) -> Result<(), OracleError> {
    if status.success() {
        return Ok(());
    }
    Err(OracleError::Failed {
        command: command.to_owned(),
        status,
    })
}
