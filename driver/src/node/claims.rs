//! Claims on this node: prepared before a container starts, unprepared when the last one is gone.
//!
//! # What happens to a claim
//! ```text
//! prepare    read the claim ── whose devices? ── free? ── ask its policies, check their plans
//!            ── checkpoint UID.preparing ── steps ── CDI file ── checkpoint UID ── answer
//! unprepare  ask its policies ── checkpoint UID.ending ── their steps ── undo the steps, last first
//!            ── remove the CDI file ── remove the checkpoint ── answer
//! ```
//! Setting up is a saga: how to take back each step is known, and written, before the first one runs.
//! Whatever fails, and wherever the process is killed, what was begun is taken back from the checkpoint
//! alone, and both operations can be asked for again at any time. A claim that cannot be taken down is
//! kept and tried again until it can.
//!
//! # What waits for the disk
//! A killed process loses nothing that it wrote; only the machine going down does, and then no container
//! survives, `/var/run/cdi` is empty, and the kubelet prepares anew whatever runs again. What does
//! survive is what a step did to hardware (MIG mode on some GPUs, firmware settings). So:
//! - The checkpoint of a claim *with steps* is on disk, with its name, before the first step. That is one
//!   wait, for file and folder at once.
//! - That of a claim *without steps* does not wait: nothing would be undone after a power cut, and its
//!   boot ID tells that it is over.
//! - Going from one state to the next renames the file and does not wait: whichever name is found after
//!   a power cut, the claim is taken down.
//! - New content takes an old one's place only when it is on disk.
//! - CDI files wait too, which takes no time where they usually are, in memory.

mod cdi;
mod durable;
mod error;
mod executor;
pub mod fault;
mod ledger;
mod own;
mod planning;
mod record;
mod recovery;
mod seal;
mod store;
mod turns;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::plan::{Announcement, ClaimError, ClaimOnNode, UnitId};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

pub use self::cdi::{NodeError, variables};
pub use self::error::{Left, PrepareError, SetAside, UnprepareError, Warning};
pub use self::own::{built_in_steps, expose};
pub use self::record::{Planner, Status};

use self::cdi::{HostFiles, SpecFiles};
use self::executor::Executor;
use self::ledger::{Entry, Ledger};
use self::planning::Planners;
use self::turns::{AllTurns, Turn};
use crate::devices::{Announced, Source};
use crate::kubernetes::api::{ApiError, ResourceApi};
use crate::node::lock::{Held, LockError, ProcessLock};
use crate::serving::Policies;

/// How often claims are compared with the API server's.
const SWEEP: Duration = Duration::from_secs(300);
/// How long until a claim that could not be taken down is tried again; doubled until [`MOST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(60);

/// A claim as the kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimRef {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// A device that is ready for the containers of a claim: what the kubelet is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedDevice {
    /// The requests it serves, without the part after `/`.
    pub requests: Vec<String>,
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// The CDI devices that show it to a container.
    pub cdi_device_ids: Vec<String>,
    /// The share, where several claims may hold the device.
    pub share_id: Option<String>,
}

/// A claim that is prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The claim, as far as it concerns this node and driver.
    pub claim: ClaimOnNode,
    /// Its devices, in the claim's order.
    pub devices: Vec<PreparedDevice>,
    /// What policies say of devices in the claim's status.
    pub statuses: Vec<Status>,
    /// The policies that planned for it.
    pub policies: Vec<Planner>,
    /// Whether it was prepared before, and this only says so again.
    pub again: bool,
    /// What somebody may want to know.
    pub warnings: Vec<Warning>,
}

/// What preparing claims needs.
#[derive(Debug)]
pub struct Setup {
    /// The driver's name, such as `gpu.nvidia.com`.
    pub driver: String,
    /// The node's name.
    pub node: String,
    /// The name of the pool that this node serves.
    pub pool: String,
    /// The driver's folder, which survives the process and is shared by instances of the driver.
    pub data: PathBuf,
    /// The container runtime's folder of CDI files, such as `/var/run/cdi`.
    pub cdi: PathBuf,
    /// Where the host's root is seen: `/`, or where a container has it mounted.
    pub host: PathBuf,
    /// The boot that this is: [`boot_id`].
    pub boot: String,
    /// The hardware.
    pub source: Arc<dyn Source>,
    /// What is announced of it.
    pub announced: watch::Receiver<Arc<Announced>>,
    /// The policies.
    pub policies: Arc<Policies>,
    /// The API server.
    pub api: ResourceApi,
}

