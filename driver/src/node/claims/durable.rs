//! Files that are whole or not there, and, where it matters, still there after a power cut.
//!
//! A killed process loses nothing it wrote; only the machine going down does. So a write waits for the
//! disk where something outlives the machine going down, and nowhere else: see
//! [`claims`](super) for which writes those are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use super::fault::{FaultPoint, reached};

/// Permissions of every file: parameters of claims are their users' business.
const PRIVATE: u32 = 0o600;

/// Whether a write waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the content, and the name it is found by, are there to stay.
    ForDisk,
    /// Not at all.
    No,
}

/// Makes a file that nobody reads before this returns.
pub(super) fn create(path: &Path, bytes: &[u8], wait: Wait) -> io::Result<()> {
    let file = written(path, bytes)?;
    match wait {
        Wait::ForDisk => sync_with_folder(&file, path),
        Wait::No => Ok(()),
    }
}

/// Puts new content in a file's place: readers see the old or the new. With [`Wait::ForDisk`] the
/// new content is on disk before it takes the place of the old.
pub(super) fn replace(path: &Path, bytes: &[u8], wait: Wait) -> io::Result<()> {
    let beside = beside(path)?;
    let file = written(&beside, bytes)?;
    if wait == Wait::ForDisk {
        file.sync_all()?;
    }
    reached(FaultPoint::FileWritten);
    fs::rename(&beside, path)
}

/// Removes a file. One that is not there is removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a name is that of unfinished content, left behind by a process that was killed.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

/// Reads a file of at most so many bytes; `None` if it is larger. Follows no symbolic link.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("a path that names no file"))?;
    Ok(path.with_file_name(format!(".{}.new", name.to_string_lossy())))
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Waits for a new file and for its name. Both at once: they are usually one transaction of the file
/// system, which is then waited for once rather than twice.
fn sync_with_folder(file: &File, path: &Path) -> io::Result<()> {
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    thread::scope(|scope| {
        let name = thread::Builder::new().spawn_scoped(scope, || folder.sync_all());
        let content = file.sync_all();
        let name = match name {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("waiting for the disk ended early"))),
            Err(_) => folder.sync_all(),
        };
        content.and(name)
    })
}
