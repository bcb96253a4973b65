//! How many policies run at once: as many as the engine's pool has room for.
//!
//! Without this a call beyond the pool's size would fail; with it the call waits its turn, but never
//! beyond its deadline.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug)]
struct Free {
    permits: usize,
    waiting: usize,
}

/// A counted set of permits.
#[derive(Debug)]
pub(super) struct Permits {
    free: Mutex<Free>,
    returned: Condvar,
}

/// The right to run one instance, given back on drop.
#[derive(Debug)]
pub(super) struct Permit<'p>(&'p Permits);

impl Permits {
    pub(super) fn new(permits: usize) -> Self {
        Self {
            free: Mutex::new(Free {
                permits,
                waiting: 0,
            }),
            returned: Condvar::new(),
        }
    }

    /// A permit, or none when the time comes first.
    pub(super) fn acquire(&self, until: Instant) -> Option<Permit<'_>> {
        let mut free = self.lock();
        while free.permits == 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            free.waiting += 1;
            free = self
                .returned
                .wait_timeout(free, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            free.waiting -= 1;
        }
        free.permits -= 1;
        Some(Permit(self))
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        // Two counters that are changed together under the lock: a panic elsewhere cannot leave them
        // half changed.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut free = self.0.lock();
        free.permits += 1;
        if free.waiting > 0 {
            self.0.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_permit_is_refused_while_all_are_out_and_granted_when_one_is_back() {
        let permits = Permits::new(1);
        let held = permits.acquire(Instant::now());
        assert!(held.is_some());
        assert!(permits.acquire(Instant::now()).is_none());
        drop(held);
        assert!(permits.acquire(Instant::now()).is_some());
    }

    #[test]
    fn whoever_waits_is_woken() {
        let permits = Permits::new(1);
        let held = permits.acquire(Instant::now());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                permits
                    .acquire(Instant::now() + Duration::from_secs(60))
                    .is_some()
            });
            drop(held);
            assert!(waiter.join().unwrap());
        });
    }
}
