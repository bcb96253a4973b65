//! What was reported already, and how much may be written.
//!
//! The same thing said of the same object is one Event with a count. The count is kept here and written
//! at most once a minute. All writing draws on one budget, so that a thousand failing pods do not become
//! a thousand writes a second.

use std::num::NonZeroUsize;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use super::{Reason, Report};

/// How many different reports are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);
/// How often the count of an Event is written.
const PERIOD: SignedDuration = SignedDuration::from_mins(1);
/// How many writes may come at once.
const BURST: u32 = 50;
/// How long it takes until one more may.
const REFILL: SignedDuration = SignedDuration::from_secs(1);

/// What to do about a report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Write an Event.
    New,
    /// Write into an Event that it happened again.
    Again {
        /// The Event's name.
        event: String,
        /// How often it happened in all.
        count: i32,
    },
    /// Nothing: it is counted.
    Counted,
    /// Nothing: too much was written lately.
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    uid: String,
    name: String,
    reason: Reason,
    message: String,
}

#[derive(Debug)]
struct Known {
    /// The Event's name, once it is written.
    event: Option<String>,
    count: i32,
    written: Timestamp,
}

/// The memory and the budget.
#[derive(Debug)]
pub(super) struct Ledger {
    known: LruCache<Key, Known>,
    tokens: u32,
    refilled: Option<Timestamp>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            known: LruCache::new(REMEMBERED),
            tokens: BURST,
            refilled: None,
        }
    }
}

impl Ledger {
    /// Decides about a report that comes now.
    pub(super) fn enter(&mut self, report: &Report, now: Timestamp) -> Entry {
        self.refill(now);
        let key = Key::of(report);
        let Some(known) = self.known.get_mut(&key) else {
            if !self.spend() {
                return Entry::TooMany;
            }
            let fresh = Known {
                event: None,
                count: 1,
                written: now,
            };
            self.known.put(key, fresh);
            return Entry::New;
        };
        known.count = known.count.saturating_add(1);
        let due = now.duration_since(known.written) >= PERIOD;
        let (event, count) = (known.event.clone(), known.count);
        match event {
            Some(event) if due && self.spend() => {
                if let Some(known) = self.known.get_mut(&key) {
                    known.written = now;
                }
                Entry::Again { event, count }
            }
            _ => Entry::Counted,
        }
    }

    /// Notes the Event that a report was written to.
    pub(super) fn written(&mut self, report: &Report, event: String) {
        if let Some(known) = self.known.get_mut(&Key::of(report)) {
            known.event = Some(event);
        }
    }

    /// Forgets a report that could not be written, so that it is tried again when it comes again.
    pub(super) fn forget(&mut self, report: &Report) {
        self.known.pop(&Key::of(report));
    }

    fn refill(&mut self, now: Timestamp) {
        let since = *self.refilled.get_or_insert(now);
        let gained = now.duration_since(since).as_millis() / REFILL.as_millis();
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(BURST);
            self.tokens = self.tokens.saturating_add(gained).min(BURST);
            self.refilled = Some(now);
        }
    }

    fn spend(&mut self) -> bool {
        let had = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        had
    }
}

impl Key {
    fn of(report: &Report) -> Self {
        Self {
            uid: report.regarding.uid.clone().unwrap_or_default(),
            name: report.regarding.name.clone().unwrap_or_default(),
            reason: report.reason,
            message: report.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn about(pod: &str, message: &str) -> Report {
        Report {
            regarding: ObjectReference {
                name: Some(pod.to_owned()),
                uid: Some(format!("uid-of-{pod}")),
                ..ObjectReference::default()
            },
            warning: true,
            reason: Reason("InvalidParameters"),
            action: "Prepare",
            message: message.to_owned(),
        }
    }

    fn second(number: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + number).unwrap()
    }

    #[test]
    fn what_repeats_is_one_event_whose_count_is_written_once_a_minute() {
        let mut ledger = Ledger::default();
        let report = about("trainer", "spec.x: unknown field");
        assert_eq!(ledger.enter(&report, second(0)), Entry::New);
        ledger.written(&report, "trainer.1".to_owned());
        for now in 1..60 {
            assert_eq!(ledger.enter(&report, second(now)), Entry::Counted);
        }
        let again = Entry::Again {
            event: "trainer.1".to_owned(),
            count: 61,
        };
        assert_eq!(ledger.enter(&report, second(60)), again);
        assert_eq!(ledger.enter(&report, second(61)), Entry::Counted);
    }

    #[test]
    fn another_message_or_another_object_is_another_event() {
        let mut ledger = Ledger::default();
        for report in [about("a", "x"), about("a", "y"), about("b", "x")] {
            assert_eq!(ledger.enter(&report, second(0)), Entry::New);
        }
    }

    #[test]
    fn a_flood_is_cut_to_the_budget_and_the_budget_comes_back() {
        let mut ledger = Ledger::default();
        let flood: Vec<Entry> = (0..200)
            .map(|pod| ledger.enter(&about(&pod.to_string(), "x"), second(0)))
            .collect();
        let written = flood.iter().filter(|entry| **entry == Entry::New).count();
        assert_eq!(written, 50);
        assert_eq!(flood.last(), Some(&Entry::TooMany));
        assert_eq!(ledger.enter(&about("late", "x"), second(1)), Entry::New);
        assert_eq!(
            ledger.enter(&about("later", "x"), second(1)),
            Entry::TooMany
        );
    }

    #[test]
    fn what_could_not_be_written_is_tried_again() {
        let mut ledger = Ledger::default();
        let report = about("trainer", "x");
        assert_eq!(ledger.enter(&report, second(0)), Entry::New);
        ledger.forget(&report);
        assert_eq!(ledger.enter(&report, second(1)), Entry::New);
    }
}
