//! ResourceSlices: what the node announces, kept in the API server.
//!
//! The scheduler believes what it reads, so three things are held to. What it reads is always one whole
//! state of the pool or evidently none ([`plan`]). What somebody else changes is put right, and what is
//! right is never written ([`same`]). And what the API cannot hold is said here, by device and field,
//! before it refuses everything ([`defects`]).
//!
//! [`Publisher`] follows the announcements and the watch, and lets [`keep`] look whenever one of them
//! has something new. On its own it never gives up: errors are reported in its [`Status`] and tried
//! again, ever more slowly. When it is stopped the slices stay, for a driver that restarts has not
//! lost its devices; the kubelet deletes the slices of a driver that does not come back.

mod defects;
mod keep;
mod name;
mod plan;
mod pool;
mod same;
mod status;
mod succession;
mod watch;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::resource::v1::{ResourceSlice, ResourceSliceSpec};
use kube::runtime::watcher::DefaultBackoff;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::devices::Announced;
use crate::kubernetes::api::{ApiError, ResourceApi, Version};
use keep::Keeper;
use watch::Watch;

pub use defects::{Defect, Defects};
pub use pool::desired;
pub use status::{LostField, PublishError, Published, Status};
pub use succession::Succession;

/// Least time between two looks: health may change faster than the scheduler needs to know.
const BETWEEN: Duration = Duration::from_millis(200);
/// After so long without changes by others, the next one is put right at once.
const QUIET: Duration = Duration::from_secs(120);
/// What is on its way when the driver is stopped may still be brought to its end.
const LAST: Duration = Duration::from_secs(3);

/// Whose slices: a driver on a node. The pool has the node's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The driver's name, such as `gpu.nvidia.com`.
    pub driver: String,
    /// The Node's name.
    pub node: String,
}

impl Owner {
    /// The field selector of its slices.
    fn fields(&self) -> String {
        format!("spec.nodeName={},spec.driver={}", self.node, self.driver)
    }
}

/// Whether a pool can be published.
///
/// # Errors
/// All that the API does not take.
pub fn check(owner: &Owner, announced: &Announced) -> Result<(), Defects> {
    pool::desired(owner, announced).map(drop)
}

/// Keeps what is announced in the API server.
#[derive(Debug)]
pub struct Publisher {
    keeper: Keeper,
    announced: channel::Receiver<Arc<Announced>>,
    status: channel::Sender<Status>,
    /// The last that could be published.
    wanted: Option<Vec<ResourceSliceSpec>>,
}

impl Publisher {
    /// Publishes what `announced` holds, from its first value on: make the channel when the hardware
    /// has been looked at, for an empty first value would take the devices away.
    pub fn new(
        api: ResourceApi,
        owner: Owner,
        announced: channel::Receiver<Arc<Announced>>,
    ) -> (Self, channel::Receiver<Status>) {
        let (status, reader) = channel::channel(Status::default());
        let publisher = Self {
            keeper: Keeper::new(api, owner),
            announced,
            status,
            wanted: None,
        };
        (publisher, reader)
    }

    /// Runs until `stop` completes or nobody announces any more, and pauses while an instance that was
    /// started later publishes.
    pub async fn take_turns(mut self, stop: impl Future<Output = ()>, succession: Succession) {
        let stop = stop.shared();
        loop {
            tokio::select! {
                () = stop.clone() => return,
                () = succession.until(false) => {}
            }
            let publishing = self.run(async {
                tokio::select! {
                    () = stop.clone() => {}
                    () = succession.until(true) => {}
                }
            });
            publishing.await;
            if stop.peek().is_some() || self.announced.has_changed().is_err() {
                return;
            }
            info!("an instance of the driver that was started later publishes the ResourceSlices");
        }
    }

