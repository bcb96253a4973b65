//! What a policy did so far, for metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::failure::CallError;

/// Counts since a policy was first loaded under its name; reloads do not reset them.
#[derive(Debug, Default)]
pub struct Counts {
    calls: AtomicU64,
    nanos: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    memory: AtomicU64,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountsSnapshot {
    /// Calls that ran the policy.
    pub calls: u64,
    /// Time that these took in all.
    pub time: Duration,
    /// Questions that were answered from the decision cache.
    pub cache_hits: u64,
    /// Questions that were looked up there in vain.
    pub cache_misses: u64,
    /// The most memory that any call used, in bytes.
    pub memory_bytes: u64,
    /// Calls without an answer to use, by [`CallError::kind`]; refusals count too.
    pub failures: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> CountsSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CountsSnapshot {
            calls: read(&self.calls),
            time: Duration::from_nanos(read(&self.nanos)),
            cache_hits: read(&self.hits),
            cache_misses: read(&self.misses),
            memory_bytes: read(&self.memory),
            failures: self
                .failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    pub(super) fn called(&self, time: Duration, memory: u64) {
        self.memory.fetch_max(memory, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, error: &CallError) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(error.kind()).or_default() += 1;
    }
}
