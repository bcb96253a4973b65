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

use rustix::fs::OFlags;

use super::fault::{FaultPoint, reached};

/// Permissions of every file: parameters of claims are their users' business.
const PRIVATE: u32 = 0o600;

/// What a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the content, and the name it is found by, are on disk.
    ForContentAndName,
    /// Until the content is on disk, before it takes the place of an old one.
    ForContent,
    /// Nothing.
    No,
}

/// Puts content under a name: readers see what was there before, or all of the new. A write that fails
/// leaves what was there.
pub(super) fn put(path: &Path, bytes: &[u8], wait: Wait) -> io::Result<()> {
    let beside = beside(path)?;
    let put = || {
        let file = written(&beside, bytes)?;
        if wait == Wait::ForContent {
            file.sync_all()?;
        }
        reached(FaultPoint::FileWritten);
        fs::rename(&beside, path)?;
        Ok(file)
    };
    let put = put().inspect_err(|_| {
        // As on a full disk, where it would be in the way of everything else.
        let _ = fs::remove_file(&beside);
    });
    let waited = put.and_then(|file| match wait {
        Wait::ForContentAndName => sync_with_folder(&file, path),
        Wait::ForContent | Wait::No => Ok(()),
    });
    waited.map_err(at(path))
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(at(from))
}

/// Removes a file. One that is not there is removed already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(at(path)),
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
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Says which file an error is about.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
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
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
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
