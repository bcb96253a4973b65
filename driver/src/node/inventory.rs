//! What the node announces: found by the source, told by a policy where there is one, tainted by how it
//! is doing.
//!
//! A policy's `publish` hook may rename, hide and cut what the source found. What it answers is checked
//! as the API server would check it; an answer that cannot be published is refused as a whole, and what
//! was announced before stays, or the source's own view where nothing was. Health is kept apart from
//! that: taints are laid over whatever is announced, are written down before they are announced, and so
//! outlive a restart; a device that is well again loses them.
//!
//! Everything here blocks (hardware, files, policies) and runs on one thread of its own
//! ([`Inventory::run`]); others see it through watch channels.

pub(crate) mod announcement;
mod health;
mod illness;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use supercargo_host::policy::Hook;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::plugin::HealthReport;
use super::slices::Owner;
use crate::devices::{Announced, HealthEvent, Source, Unit};
use crate::serving::Serving;
use illness::Illness;

/// How long an event is waited for before other things get their turn.
const TURN: Duration = Duration::from_millis(500);
/// How often the hardware is looked at again.
const LOOK: Duration = Duration::from_secs(30);

/// The policy that serves a hook for the driver's devices, asked before every use.
pub type Policies = Arc<dyn Fn(Hook) -> Option<Serving> + Send + Sync>;

/// What may be amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// The hardware cannot be looked at; what was found before is announced.
    Discover,
    /// The policy's view cannot be announced; what was announced before is, or the source's own view.
    Publish,
    /// The policy did not judge a health event; the built-in rule did.
    Assess,
    /// Health events cannot be waited for.
    Events,
    /// Taints cannot be written down, and would be lost at a restart.
    Keep,
    /// Taints from before the restart could not be read.
    Restore,
}

/// What is amiss now, in words for the administrator. Empty: nothing.
pub type Troubles = Arc<BTreeMap<Concern, String>>;

/// What others see of the inventory.
#[derive(Debug, Clone)]
pub struct Views {
    /// What is announced, from the first look on.
    pub announced: watch::Receiver<Arc<Announced>>,
    /// How each announced device is doing.
    pub health: watch::Receiver<HealthReport>,
    /// What is amiss.
    pub troubles: watch::Receiver<Troubles>,
}

/// The hardware and what is said about it.
pub struct Inventory {
    source: Arc<dyn Source>,
    owner: Owner,
    policies: Policies,
    illness: Illness,
    /// The hardware as it was last seen, and who told what is announced of it.
    told: Option<(Vec<Unit>, Teller)>,
    /// What is announced, without what health adds.
    base: Announced,
    announced: watch::Sender<Arc<Announced>>,
    health: watch::Sender<HealthReport>,
    /// When the hardware last told what happened to it, or that nothing did.
    seen: Timestamp,
    troubles: watch::Sender<Troubles>,
}

/// Who says what is announced: a policy with its settings, or the source.
type Teller = Option<(String, String)>;

impl Inventory {
    /// Looks at the hardware for the first time. `file` keeps taints over restarts.
    ///
    /// # Errors
    /// The source finds nothing out: without knowing the hardware, nothing must be announced, for an
    /// empty pool takes the devices away.
    pub fn new(
        source: Arc<dyn Source>,
        owner: Owner,
        policies: Policies,
        file: PathBuf,
    ) -> Result<(Self, Views), crate::devices::DeviceError> {
        let (illness, broken) = Illness::read(file);
        let (announced, reads_announced) = watch::channel(Arc::default());
        let (health, reads_health) = watch::channel(HealthReport::default());
        let (troubles, reads_troubles) = watch::channel(Arc::default());
        let mut this = Self {
            source,
            owner,
            policies,
            illness,
            told: None,
            base: Announced::default(),
            announced,
            health,
            seen: Timestamp::now(),
            troubles,
        };
        this.trouble(Concern::Restore, broken);
        let units = this.source.discover()?;
        this.tell(units)?;
        this.settle(Timestamp::now());
        let views = Views {
            announced: reads_announced,
            health: reads_health,
            troubles: reads_troubles,
        };
        Ok((this, views))
    }

