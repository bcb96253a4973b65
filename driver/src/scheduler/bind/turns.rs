//! Who works on what, so that no two work on the same.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::OwnedMutexGuard;

use super::SETTLED;

/// The pods that are being worked on.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<Mutex<Pods>>);

#[derive(Debug, Default)]
struct Pods {
    held: HashSet<String>,
    /// Pods that may yet get bound by a request that was not answered, and since when.
    unanswered: HashMap<String, Instant>,
}

/// A pod that is being worked on, by nobody else.
#[derive(Debug)]
pub struct Hold {
    busy: Busy,
    uid: String,
}

impl Busy {
    /// Takes a pod; `None` if somebody else has it.
    #[must_use]
    pub fn hold(&self, uid: &str) -> Option<Hold> {
        let mut pods = self.pods();
        pods.held.insert(uid.to_owned()).then(|| Hold {
            busy: self.clone(),
            uid: uid.to_owned(),
        })
    }

    /// Whether nobody works on any pod.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pods().held.is_empty()
    }

    /// Whether a request may be under way in the API server that binds the pod.
    #[must_use]
    pub fn is_unanswered(&self, uid: &str) -> bool {
        let since = self.pods().unanswered.get(uid).copied();
        since.is_some_and(|since| since.elapsed() < SETTLED)
    }

    pub(super) fn may_be_bound(&self, uid: &str) {
        let mut pods = self.pods();
        pods.unanswered.retain(|_, since| since.elapsed() < SETTLED);
        pods.unanswered.insert(uid.to_owned(), Instant::now());
    }

    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.busy.pods().held.remove(&self.uid);
    }
}

/// Whose turn it is to write to a claim that pods share: hundreds may come at once, and if all wrote, each would
/// make the others' writes conflicts.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Weak<Turn>>>>);

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    /// Waits for one's turn at a claim. It ends when the answer is dropped.
    pub(super) async fn at(&self, uid: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = turns.get(uid).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                turns.retain(|_, turn| turn.strong_count() > 0);
                let turn = Arc::default();
                turns.insert(uid.to_owned(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}
