//! The journal as files: appended to while decisions are made, read for replays and explanations.
//!
//! A line is written with one call to a file opened for appending, so a process that dies leaves at
//! most one line cut short, and that the last; whoever opens the file next ends it, and readers pass
//! over it and say so. A file that has grown to its limit becomes `FILE.1`, the one before `FILE.2`,
//! and the oldest goes, so that a journal nobody looks after cannot fill a disk. Beside the file, in
//! `FILE.policies`, lies every component that decided something in it, named by its digest: file and
//! folder together can be replayed anywhere.

mod read;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use supercargo_host::journal::{Line, Placed, Recorded, Recorder};
use supercargo_host::policy::Digest;

pub use read::{Bad, Place, read};

/// How large a file becomes before the next one is begun.
const MAX_BYTES: u64 = 64 << 20;
/// How many full files are kept.
const KEPT: u32 = 4;

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or what lies beside it.
    #[error("journal {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Somebody else writes it.
    #[error("journal {}: another process writes it; give each its own", .0.display())]
    Busy(PathBuf),
    /// It holds something else.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// It holds no line that can be read.
    #[error("journal {}: holds no decision; was it written with --journal?", .0.display())]
    Empty(PathBuf),
}

/// A journal that is being written. Lines come from many threads.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    max_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    bytes: u64,
    /// The first thing that went wrong; nothing is written after it.
    failed: Option<io::Error>,
}

impl Journal {
    /// Opens a journal to append to, and makes it when it is not there.
    ///
    /// # Errors
    /// The file cannot be written, or another process is writing it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::bounded(path, MAX_BYTES)
    }

    fn bounded(path: &Path, max_bytes: u64) -> Result<Self, JournalError> {
        let (file, bytes) = begin(path)?;
        Ok(Self {
            path: path.to_owned(),
            max_bytes,
            state: Mutex::new(State {
                file,
                bytes,
                failed: None,
            }),
        })
    }

    /// Appends a line, with the time. What goes wrong is told by [`Journal::close`].
    pub fn write(&self, mut line: Line) {
        line.set_time(jiff::Timestamp::now().to_string());
        let mut text = line.to_text();
        text.push('\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.is_none()
            && let Err(error) = self.append(&mut state, text.as_bytes())
        {
            // A command says so when it closes the journal; what goes on for days says it now.
            tracing::error!(path = %self.path.display(), %error, "the journal ends here");
            state.failed = Some(error);
        }
    }

    /// What became of a pod or claim.
    pub fn placed(&self, placed: Placed) {
        self.write(Line::Placed(Box::new(placed)));
    }

    /// Puts a component beside the journal.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, component: &[u8]) -> Result<(), JournalError> {
        let folder = components(&self.path);
        let path = folder.join(file_name(&Digest::of(component)));
        let write = || {
            fs::create_dir_all(&folder)?;
            if fs::metadata(&path).is_ok_and(|there| there.len() == component.len() as u64) {
                return Ok(());
            }
            let draft = path.with_extension(format!("{}.part", std::process::id()));
            fs::write(&draft, component)?;
            fs::rename(&draft, &path)
        };
        write().map_err(|source| JournalError::Io {
            path: path.clone(),
            source,
        })
    }

    /// Ends it: everything is on its way to the disk.
    ///
    /// # Errors
    /// The first thing that went wrong; the journal ends there.
    pub fn close(&self) -> Result<(), JournalError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match state.failed.take() {
            Some(error) => Err(error),
            None => state.file.sync_data(),
        };
        result.map_err(|source| JournalError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        if state.bytes > 0 && state.bytes + line.len() as u64 > self.max_bytes {
            for number in (1..KEPT).rev() {
                replace(&full(&self.path, number), &full(&self.path, number + 1))?;
            }
            replace(&self.path, &full(&self.path, 1))?;
            let (file, bytes) = begin(&self.path).map_err(io::Error::other)?;
            (state.file, state.bytes) = (file, bytes);
        }
        state.file.write_all(line)?;
        state.bytes += line.len() as u64;
        Ok(())
    }
}

impl Recorder for Journal {
    fn record(&self, decision: Recorded) {
        self.write(Line::Decision(Box::new(decision)));
    }
}

/// The folder with the components of a journal.
pub fn components(journal: &Path) -> PathBuf {
    beside(journal, ".policies")
}

/// What the component of a digest is called there.
pub fn file_name(digest: &Digest) -> String {
    format!("{}.wasm", digest.hex())
}

/// The file that was full `number` files ago.
fn full(journal: &Path, number: u32) -> PathBuf {
    beside(journal, &format!(".{number}"))
}

fn beside(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    journal.with_file_name(name)
}

fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Opens the file for this process alone, and ends a line that was cut short.
fn begin(path: &Path) -> Result<(File, u64), JournalError> {
    let io = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(JournalError::Busy(path.to_owned())),
        Err(fs::TryLockError::Error(source)) => return Err(io(source)),
    }
    let mut bytes = file.metadata().map_err(io)?.len();
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).map_err(io)?;
        file.read_exact(&mut last).map_err(io)?;
        if last != *b"\n" {
            file.write_all(b"\n").map_err(io)?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(pod: &str) -> Placed {
        Placed::new(Some(pod.to_owned()))
    }

    fn pods(path: &Path) -> (Vec<String>, Vec<Bad>) {
        let mut pods = Vec::new();
        let bad = read(path, &mut |_, line| {
            if let Line::Placed(placed) = line {
                pods.extend(placed.pod);
            }
        })
        .unwrap();
        (pods, bad)
    }

    #[test]
    fn a_line_that_was_cut_short_is_told_and_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        Journal::open(&path).unwrap().placed(placed("a"));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], &whole[..20]].concat()).unwrap();
        let (before, bad) = pods(&path);
        assert_eq!((before, bad.len()), (vec!["a".to_owned()], 1));
        assert_eq!((bad[0].line, bad[0].torn), (2, true));

        Journal::open(&path).unwrap().placed(placed("b"));
        let (after, bad) = pods(&path);
        assert_eq!(after, ["a", "b"]);
        assert_eq!((bad.len(), bad[0].torn), (1, true));
    }

    #[test]
    fn a_full_file_makes_room_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let journal = Journal::bounded(&path, 300).unwrap();
        for number in 0..40 {
            journal.placed(placed(&format!("pod-{number:02}")));
        }
        journal.close().unwrap();
        let (kept, bad) = pods(&path);
        assert!(bad.is_empty());
        assert_eq!(kept.last().map(String::as_str), Some("pod-39"));
        assert!(kept.len() < 40 && kept.is_sorted(), "{kept:?}");
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1 + KEPT as usize);
        for file in fs::read_dir(folder.path()).unwrap() {
            assert!(file.unwrap().metadata().unwrap().len() <= 300);
        }
    }

    #[test]
    fn two_writers_are_one_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let _first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Busy(_))));
    }
}
