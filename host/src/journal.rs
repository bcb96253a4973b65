//! Decisions, written down so that they can be made again.
//!
//! A journal is text: one JSON object a line, in the order things happened. A [`Recorded`] decision
//! holds all that it depended on (the policy by digest, its settings, its limits, the question) and
//! what came of it (the answer, and what the allocator or the grants said to that), so a journal taken
//! from a cluster is enough to make every decision again on a desk: a policy is a pure function, and
//! the same component must give the same answer bit for bit ([`replay()`]). Put to another version the
//! same questions tell what an upgrade would change.
//!
//! Names of claims, nodes and devices, which a policy sees only as positions, stand beside the
//! question as its [`Subject`], for people.
//!
//! Nothing here touches a file. Who keeps a journal writes [`Line::to_text`] and reads with
//! [`Line::parse`]; lines stand alone, so a file may be cut anywhere.

mod line;
mod question;
mod replay;

pub use line::{Failure, Line, LineError, Placed, PlacedClaim, PlacedDevice, PolicyUsed, Recorded};
pub use line::{Reply, Subject, Verdict};
pub use question::Question;
pub use replay::{OF_THE_MACHINE, Replayed, replay};

use std::fmt;

use crate::policy::Policy;

/// Takes decisions down while they are made, from many threads.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// One policy was asked, and this came of it. The recorder adds the time.
    fn record(&self, decision: Recorded);
}

impl Recorded {
    /// A decision of `policy`, which the host knows as `name`.
    #[must_use]
    pub fn new(
        name: &str,
        policy: &Policy,
        subject: Subject,
        question: Question,
        answer: Reply,
        verdict: Verdict,
    ) -> Self {
        Self {
            format: line::FORMAT,
            time: None,
            policy: PolicyUsed::new(name, policy),
            subject,
            question,
            answer,
            verdict,
        }
    }
}