    /// Follows the hardware and the policies until `stop` completes.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        let mut work = spawn_blocking(move || {
            let mut looked = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                self.turn(TURN, Timestamp::now);
                if looked.elapsed() >= LOOK || self.teller_changed() {
                    self.look(Timestamp::now());
                    looked = Instant::now();
                }
            }
        });
        tokio::select! {
            () = stop => {
                stopping.store(true, Ordering::Relaxed);
                let _ = work.await;
            }
            _ = &mut work => {}
        }
    }

    /// Waits so long for something to happen.
    fn turn(&mut self, longest: Duration, now: impl Fn() -> Timestamp) {
        let began = Instant::now();
        match self.source.next_event(longest) {
            Ok(event) => {
                self.trouble(Concern::Events, None);
                self.seen = now();
                if let Some(event) = event {
                    self.happened(&event, self.seen);
                }
                self.report();
            }
            Err(error) => {
                self.trouble(Concern::Events, Some(error.to_string()));
                self.report();
                // A source that fails at once must not keep a processor busy.
                std::thread::sleep(longest.saturating_sub(began.elapsed()));
            }
        }
    }

    /// Looks at the hardware again, and tells what is announced if it or the policy changed.
    pub fn look(&mut self, now: Timestamp) {
        match self.source.discover() {
            Ok(units) => {
                self.trouble(Concern::Discover, None);
                let told = self.told.as_ref();
                let same = told.is_some_and(|(seen, _)| *seen == units) && !self.teller_changed();
                if !same && let Err(error) = self.tell(units) {
                    self.trouble(Concern::Discover, Some(error.to_string()));
                }
            }
            Err(error) => self.trouble(Concern::Discover, Some(error.to_string())),
        }
        self.settle(now);
    }

    /// Something happened to the hardware.
    pub fn happened(&mut self, event: &HealthEvent, now: Timestamp) {
        let rule = self.rule();
        let outcome = if event.healthy {
            self.illness.recovered(event, &self.base, &rule, now)
        } else {
            self.illness.fell(event, now);
            Ok(())
        };
        self.trouble(Concern::Assess, outcome.err());
        self.settle(now);
    }

    /// Works out what is announced of the hardware.
    fn tell(&mut self, units: Vec<Unit>) -> Result<(), crate::devices::DeviceError> {
        let policy = (self.policies)(Hook::Publish);
        let teller = policy.as_ref().map(identity);
        let by_policy =
            policy.map(|policy| announcement::ask(&policy, &*self.source, &self.owner, &units));
        let trouble = match by_policy {
            Some(Ok(answer)) => {
                self.base = answer;
                None
            }
            None => {
                self.base = self.source.announce(&units)?;
                None
            }
            Some(Err(reason)) => {
                if self.told.is_none() {
                    self.base = self.source.announce(&units)?;
                } else {
                    let there: BTreeSet<_> = units.iter().map(|unit| &unit.id).collect();
                    self.base
                        .devices
                        .retain(|device| there.contains(&device.unit));
                }
                Some(reason)
            }
        };
        self.trouble(Concern::Publish, trouble);
        self.told = Some((units, teller));
        Ok(())
    }

    fn teller_changed(&self) -> bool {
        let teller = (self.policies)(Hook::Publish).as_ref().map(identity);
        self.told.as_ref().is_none_or(|(_, told)| *told != teller)
    }

    /// Judges what was not judged yet, writes it down, and shows all of it.
    fn settle(&mut self, now: Timestamp) {
        let rule = self.rule();
        if let Err(reason) = self.illness.judge(&self.base, &rule, now) {
            self.trouble(Concern::Assess, Some(reason));
        }
        let kept = self.illness.keep();
        self.trouble(Concern::Keep, kept.err());
        let announced = Arc::new(self.illness.taint(&self.base));
        self.announced.send_if_modified(|shown| {
            let changes = *shown != announced;
            *shown = announced;
            changes
        });
        self.report();
    }

    /// Shows how the devices are doing. Nobody is woken for the time alone.
    fn report(&self) {
        let doubt = {
            let troubles = self.troubles.borrow();
            let of_source = [Concern::Discover, Concern::Events];
            of_source
                .iter()
                .find_map(|concern| troubles.get(concern).cloned())
        };
        let devices = health::report(
            &self.owner.node,
            &self.base,
            &self.illness,
            doubt.as_deref(),
        );
        self.health.send_if_modified(|shown| {
            shown.seen = self.seen;
            let changes = *shown.devices != devices;
            if changes {
                shown.devices = Arc::new(devices);
            }
            changes
        });
    }

    fn rule(&self) -> verdict::Rule {
        verdict::Rule {
            owner: self.owner.clone(),
            policy: (self.policies)(Hook::Assess),
        }
    }

    fn trouble(&self, concern: Concern, reason: Option<String>) {
        if self.troubles.borrow().get(&concern) == reason.as_ref() {
            return;
        }
        if let Some(reason) = &reason {
            tracing::warn!(?concern, "{reason}");
        }
        self.troubles.send_modify(|troubles| {
            let troubles = Arc::make_mut(troubles);
            match reason {
                Some(reason) => troubles.insert(concern, reason),
                None => troubles.remove(&concern),
            };
        });
    }
}

impl fmt::Debug for Inventory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inventory")
            .field("source", &self.source)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

fn identity(serving: &Serving) -> (String, String) {
    let policy = &serving.policy;
    (policy.digest().to_string(), policy.settings().to_owned())
}
