//! Ids of shares: random, as upstream's, unless a test needs the same ones every time.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

/// Where the ids of shares come from.
#[derive(Debug, Default)]
pub enum ShareIds {
    /// Random UUIDs (version 4).
    #[default]
    Random,
    /// UUIDs (version 4 in form) that count up.
    Counted(AtomicU64),
}

impl ShareIds {
    pub(super) fn next(&self) -> String {
        match self {
            Self::Random => Uuid::new_v4(),
            Self::Counted(counter) => {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                Builder::from_random_bytes(u128::from(number).to_be_bytes()).into_uuid()
            }
        }
        .to_string()
    }
}
