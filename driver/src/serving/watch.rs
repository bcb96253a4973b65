//! When to read configuration and components again.
//!
//! Folders are watched rather than files: a ConfigMap is changed by swapping a symlink beside its
//! files, and a component is best replaced by a rename. A change is taken up when the folder has been
//! quiet for a moment, so that a file that is being copied is not judged half-way. Since notifications
//! can be lost, and some file systems send none, everything is also looked at once in a while.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::{Change, Policies};

/// How long a folder must be quiet.
const QUIET: Duration = Duration::from_millis(100);
/// How long is waited for that at most.
const RESTLESS: Duration = Duration::from_secs(2);
/// How often everything is looked at without a reason.
const PERIOD: Duration = Duration::from_secs(30);

/// Refreshes the policies whenever something changed, and tells what came of it. Never ends.
pub async fn watch(policies: Arc<Policies>, tell: impl Fn(&[Change])) {
    let changed = Arc::new(Notify::new());
    let notice = Arc::clone(&changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files is an access, too.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            notice.notify_one();
        }
    })
    .inspect_err(|error| {
        tracing::warn!(
            %error,
            "changes of policies cannot be watched; they are looked for every {} s",
            PERIOD.as_secs()
        );
    })
    .ok();
    let mut watched = BTreeSet::new();
    loop {
        if let Some(watcher) = &mut watcher {
            follow(watcher, &mut watched, policies.folders());
        }
        // Whatever happened before the folders were watched is seen by this look.
        let reading = Arc::clone(&policies);
        match tokio::task::spawn_blocking(move || reading.refresh()).await {
            Ok(changes) if !changes.is_empty() => tell(&changes),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "reading policies ended early"),
        }
        if timeout(PERIOD, changed.notified()).await.is_ok() {
            let latest = Instant::now() + RESTLESS;
            while Instant::now() < latest && timeout(QUIET, changed.notified()).await.is_ok() {}
        }
    }
}

/// Watches these folders and no others. One that is not there yet is tried again by the next look.
fn follow(
    watcher: &mut RecommendedWatcher,
    watched: &mut BTreeSet<PathBuf>,
    folders: Vec<PathBuf>,
) {
    let folders: BTreeSet<PathBuf> = folders.into_iter().collect();
    for folder in watched.difference(&folders) {
        let _ = watcher.unwatch(folder);
    }
    let mut now = BTreeSet::new();
    // Also what is watched already: it may have been removed and made anew.
    for folder in folders {
        if watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
            now.insert(folder);
        }
    }
    *watched = now;
}