/// Why claims cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder cannot be used.
    #[error("cannot use {}: {source}; the driver must be able to write there", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock between instances of the driver.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// What was found of earlier processes.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Files that were no use as checkpoints.
    pub set_aside: Vec<SetAside>,
    /// Claims that were taken down: of an earlier boot, or half prepared or unprepared.
    pub taken_down: Vec<String>,
    /// Claims that could not be taken down, and are tried again.
    pub left: Vec<(String, UnprepareError)>,
    /// How many claims are prepared.
    pub prepared: usize,
}

/// The claims of one driver on this node.
#[derive(Debug)]
pub struct Claims {
    driver: String,
    node: String,
    pool: String,
    announced: watch::Receiver<Arc<Announced>>,
    api: ResourceApi,
    executor: Executor,
    lock: ProcessLock,
    /// Only one call at a time looks whether another instance changed anything.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    turns: AllTurns,
    /// A claim could not be taken down.
    unfinished: Notify,
    /// Claims that the API server did not know when it was asked last.
    gone: Mutex<BTreeSet<String>>,
}

/// The right to work on a claim.
#[derive(Debug)]
struct Right {
    _claim: Turn,
    _instance: Held,
    _units: Turn,
}

/// The ID of the boot that this is.
///
/// # Errors
/// `/proc` is not there.
pub fn boot_id() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
}

impl Claims {
    /// Takes up what earlier processes left, and takes down what they left half done. The data folder
    /// must be there.
    ///
    /// # Errors
    /// A folder that cannot be used, which no later attempt would change.
    pub async fn open(setup: Setup) -> Result<(Arc<Self>, Recovered), OpenError> {
        let folder = |path: &PathBuf| {
            let path = path.clone();
            move |source| OpenError::Folder { path, source }
        };
        let files = SpecFiles::open(&setup.cdi, &setup.driver).map_err(folder(&setup.cdi))?;
        let ledger = Ledger::open(&setup.data, files).map_err(folder(&setup.data))?;
        let claims = Arc::new(Self {
            lock: ProcessLock::new(&setup.data),
            executor: Executor {
                ledger,
                planners: Planners {
                    policies: setup.policies,
                    source: setup.source,
                    files: HostFiles::beneath(&setup.host),
                },
                boot: setup.boot,
            },
            driver: setup.driver,
            node: setup.node,
            pool: setup.pool,
            announced: setup.announced,
            api: setup.api,
            refreshing: Arc::default(),
            turns: AllTurns::default(),
            unfinished: Notify::new(),
            gone: Mutex::default(),
        });
        let instance = claims.lock.hold().await?;
        let this = Arc::clone(&claims);
        let work = move || {
            let set_aside = this.executor.ledger.refresh()?;
            let settled = this.executor.settle();
            Ok(Recovered {
                prepared: this.prepared().len(),
                set_aside,
                taken_down: settled.down,
                left: settled.left,
            })
        };
        let recovered = tokio::task::spawn_blocking(move || {
            let recovered = work();
            drop(instance);
            recovered
        })
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(folder(&setup.data))?;
        if !recovered.left.is_empty() {
            claims.unfinished.notify_one();
        }
        Ok((claims, recovered))
    }

    /// Makes a claim's devices ready for containers. A claim that is prepared is answered for from the
    /// checkpoint. What is begun goes on when the caller stops waiting.
    ///
    /// # Errors
    /// Why it is not prepared.
    pub async fn prepare(self: &Arc<Self>, claim: &ClaimRef) -> Result<Prepared, PrepareError> {
        let (this, claim) = (Arc::clone(self), claim.clone());
        let work = tokio::spawn(async move { this.prepare_now(claim).await });
        let prepared = work.await.unwrap_or(Err(PrepareError::EndedEarly));
        prepared.inspect_err(|error| {
            if error.leaves_work() {
                self.unfinished.notify_one();
            }
        })
    }

    /// Undoes what [`Claims::prepare`] did. A claim that is not known is unprepared already. What is
    /// begun goes on when the caller stops waiting, and what fails is tried again without being asked
    /// for as long as [`Claims::run`] runs.
    ///
    /// # Errors
    /// Why it is not unprepared yet.
    pub async fn unprepare(self: &Arc<Self>, uid: &str) -> Result<Vec<Warning>, UnprepareError> {
        if !store::is_uid(uid) {
            // Nothing can have been prepared under such a name.
            return Ok(Vec::new());
        }
        let (this, uid) = (Arc::clone(self), uid.to_owned());
        let work = tokio::spawn(async move { this.unprepare_now(uid, |_, _| true).await });
        let unprepared = work.await.unwrap_or(Err(UnprepareError::EndedEarly));
        if unprepared.is_err() {
            self.unfinished.notify_one();
        }
        unprepared
    }

