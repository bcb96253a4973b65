//! Runs files of cases: reads them, answers every case with panics contained, reports what differs.

use std::any::Any;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use crate::case::{Case, CaseError};

/// Which cases to run and how much to say.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// Failures to print in full; the rest is only counted.
    pub limit_failures: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: None,
            limit_failures: usize::MAX,
        }
    }
}

/// What came of some files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Cases whose answer is upstream's.
    pub passed: usize,
    /// Cases whose answer is another, or that panicked.
    pub failed: usize,
}

/// Why files could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file or folder cannot be read.
    #[error("{path}: {error}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A folder without cases.
    #[error("{}: there are no *.jsonl files here", .0.display())]
    NoFiles(PathBuf),
    /// A line that is no case.
    #[error("{path}:{line}: {error}", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: CaseError,
    },
    /// The report could not be written.
    #[error("writing the report: {0}")]
    Report(#[source] io::Error),
}

/// The files meant by a list of files and folders: a folder stands for its `*.jsonl`, by name.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SuiteError> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let read = |error| SuiteError::Read {
            path: path.clone(),
            error,
        };
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(read)? {
            let file = entry.map_err(read)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(SuiteError::NoFiles(path.clone()));
        }
        inside.sort();
        found.append(&mut inside);
    }
    Ok(found)
}

/// Reads the cases of one file.
pub fn read(path: &Path) -> Result<Vec<Case>, SuiteError> {
    let text = read_text(path)?;
    lines(&text)
        .map(|(line, text)| parse(path, line, text))
        .collect()
}

fn read_text(path: &Path) -> Result<String, SuiteError> {
    fs::read_to_string(path).map_err(|error| SuiteError::Read {
        path: path.to_owned(),
        error,
    })
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn parse(path: &Path, line: usize, text: &str) -> Result<Case, SuiteError> {
    Case::parse(text).map_err(|error| SuiteError::Line {
        path: path.to_owned(),
        line,
        error,
    })
}

/// Runs every case of the files on all cores and writes a report of the failing ones, in order.
pub fn check(
    files: &[PathBuf],
    options: &Options,
    out: &mut dyn io::Write,
) -> Result<Tally, SuiteError> {
    let mut tally = Tally::default();
    for path in files {
        let text = read_text(path)?;
        let lines: Vec<(usize, &str)> = lines(&text).collect();
        let mut outcomes = outcomes(path, &lines, options);
        outcomes.sort_by_key(|(line, _)| *line);
        for (_, outcome) in outcomes {
            match outcome? {
                None => tally.passed += 1,
                Some(failure) => {
                    tally.failed += 1;
                    if tally.failed <= options.limit_failures {
                        writeln!(out, "{failure}\n").map_err(SuiteError::Report)?;
                    }
                }
            }
        }
    }
    let unseen = tally.failed.saturating_sub(options.limit_failures);
    if unseen > 0 {
        writeln!(out, "... and {unseen} failures more").map_err(SuiteError::Report)?;
    }
    writeln!(out, "{} passed, {} failed", tally.passed, tally.failed)
        .map_err(SuiteError::Report)?;
    Ok(tally)
}

/// By line: the failure in words, or none.
type Outcome = (usize, Result<Option<String>, SuiteError>);

fn outcomes(path: &Path, lines: &[(usize, &str)], options: &Options) -> Vec<Outcome> {
    let (next, outcomes) = (
        AtomicUsize::new(0),
        Mutex::new(Vec::with_capacity(lines.len())),
    );
    let work = || {
        while let Some((line, text)) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = parse(path, *line, text).map(|case| {
                let wanted = options
                    .filter
                    .as_ref()
                    .is_none_or(|filter| case.name().contains(filter.as_str()));
                wanted.then(|| failure(path, *line, &case))
            });
            if let Some(outcome) = outcome.transpose() {
                let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                outcomes.push((*line, outcome));
            }
        }
    };
    // Spawned threads have the 2 MiB stack that servers give their workers, so a recursion that
    // would bring a server down is found here.
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism()
            .map_or(1, usize::from)
            .min(lines.len())
        {
            scope.spawn(work);
        }
    });
    outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}

fn failure(path: &Path, line: usize, case: &Case) -> Option<String> {
    let difference = match contained(AssertUnwindSafe(|| case.check())) {
        Ok(Ok(())) => return None,
        Ok(Err(difference)) => difference,
        Err(panic) => format!("panicked: {panic}"),
    };
    let inputs = contained(AssertUnwindSafe(|| case.inputs())).unwrap_or_default();
    let indented = |text: &str| text.replace('\n', "\n      ");
    Some(format!(
        "{} ({}:{line})\n    given\n      {}\n    differs\n      {}",
        case.name(),
        path.display(),
        indented(&inputs),
        indented(&difference)
    ))
}

thread_local! {
    /// Set while a panic of this thread is somebody's to report.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls `f` and turns a panic into its message and place.
pub fn contained<T>(f: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let reported = CAUGHT.with_borrow_mut(|caught| match caught {
                Some(text) => {
                    *text = info.location().map(ToString::to_string).unwrap_or_default();
                    true
                }
                None => false,
            });
            if !reported {
                previous(info);
            }
        }));
    });
    CAUGHT.set(Some(String::new()));
    let outcome = panic::catch_unwind(f);
    let place = CAUGHT.take().unwrap_or_default();
    outcome.map_err(|payload| format!("{} at {place}", message(payload.as_ref())))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "something that is no text",
    }
}
