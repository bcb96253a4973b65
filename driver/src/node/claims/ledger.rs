//! The claims of this driver on this node: in memory, in the checkpoint folder, and as CDI files.
//!
//! What is in memory is what is on disk. Another instance of the driver may change the folder while
//! this one does not have the lock, so the last one to have it leaves its mark, and who finds another's
//! mark reads everything again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cdi::SpecFiles;
use super::durable::{self, Wait};
use super::error::SetAside;
use super::fault::{FaultPoint, reached};
use super::record::{Record, State};
use super::store::{Contents, Store, is_exhausted};

/// Bytes of a mark.
const MOST_MARK: u64 = 64;

/// One claim.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) record: Record,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) store: Store,
    pub(super) files: SpecFiles,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    /// Where the last instance that had the lock leaves its mark.
    mark: PathBuf,
    own_mark: String,
}

impl Ledger {
    /// Nothing is read yet.
    pub(super) fn open(data: &Path, files: SpecFiles) -> io::Result<Self> {
        Ok(Self {
            store: Store::open(&data.join("claims"))?,
            files,
            entries: Mutex::default(),
            mark: data.join("claims.last"),
            own_mark: uuid::Uuid::new_v4().to_string(),
        })
    }

    /// Whether no other instance can have changed anything since this one read it. To be called with the
    /// lock.
    ///
    /// # Errors
    /// There is no room to open the mark. It may be this instance's own, whose claims are being worked on.
    pub(super) fn is_fresh(&self) -> io::Result<bool> {
        is_own(durable::read(&self.mark, MOST_MARK), &self.own_mark)
    }

    /// Reads everything again, and says what could not be used. To be called with the lock, when nobody in
    /// this process is at work on a claim.
    pub(super) fn refresh(&self) -> io::Result<Vec<SetAside>> {
        let set_aside = self.read()?;
        durable::put(&self.mark, self.own_mark.as_bytes(), Wait::No)?;
        Ok(set_aside)
    }

    /// A claim.
    pub(super) fn get(&self, uid: &str) -> Option<Arc<Entry>> {
        self.lock().get(uid).cloned()
    }

    /// All claims.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.lock().values().cloned().collect()
    }

    /// Writes a claim that is about to be set up.
    pub(super) fn begin(&self, record: Record) -> io::Result<(Arc<Entry>, Vec<u8>)> {
        let uid = record.claim.uid.clone();
        let sealed = record.seal()?;
        self.store.begin(&uid, &sealed, !record.steps.is_empty())?;
        Ok((self.put(uid, State::Preparing, record), sealed))
    }

    /// Takes a claim from the state it is in to the next.
    pub(super) fn advance(&self, entry: &Entry, to: State) -> io::Result<Arc<Entry>> {
        let uid = &entry.record.claim.uid;
        if entry.state != to {
            self.store.advance(uid, entry.state, to)?;
        }
        Ok(self.put(uid.clone(), to, entry.record.clone()))
    }

    /// Writes what has become of a claim, which stays in its state.
    pub(super) fn rewrite(&self, state: State, record: Record) -> io::Result<Arc<Entry>> {
        let uid = record.claim.uid.clone();
        self.store.rewrite(&uid, state, &record.seal()?)?;
        Ok(self.put(uid, state, record))
    }

    /// Forgets a claim.
    pub(super) fn forget(&self, entry: &Entry) -> io::Result<()> {
        let uid = &entry.record.claim.uid;
        self.store.forget(uid, entry.state)?;
        self.lock().remove(uid);
        Ok(())
    }

    fn put(&self, uid: String, state: State, record: Record) -> Arc<Entry> {
        let entry = Arc::new(Entry { state, record });
        self.lock().insert(uid, Arc::clone(&entry));
        entry
    }

    fn read(&self) -> io::Result<Vec<SetAside>> {
        let Contents {
            claims,
            refused,
            aside,
        } = self.store.read()?;
        let mut entries: BTreeMap<String, Arc<Entry>> = claims
            .into_iter()
            .map(|(uid, (state, record))| (uid, Arc::new(Entry { state, record })))
            .collect();
        let states: BTreeMap<&str, State> = refused
            .iter()
            .filter_map(|refused| refused.claim.as_ref())
            .map(|(uid, state)| (uid.as_str(), *state))
            .collect();
        for found in self.files.find()? {
            let uid = found.uid;
            if entries.contains_key(&uid) {
                continue;
            }
            let copy = found.checkpoint.unwrap_or_default();
            if let Ok(record) = Record::unseal(&uid, copy.as_bytes()) {
                let state = states.get(uid.as_str()).copied().unwrap_or(State::Prepared);
                self.store.rewrite(&uid, state, &record.seal()?)?;
                reached(FaultPoint::TakenUp);
                entries.insert(uid, Arc::new(Entry { state, record }));
            } else if !aside.contains(&uid) {
                // Nobody's. Had its checkpoint been damaged, containers might still need it.
                self.files.sweep(&uid);
            }
        }
        let set_aside = refused.into_iter().map(|refused| {
            let claim = refused.claim.map(|(uid, _)| uid);
            SetAside {
                recovered: claim.as_ref().is_some_and(|uid| entries.contains_key(uid)),
                claim,
                file: refused.file,
                reason: refused.damage.to_string(),
            }
        });
        let set_aside = set_aside.collect();
        *self.lock() = entries;
        Ok(set_aside)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_own(mark: io::Result<Option<Vec<u8>>>, own: &str) -> io::Result<bool> {
    match mark {
        Err(error) if is_exhausted(&error) => Err(error),
        Err(_) => Ok(false),
        Ok(mark) => Ok(mark.as_deref() == Some(own.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_mark_that_cannot_be_opened_for_want_of_room_is_not_taken_for_anothers() {
        let failed = |errno: Errno| Err(io::Error::from(errno));
        assert!(is_own(failed(Errno::MFILE), "own").is_err());
        assert!(!is_own(failed(Errno::NOENT), "own").unwrap());
        assert!(!is_own(Ok(Some(b"other".to_vec())), "own").unwrap());
        assert!(is_own(Ok(Some(b"own".to_vec())), "own").unwrap());
    }
}