    /// Publishes until `stop` completes or nobody announces any more.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut pace = Pace::default();
        let mut watch: Option<Watch> = None;
        let mut watch_is_well = None;
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = at(pace.due) => {
                    let Some(seen) = self.look_unless(stop.as_mut()).await else {
                        return;
                    };
                    pace.looked(&seen);
                    if let Ok(Some((published, slices))) = seen {
                        self.follow(&mut watch, published.version, &slices);
                    }
                }
                changed = self.announced.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.status.send_if_modified(|status| std::mem::take(&mut status.up_to_date));
                    pace.announced();
                }
                news = news(&mut watch) => {
                    pace.changed_by_others();
                    if let Err(error) = news {
                        // A watch ends now and then; only what somebody must act on is reported.
                        debug!(%error, "the watch on ResourceSlices was interrupted");
                        if matches!(error, ApiError::Forbidden { .. }) {
                            self.status.send_modify(|status| {
                                status.watch_problem = Some(Arc::new(error));
                            });
                            watch_is_well = Some(Instant::now() + QUIET);
                        }
                    }
                }
                () = at(watch_is_well) => {
                    watch_is_well = None;
                    self.status.send_modify(|status| status.watch_problem = None);
                }
            }
        }
    }

    /// A look; `None` where the driver is stopped meanwhile.
    async fn look_unless(&mut self, stop: Pin<&mut impl Future<Output = ()>>) -> Option<Seen> {
        let mut look = pin!(self.look());
        tokio::select! {
            seen = &mut look => Some(seen),
            () = stop => {
                // A pool that is half written stays so until the driver is back.
                let _ = timeout(LAST, look).await;
                None
            }
        }
    }

    /// Looks at the API server, writes what is to be written, and reports.
    async fn look(&mut self) -> Seen {
        let announced = Arc::clone(&self.announced.borrow_and_update());
        let defects = match pool::desired(&self.keeper.owner, &announced) {
            Ok(specs) => {
                self.wanted = Some(specs);
                None
            }
            Err(defects) => Some(PublishError::Defects(defects)),
        };
        let seen = match &self.wanted {
            Some(wanted) => self.keeper.keep(wanted).await.map(Some),
            None => Ok(None),
        };
        let (seen, problem) = match seen {
            Ok(seen) => (Ok(seen), defects),
            Err(error) => (Err(()), Some(error)),
        };
        self.report(seen.as_ref().ok().and_then(Option::as_ref), problem);
        seen
    }

    fn report(
        &self,
        seen: Option<&(Published, Vec<ResourceSlice>)>,
        problem: Option<PublishError>,
    ) {
        let newer = self.announced.has_changed().unwrap_or(false);
        self.status.send_modify(|status| {
            let published = seen.map(|(published, _)| *published);
            if published.is_some() && published != status.published {
                info!(?published, "ResourceSlices are published");
            }
            let lost = self.keeper.lost();
            for field in lost.difference(&status.lost) {
                warn!(%field, "the API server does not keep a field of the ResourceSlices");
            }
            if let Some(problem) = &problem {
                let text = problem.to_string();
                if status
                    .problem
                    .as_ref()
                    .is_none_or(|last| last.to_string() != text)
                {
                    warn!("{text}");
                }
            }
            status.published = published.or(status.published);
            status.up_to_date = published.is_some() && problem.is_none() && !newer;
            status.problem = problem.map(Arc::new);
            status.lost = lost;
            status.writes = self.keeper.writes;
        });
    }

    /// Watches in the version in use from what was seen on.
    fn follow(&self, watch: &mut Option<Watch>, version: Version, seen: &[ResourceSlice]) {
        match watch {
            Some(watch) if watch.version == version => watch.saw(seen),
            _ => {
                let Keeper { api, owner, .. } = &self.keeper;
                *watch = Some(Watch::new(api, version, owner, seen));
            }
        }
    }
}

/// What a look found to be right; nothing where there never was anything that can be published.
type Seen = Result<Option<(Published, Vec<ResourceSlice>)>, ()>;

/// When to look.
struct Pace {
    due: Option<Instant>,
    last_look: Option<Instant>,
    last_news: Option<Instant>,
    backoff: DefaultBackoff,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            due: Some(Instant::now()),
            last_look: None,
            last_news: None,
            backoff: DefaultBackoff::default(),
        }
    }
}

impl Pace {
    fn looked(&mut self, seen: &Seen) {
        self.last_look = Some(Instant::now());
        self.due = match seen {
            Ok(_) => None,
            Err(()) => self.later(),
        };
    }

    /// Soon, and whatever went wrong before: it may be right now.
    fn announced(&mut self) {
        let earliest = self
            .last_look
            .map_or_else(Instant::now, |last| last + BETWEEN);
        self.due = Some(earliest);
    }

    /// At once, but ever more slowly when it goes on: others may be as stubborn.
    fn changed_by_others(&mut self) {
        let quiet = self.last_news.is_none_or(|last| last.elapsed() > QUIET);
        self.last_news = Some(Instant::now());
        if self.due.is_none() {
            self.due = if quiet {
                Some(Instant::now())
            } else {
                self.later()
            };
        }
    }

    fn later(&mut self) -> Option<Instant> {
        Some(Instant::now() + self.backoff.next().unwrap_or(QUIET))
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn news(watch: &mut Option<Watch>) -> Result<(), ApiError> {
    match watch {
        Some(watch) => watch.news().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
