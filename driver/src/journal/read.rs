//! Reading a journal, the full files before it first.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use supercargo_host::journal::{Line, LineError};

use super::{JournalError, KEPT, full};

/// The longest line that is read: thousands of devices with every attribute.
const MAX_LINE: u64 = 32 << 20;

/// A line that cannot be read.
#[derive(Debug)]
pub struct Bad {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Whether it is merely cut short: whoever wrote it was interrupted.
    pub torn: bool,
    /// What is wrong.
    pub problem: String,
}

/// Where a line is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The file.
    pub path: &'a Path,
    /// The line, from 1.
    pub line: usize,
}

/// Hands every line that can be read to `each`, with its place, in the order written; answers the
/// others.
///
/// # Errors
/// A file cannot be read.
pub fn read(path: &Path, each: &mut dyn FnMut(Place<'_>, Line)) -> Result<Vec<Bad>, JournalError> {
    let mut bad = Vec::new();
    for number in (1..=KEPT).rev() {
        let full = full(path, number);
        if full.is_file() {
            one(&full, each, &mut bad)?;
        }
    }
    one(path, each, &mut bad)?;
    Ok(bad)
}

fn one(
    path: &Path,
    each: &mut dyn FnMut(Place<'_>, Line),
    bad: &mut Vec<Bad>,
) -> Result<(), JournalError> {
    let failed = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("is no file")));
    }
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut text = Vec::new();
        let read = reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut text)
            .map_err(failed)?;
        if read == 0 {
            break;
        }
        let mut wrong = |torn, problem: String| {
            bad.push(Bad {
                path: path.to_owned(),
                line: number,
                torn,
                problem,
            });
        };
        if read as u64 == MAX_LINE && text.last() != Some(&b'\n') {
            wrong(false, "is longer than any line of a journal".to_owned());
            break;
        }
        let text = String::from_utf8_lossy(&text);
        if text.trim().is_empty() {
            continue;
        }
        match Line::parse(&text) {
            Ok(line) => each(Place { path, line: number }, line),
            Err(LineError::Unreadable(error)) if error.is_eof() => {
                wrong(
                    true,
                    "is cut short; who wrote it was interrupted".to_owned(),
                );
            }
            Err(error) => wrong(false, error.to_string()),
        }
    }
    Ok(())
}
