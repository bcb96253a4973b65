//! One process of the driver at a time works on claims; within it, any number of calls may.
//!
//! During a rolling update two instances serve the same node, and the kubelet may send `prepare` to
//! one and `unprepare` to the other. What they share is on disk, guarded by `flock` on a file beside
//! it. The kernel frees the lock of a process that dies, so a stale lock cannot exist.
//!
//! Calls of one process join each other's hold. So that this cannot go on for ever, who waits for the
//! lock holds a second one meanwhile (`serialize.next`), by which the process that has the first can
//! tell. Where nobody waits, a call that never ends keeps no other from joining.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::sync::Mutex;

/// How often a hold of the process may be joined while another process waits.
const JOINS: u32 = 64;
/// How often it is looked whether a hold is given up, or may be joined again.
const LOOK: Duration = Duration::from_millis(50);

/// The lock of a data folder: shared within this process, exclusive between processes.
#[derive(Debug)]
pub struct ProcessLock {
    path: PathBuf,
    /// Held by the process that waits for the lock.
    next: PathBuf,
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
            next: data.join("serialize.next"),
            held: Mutex::default(),
        }
    }

    /// Takes the lock, or joins those in this process who have it. Waits for as long as another
    /// process has it; giving up waiting is safe at any time.
    pub async fn hold(&self) -> Result<Held, LockError> {
        let mut held = self.held.lock().await;
        while let Some(file) = held.0.upgrade() {
            if held.1 < JOINS || !self.others_wait()? {
                held.1 = held.1.saturating_add(1);
                return Ok(Held { _file: file });
            }
            drop(file);
            tokio::time::sleep(LOOK).await;
        }
        let next = lock(&self.next)
            .await
            .map_err(|source| failed(&self.next, source))?;
        let file = lock(&self.path)
            .await
            .map_err(|source| failed(&self.path, source))?;
        drop(next);
        let file = Arc::new(file);
        *held = (Arc::downgrade(&file), 0);
        Ok(Held { _file: file })
    }

    /// Whether another process waits for the lock, which this one has.
    fn others_wait(&self) -> Result<bool, LockError> {
        let failed = |source| failed(&self.next, source);
        match open(&self.next).map_err(failed)?.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> LockError {
    let path = path.to_owned();
    LockError { path, source }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Locks the file, making it if need be, and waits for as long as it is locked by another.
pub(crate) async fn lock(path: &Path) -> io::Result<File> {
    let file = open(path)?;
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
    async fn who_never_ends_keeps_nobody_of_the_process_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let lock = ProcessLock::new(folder.path());
        let mut holds = Vec::new();
        for _ in 0..3 * JOINS {
            let held = tokio::task::unconstrained(lock.hold()).now_or_never();
            let held = held.expect("no other process waits");
            holds.push(held.unwrap());
        }
    }

    #[tokio::test]
    async fn who_joins_without_end_lets_another_process_in() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (
            ProcessLock::new(folder.path()),
            ProcessLock::new(folder.path()),
        );
        let mut holds = vec![here.hold().await.unwrap()];
        let mut other_waits = Box::pin(there.hold());
        assert!((&mut other_waits).now_or_never().is_none());
        for _ in 0..JOINS {
            holds.push(here.hold().await.unwrap());
        }
        let mut waits = Box::pin(here.hold());
        assert!((&mut waits).now_or_never().is_none(), "one too many waits");
        holds.clear();
        let other = other_waits.await.unwrap();
        assert!((&mut waits).now_or_never().is_none(), "it is the other's");
        drop(other);
        drop(waits.await.unwrap());
    }

    #[tokio::test]
    async fn who_waited_in_vain_joins_when_the_other_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (
            ProcessLock::new(folder.path()),
            ProcessLock::new(folder.path()),
        );
        let mut holds = vec![here.hold().await.unwrap()];
        let mut other_waits = Box::pin(there.hold());
        assert!((&mut other_waits).now_or_never().is_none());
        for _ in 0..JOINS {
            holds.push(here.hold().await.unwrap());
        }
        let mut waits = Box::pin(here.hold());
        assert!((&mut waits).now_or_never().is_none());
        drop(other_waits);
        holds.push(waits.await.unwrap());
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
