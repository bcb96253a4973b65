//! What the status of claims should say, what it says, and when to try again.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use lru::LruCache;
use tokio::time::Instant;

use super::DeviceState;
use crate::node::claims::ClaimRef;

/// How many claims may wait to be written.
const WAITING: usize = 1_024;
/// How many claims are remembered after they were written.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);
/// How long until the second try; each further one takes twice as long, until [`MOST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(32);

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It says what it should.
    Done,
    /// It may succeed later.
    Again(&'static str),
    /// It can never succeed.
    Never(&'static str),
}

impl Verdict {
    /// For counting.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Again(why) | Self::Never(why) => why,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    devices: Vec<DeviceState>,
    /// How long is waited after the next failure.
    wait: Duration,
    due: Instant,
}

/// What was written of a claim, and since when each device is ready or not.
#[derive(Debug)]
struct Written {
    devices: Vec<DeviceState>,
    times: Vec<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Wanted {
    waiting: BTreeMap<ClaimRef, Waiting>,
    written: LruCache<String, Written>,
    /// How old the newest is that was taken up of a claim.
    newest: LruCache<String, Instant>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            written: LruCache::new(REMEMBERED),
            newest: LruCache::new(REMEMBERED),
        }
    }
}

impl Wanted {
    /// Whether nothing newer was taken up of a claim.
    pub(super) fn is_news(&mut self, claim: &ClaimRef, since: Instant) -> bool {
        let newest = self.newest.get_or_insert_mut(claim.uid.clone(), || since);
        let is_news = *newest <= since;
        *newest = since.max(*newest);
        is_news
    }

    /// Takes up what a claim's status should say, in place of what was wanted before. `false`: there is
    /// no room.
    pub(super) fn want(
        &mut self,
        claim: ClaimRef,
        devices: Vec<DeviceState>,
        now: Instant,
    ) -> bool {
        let written = self.written.peek(&claim.uid);
        if written.is_some_and(|written| written.devices == devices) {
            self.waiting.remove(&claim);
            return true;
        }
        if self.waiting.len() >= WAITING && !self.waiting.contains_key(&claim) {
            return false;
        }
        let waiting = Waiting {
            devices,
            wait: FIRST_WAIT,
            due: now,
        };
        self.waiting.insert(claim, waiting);
        true
    }

    /// Forgets a claim: what was written of it is no longer there, and nothing more is wanted.
    pub(super) fn forget(&mut self, claim: &ClaimRef) {
        self.waiting.remove(claim);
        self.written.pop(&claim.uid);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A claim whose time has come.
    pub(super) fn next(&self, now: Instant) -> Option<ClaimRef> {
        let (claim, waiting) = self.waiting.iter().min_by_key(|(_, waiting)| waiting.due)?;
        (waiting.due <= now).then(|| claim.clone())
    }

    /// When the next claim's time comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// What a claim's status should say.
    pub(super) fn devices(&self, claim: &ClaimRef) -> Option<&[DeviceState]> {
        Some(&self.waiting.get(claim)?.devices)
    }

    /// Since when each device is as it should be said: now, unless that was said before.
    pub(super) fn times(&self, claim: &ClaimRef, now: Timestamp) -> Vec<Timestamp> {
        let before = self.written.peek(&claim.uid);
        let since = |device: &DeviceState| {
            let before = before?;
            let said = before.devices.iter().zip(&before.times);
            said.filter(|(said, _)| {
                said.pool == device.pool
                    && said.device == device.device
                    && said.share_id == device.share_id
                    && said.ready == device.ready
            })
            .map(|(_, time)| *time)
            .next()
        };
        let devices = self.devices(claim).unwrap_or_default();
        devices
            .iter()
            .map(|device| since(device).unwrap_or(now))
            .collect()
    }

    /// Notes what came of a write that said these times.
    pub(super) fn wrote(
        &mut self,
        claim: &ClaimRef,
        verdict: Verdict,
        times: Vec<Timestamp>,
        now: Instant,
    ) {
        match verdict {
            Verdict::Again(_) => {
                let Some(waiting) = self.waiting.get_mut(claim) else {
                    return;
                };
                waiting.due = now + waiting.wait;
                waiting.wait = MOST_WAIT.min(waiting.wait * 2);
            }
            Verdict::Never(_) => {
                self.waiting.remove(claim);
            }
            Verdict::Done => {
                if let Some(Waiting { devices, .. }) = self.waiting.remove(claim) {
                    let uid = claim.uid.clone();
                    self.written.put(uid, Written { devices, times });
                }
            }
        }
    }
}
