//! One process of the driver at a time works on claims; within it, any number of calls may.
//!
//! During a rolling update two instances serve the same node, and the kubelet may send `prepare` to
//! one and `unprepare` to the other. What they share is on disk, guarded by `flock` on a file beside
//! it. The kernel frees the lock of a process that dies, so a stale lock cannot exist.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use rustix::fs::OFlags;
use tokio::sync::Mutex;

/// How often a hold of the process may be joined before it must be given up once, so that another
/// process that waits gets its turn under any load.
const JOINS: u32 = 64;

/// The lock of a data folder: shared within this process, exclusive between processes.
#[derive(Debug)]
pub struct ProcessLock {
    path: PathBuf,
    held: Mutex<(Weak<File>, u32)>,
}

/// The process has the lock for as long as one of these lives.
#[derive(Debug)]
#[must_use = "the lock is given up when this is dropped"]
pub struct Held {
    _file: Arc<File>,
}

/// The lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {}: {source}; the driver must be able to write in that folder", path.display())]
pub struct LockError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl ProcessLock {
    /// The lock that instances of the driver share: `serialize.lock` in their data folder.
    pub fn new(data: &Path) -> Self {
        ProcessLock {
            path: data.join("serialize.lock"),
            held: Mutex::default(),
        }
    }

    /// Takes the lock, or joins those in this process who have it. Waits for as long as another
    /// process has it; giving up waiting is safe at any time.
    pub async fn hold(&self) -> Result<Held, LockError> {
        let mut held = self.held.lock().await;
        if held.1 < JOINS
            && let Some(file) = held.0.upgrade()
        {
            held.1 += 1;
            return Ok(Held { _file: file });
        }
        // After too many joins this waits in the kernel's queue like another process would: a lock
        // belongs to an open file, and this opens it anew.
        let file = Arc::new(lock(self.path.clone()).await.map_err(|source| LockError {
            path: self.path.clone(),
            source,
        })?);
        *held = (Arc::downgrade(&file), 0);
        Ok(Held { _file: file })
    }
}

/// Locks the file, making it if need be, and waits for as long as it is locked by another.
pub(crate) async fn lock(path: PathBuf) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => tokio::task::spawn_blocking(move || {
            file.lock()?;
            Ok(file)
        })
        .await
        .map_err(io::Error::other)?,
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn within_a_process_the_lock_is_shared() {
        let folder = tempfile::tempdir().unwrap();
        let lock = ProcessLock::new(folder.path());
        let first = lock.hold().await.unwrap();
        let second = lock.hold().await.unwrap();
        drop((first, second));
    }

    #[tokio::test]
    async fn another_process_waits_until_the_last_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (
            ProcessLock::new(folder.path()),
            ProcessLock::new(folder.path()),
        );
        let first = here.hold().await.unwrap();
        let second = here.hold().await.unwrap();
        let mut waits = Box::pin(there.hold());
        assert!((&mut waits).now_or_never().is_none());
        drop(first);
        assert!((&mut waits).now_or_never().is_none());
        drop(second);
        drop(waits.await.unwrap());
    }

    #[tokio::test]
    async fn who_joins_without_end_lets_another_process_in() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (
            ProcessLock::new(folder.path()),
            ProcessLock::new(folder.path()),
        );
        let mut holds = vec![here.hold().await.unwrap()];
        for _ in 0..JOINS {
            holds.push(here.hold().await.unwrap());
        }
        let mut waits = Box::pin(here.hold());
        assert!((&mut waits).now_or_never().is_none(), "one too many waits");
        holds.clear();
        drop(waits.await.unwrap());
        drop(there.hold().await.unwrap());
    }

    #[tokio::test]
    async fn a_link_in_place_of_the_lock_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", folder.path().join("serialize.lock")).unwrap();
        let error = ProcessLock::new(folder.path()).hold().await.unwrap_err();
        assert!(error.to_string().contains("serialize.lock"), "{error}");
        assert!(!folder.path().join("elsewhere").exists());
    }
}
