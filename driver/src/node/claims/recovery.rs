//! After a start: what an earlier process left half done, and what nobody needs any more.
//!
//! | found | done |
//! |---|---|
//! | a claim of an earlier boot | taken down and forgotten: its containers are gone, and the kubelet prepares anew what runs again |
//! | a claim that was being set up | taken down: nobody was told that it is prepared |
//! | a claim that was being taken down | taken down to the end |
//! | a CDI file without a checkpoint | taken up again, if it holds a copy of one |
//! | a claim that is gone from the API server twice in a row | unprepared |
//!
//! The last needs two looks some minutes apart because a pod can be deleted by force: its claim is then
//! gone while its containers still end. The kubelet unprepares when they have; this is only for what
//! the kubelet forgot.

use std::sync::Arc;

use super::error::UnprepareError;
use super::executor::Executor;
use super::ledger::Entry;
use super::record::State;

/// What came of taking down what was left over.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The claims that were taken down.
    pub(super) down: Vec<String>,
    /// Those that resist. They are tried again.
    pub(super) left: Vec<(String, UnprepareError)>,
}

impl Executor {
    /// Takes down whatever is not as it should be when nobody is at work. To be called before the first
    /// claim is served, with the lock between instances.
    pub(super) fn settle(&self) -> Settled {
        let mut settled = Settled::default();
        for entry in self.ledger.all() {
            if !self.holds(&entry) {
                let uid = entry.record.claim.uid.clone();
                match self.give_up(&entry) {
                    Ok(()) => settled.down.push(uid),
                    Err(error) => settled.left.push((uid, error)),
                }
            }
        }
        settled
    }

    /// Takes a claim down without asking any policy.
    pub(super) fn give_up(&self, entry: &Arc<Entry>) -> Result<(), UnprepareError> {
        let entry = match entry.state {
            State::Prepared => self
                .ledger
                .advance(entry, State::Ending)
                .map_err(|source| UnprepareError::File {
                    what: "write the checkpoint",
                    source,
                })?,
            State::Preparing | State::Ending => Arc::clone(entry),
        };
        self.take_down(&entry).map(drop)
    }
}