    /// The claims that are prepared.
    #[must_use]
    pub fn prepared(&self) -> Vec<ClaimOnNode> {
        let entries = self.executor.ledger.all();
        let prepared = entries.iter().filter(|entry| self.executor.holds(entry));
        prepared.map(|entry| entry.record.claim.clone()).collect()
    }

    /// Tries again what could not be taken down, by this instance of the driver or by one that is gone,
    /// and sweeps once in a while. Never ends; dropping it leaves nothing half done.
    pub async fn run(self: Arc<Self>) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut wait = FIRST_WAIT;
        let mut left = false;
        loop {
            tokio::select! {
                _ = sweep.tick() => {
                    self.sweep().await;
                    left |= self.retry().await;
                }
                () = self.unfinished.notified(), if !left => left = true,
                () = tokio::time::sleep(wait), if left => {
                    left = self.retry().await;
                    wait = if left { MOST_WAIT.min(wait * 2) } else { FIRST_WAIT };
                }
            }
        }
    }

    /// Takes down what should be down. Whether anything is left.
    pub async fn retry(self: &Arc<Self>) -> bool {
        let mut left = false;
        for entry in self.executor.ledger.all() {
            if self.executor.holds(&entry) {
                continue;
            }
            let uid = entry.record.claim.uid.clone();
            let is_over = |entry: &Entry, executor: &Executor| !executor.holds(entry);
            if let Err(error) = self.unprepare_now(uid.clone(), is_over).await {
                tracing::warn!(claim = uid, %error, "a claim cannot be taken down");
                left = true;
            }
        }
        left
    }

    /// Unprepares the claims that are gone from the API server now and were when it was asked last.
    pub async fn sweep(self: &Arc<Self>) {
        let before = std::mem::take(&mut *self.gone());
        for claim in self.prepared() {
            let found = self.api.claim(&claim.namespace, &claim.name).await;
            let gone = match found {
                Ok(found) => found.metadata.uid.as_deref() != Some(&claim.uid),
                Err(ApiError::NotFound { .. }) => true,
                Err(error) => {
                    tracing::warn!(%error, "claims are not compared with the API server's");
                    return;
                }
            };
            if !gone {
                continue;
            }
            if !before.contains(&claim.uid) {
                self.gone().insert(claim.uid);
                continue;
            }
            match self.unprepare(&claim.uid).await {
                Ok(_) => tracing::info!(
                    claim = claim.uid,
                    name = claim.name,
                    namespace = claim.namespace,
                    "unprepared a claim that the API server does not know any more"
                ),
                Err(error) => tracing::warn!(
                    claim = claim.uid, %error,
                    "cannot unprepare a claim that the API server does not know any more"
                ),
            }
        }
    }

    async fn prepare_now(self: Arc<Self>, claim: ClaimRef) -> Result<Prepared, PrepareError> {
        if !store::is_uid(&claim.uid) {
            return Err(PrepareError::BadUid(claim.uid));
        }
        let object = match self.api.claim(&claim.namespace, &claim.name).await {
            Ok(object) => object,
            Err(error @ (ApiError::TimedOut { .. } | ApiError::Unavailable { .. })) => {
                return self.prepare_known(claim, None, error.into()).await;
            }
            Err(error) => return Err(error.into()),
        };
        let announced = Arc::clone(&self.announced.borrow());
        let wanted = match self.read(&object, &claim.uid, &announced) {
            Ok(wanted) => wanted,
            // Containers that start again need what they have, whatever is announced by now.
            Err(error @ ClaimError::NotAnnounced { .. }) => {
                return self.prepare_known(claim, Some(object), error.into()).await;
            }
            Err(error) => return Err(error.into()),
        };
        let units: BTreeSet<UnitId> = wanted.devices.iter().map(|on| on.unit.clone()).collect();
        let turn = self.turns.claims.take([claim.uid]).await;
        let instance = self.enter().await?.map_err(PrepareError::Checkpoint)?;
        let right = Right {
            _claim: turn,
            _instance: instance,
            _units: self.turns.units.take(units).await,
        };
        self.blocking(right, move |executor| {
            executor.prepare(&object, wanted, &announced)
        })
        .await
        .unwrap_or(Err(PrepareError::EndedEarly))
    }

    /// Answers for a claim that is prepared although the API server cannot be asked about it (no
    /// `object`), or its devices are no longer announced. If it is not prepared, with that error.
    async fn prepare_known(
        self: &Arc<Self>,
        claim: ClaimRef,
        object: Option<ResourceClaim>,
        error: PrepareError,
    ) -> Result<Prepared, PrepareError> {
        let turn = self.turns.claims.take([claim.uid.clone()]).await;
        let instance = self.enter().await?.map_err(PrepareError::Checkpoint)?;
        let entry = self.executor.ledger.get(&claim.uid);
        let Some(entry) = entry.filter(|entry| self.executor.holds(entry)) else {
            return Err(error);
        };
        let devices = entry.record.claim.devices.iter();
        let units: BTreeSet<UnitId> = devices.map(|device| device.unit.clone()).collect();
        let right = Right {
            _claim: turn,
            _instance: instance,
            _units: self.turns.units.take(units).await,
        };
        let announced = Arc::clone(&self.announced.borrow());
        self.blocking(right, move |executor| match object {
            Some(object) => executor.prepare_again(&entry, &object, &announced),
            None => executor.prepare_known(&entry, &announced),
        })
        .await
        .unwrap_or(Err(PrepareError::EndedEarly))
    }

    /// Unprepares a claim if it is one that this is meant for.
    async fn unprepare_now(
        self: &Arc<Self>,
        uid: String,
        meant: impl FnOnce(&Entry, &Executor) -> bool,
    ) -> Result<Vec<Warning>, UnprepareError> {
        let turn = self.turns.claims.take([uid.clone()]).await;
        let instance = self.enter().await?.map_err(UnprepareError::Checkpoint)?;
        let entry = self.executor.ledger.get(&uid);
        if let Some(entry) = &entry
            && !meant(entry, &self.executor)
        {
            return Ok(Vec::new());
        }
        let devices = entry.iter().flat_map(|entry| &entry.record.claim.devices);
        let units: BTreeSet<UnitId> = devices.map(|device| device.unit.clone()).collect();
        let right = Right {
            _claim: turn,
            _instance: instance,
            _units: self.turns.units.take(units).await,
        };
        self.blocking(right, move |executor| executor.unprepare(&uid))
            .await
            .unwrap_or(Err(UnprepareError::EndedEarly))
    }

    /// What a claim got here.
    fn read(
        &self,
        object: &ResourceClaim,
        uid: &str,
        announced: &Announced,
    ) -> Result<ClaimOnNode, ClaimError> {
        let here = Announcement {
            driver: &self.driver,
            node: &self.node,
            pool: &self.pool,
            devices: announced
                .devices
                .iter()
                .map(|announced| (&announced.device, &announced.unit))
                .collect(),
            counter_sets: &announced.counter_sets,
        };
        ClaimOnNode::read(object, uid, &here)
    }

    /// Takes the lock between instances, and reads again what another one may have changed.
    async fn enter(self: &Arc<Self>) -> Result<io::Result<Held>, LockError> {
        let held = self.lock.hold().await?;
        let one = Arc::clone(&self.refreshing).lock_owned().await;
        match self.executor.ledger.is_fresh() {
            Ok(true) => return Ok(Ok(held)),
            Ok(false) => {}
            Err(error) => return Ok(Err(error)),
        }
        let this = Arc::clone(self);
        // Whoever asked may stop waiting: nobody works on claims before all of them are read.
        let refreshed = tokio::task::spawn_blocking(move || {
            let refreshed = this.executor.ledger.refresh();
            drop(one);
            refreshed.map(|set_aside| (held, set_aside))
        });
        let refreshed = refreshed.await.map_err(io::Error::other).flatten();
        match refreshed {
            Ok((held, set_aside)) => {
                for file in set_aside {
                    tracing::error!("{file}");
                }
                Ok(Ok(held))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Does blocking work with a right, which it has until it is done. `None`: it panicked.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        right: Right,
        work: impl FnOnce(&Executor) -> T + Send + 'static,
    ) -> Option<T> {
        let this = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&this.executor);
            drop(right);
            done
        });
        work.await
            .inspect_err(|error| tracing::error!(%error, "work on a claim ended early"))
            .ok()
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
