//! Who may work on what at once.
//!
//! Three things are taken, always in this order, so that nobody waits in a circle: the claim, then the
//! lock between instances of the driver, then the hardware under the claim's devices in order of its
//! identity. Claims that have no hardware in common therefore go on side by side, and two claims that
//! share a GPU, or have partitions of one, change it one after the other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use supercargo_host::plan::UnitId;
use tokio::sync::OwnedMutexGuard;

/// Locks by name. One that nobody has or waits for takes no memory for long.
#[derive(Debug)]
pub(super) struct Turns<K> {
    locks: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

/// How many locks there may be before the idle ones are thrown away.
const MOST_IDLE: usize = 64;

/// The claim's turn.
#[derive(Debug)]
#[must_use = "the turn ends when this is dropped"]
pub(super) struct Turn {
    _guards: Vec<OwnedMutexGuard<()>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            locks: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> Turns<K> {
    /// Waits for a turn with all of these.
    pub(super) async fn take(&self, keys: impl IntoIterator<Item = K>) -> Turn {
        let mut keys: Vec<K> = keys.into_iter().collect();
        keys.sort();
        keys.dedup();
        let mut guards = Vec::with_capacity(keys.len());
        for key in keys {
            let lock = self.lock(key);
            guards.push(lock.lock_owned().await);
        }
        Turn { _guards: guards }
    }

    fn lock(&self, key: K) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() > MOST_IDLE {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(key).or_default())
    }
}

/// The turns of claims, and of the hardware under them.
#[derive(Debug, Default)]
pub(super) struct AllTurns {
    pub(super) claims: Turns<String>,
    pub(super) units: Turns<UnitId>,
}
