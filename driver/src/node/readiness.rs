//! What must have happened before the node driver counts as ready.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::probes;

/// What must have happened before the node driver counts as ready.
#[derive(Debug, Default)]
pub struct Readiness {
    policies: AtomicBool,
    published: AtomicBool,
    registered: AtomicBool,
    draining: AtomicBool,
}

/// One condition of readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Policies were loaded, or refused, for the first time.
    PoliciesRead,
    /// The ResourceSlices are in the API server.
    SlicesPublished,
    /// The kubelet took the plugin.
    Registered,
    /// The process was told to end.
    Draining,
}

impl Readiness {
    /// Notes how a condition is now.
    pub fn set(&self, condition: Condition, is: bool) {
        self.flag(condition).store(is, Ordering::Relaxed);
    }

    /// Whether a condition holds.
    #[must_use]
    pub fn is(&self, condition: Condition) -> bool {
        self.flag(condition).load(Ordering::Relaxed)
    }

    fn flag(&self, condition: Condition) -> &AtomicBool {
        match condition {
            Condition::PoliciesRead => &self.policies,
            Condition::SlicesPublished => &self.published,
            Condition::Registered => &self.registered,
            Condition::Draining => &self.draining,
        }
    }

    /// Whether all is well, and each condition in a line.
    #[must_use]
    pub fn report(&self) -> (bool, String) {
        let lines = [
            (self.is(Condition::PoliciesRead), "policies read"),
            (self.is(Condition::SlicesPublished), "slices published"),
            (
                self.is(Condition::Registered),
                "registered with the kubelet",
            ),
            (!self.is(Condition::Draining), "not shutting down"),
        ];
        probes::report(lines)
    }
}
