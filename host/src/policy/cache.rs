//! Remembers decisions.
//!
//! A policy is pure, so a situation that was decided is decided. Policies see positions rather than
//! names, which is what makes situations equal: on a cluster of like nodes most calls are answered
//! from here. Situations are compared in full, for a hash can be made to collide and positions from
//! another situation could be out of range.

use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use lru::LruCache;

use super::answer::Proposal;
use super::digest::Digest;
use super::input::Situation;
use super::limits::Limits;
use super::types::Refusal;

/// What a decision depends on besides the situation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) digest: Digest,
    pub(super) settings: Arc<str>,
    pub(super) limits: Limits,
}

/// What a policy said: checked proposals, or that it declines.
pub(super) type Decision = Result<Arc<[Proposal]>, Refusal>;

#[derive(Debug)]
struct Entry {
    identity: Arc<Identity>,
    situation: Situation,
    decision: Decision,
}

/// Where a decision is or will be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u64);

/// The most recent decisions of all policies.
#[derive(Debug)]
pub(super) struct Decisions {
    entries: Option<Mutex<LruCache<u64, Entry, RandomState>>>,
    hasher: RandomState,
}

impl Decisions {
    pub(super) fn new(most: usize) -> Self {
        Self {
            entries: NonZeroUsize::new(most)
                .map(|most| Mutex::new(LruCache::with_hasher(most, RandomState::default()))),
            hasher: RandomState::default(),
        }
    }

    /// What was decided, or where to put it.
    pub(super) fn find(
        &self,
        identity: &Arc<Identity>,
        situation: &Situation,
    ) -> Result<Decision, Option<Place>> {
        let Some(entries) = &self.entries else {
            return Err(None);
        };
        let place = self.hasher.hash_one((identity, situation));
        let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(&place) {
            Some(entry)
                if (Arc::ptr_eq(&entry.identity, identity) || entry.identity == *identity)
                    && entry.situation == *situation =>
            {
                Ok(entry.decision.clone())
            }
            _ => Err(Some(Place(place))),
        }
    }

    /// Remembers a decision.
    pub(super) fn remember(
        &self,
        place: Place,
        identity: &Arc<Identity>,
        situation: &Situation,
        decision: Decision,
    ) {
        let Some(entries) = &self.entries else { return };
        let entry = Entry {
            identity: Arc::clone(identity),
            situation: situation.clone(),
            decision,
        };
        let replaced = entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place.0, entry);
        // Freed here, with the lock released.
        drop(replaced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(settings: &str) -> Arc<Identity> {
        Arc::new(Identity {
            digest: Digest::of(b"policy"),
            settings: settings.into(),
            limits: Limits::default(),
        })
    }

    fn situation(device: u32) -> Situation {
        Situation {
            in_use: vec![device],
            ..Situation::default()
        }
    }

    fn declined(reason: &str) -> Decision {
        Err(Refusal {
            reason: reason.to_owned(),
        })
    }

    #[test]
    fn only_the_same_policy_settings_and_situation_find_a_decision() {
        let decisions = Decisions::new(10);
        let (one, other) = (identity("{}"), identity("{\"a\":1}"));
        let place = decisions.find(&one, &situation(1)).unwrap_err().unwrap();
        decisions.remember(place, &one, &situation(1), declined("no"));
        assert_eq!(
            decisions.find(&identity("{}"), &situation(1)).unwrap(),
            declined("no")
        );
        assert!(decisions.find(&one, &situation(2)).is_err());
        assert!(decisions.find(&other, &situation(1)).is_err());
    }

    #[test]
    fn a_place_shared_by_two_situations_never_answers_the_wrong_one() {
        let decisions = Decisions::new(10);
        let one = identity("{}");
        let place = decisions.find(&one, &situation(1)).unwrap_err().unwrap();
        decisions.remember(place, &one, &situation(2), declined("of another"));
        assert!(decisions.find(&one, &situation(1)).is_err());
    }

    #[test]
    fn the_oldest_decision_makes_room() {
        let decisions = Decisions::new(1);
        let one = identity("{}");
        for device in [1, 2] {
            let place = decisions
                .find(&one, &situation(device))
                .unwrap_err()
                .unwrap();
            decisions.remember(place, &one, &situation(device), declined("no"));
        }
        assert!(decisions.find(&one, &situation(1)).is_err());
        assert!(decisions.find(&one, &situation(2)).is_ok());
        assert!(matches!(
            Decisions::new(0).find(&one, &situation(1)),
            Err(None)
        ));
    }
}
