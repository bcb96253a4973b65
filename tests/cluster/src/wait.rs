//! Waiting for a real system, with a bound.
//!
//! What the API server holds is watched, and looked at again at each change. Only what cannot be
//! watched (is the server there at all, has a file appeared) is asked again and again.

use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};

use crate::error::ClusterError;

/// How long between two questions about what cannot be watched.
const BETWEEN: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
pub async fn until<T>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, ClusterError>,
) -> Result<T, ClusterError> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if begun.elapsed() > within {
            return Err(ClusterError::TimedOut {
                until: what.to_owned(),
                after: within,
            });
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Watches one object until `accept` finds what it looks for in it; `None` means that there is no
/// such object.
pub async fn until_object<K, T>(
    api: &kube::Api<K>,
    name: &str,
    within: Duration,
    what: &str,
    mut accept: impl FnMut(Option<&K>) -> Option<T>,
) -> Result<T, ClusterError>
where
    K: kube::Resource<DynamicType: Default>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let mut seen = String::from("nothing");
    let found = tokio::time::timeout(within, async {
        let mut changes =
            std::pin::pin!(watcher::watch_object(api.clone(), name).default_backoff());
        while let Some(change) = changes.next().await {
            match change {
                Ok(object) => {
                    if let Some(found) = accept(object.as_ref()) {
                        return Some(found);
                    }
                    seen = format!("{:?}", object.map(readable));
                }
                Err(error) => seen = error.to_string(),
            }
        }
        None
    });
    match found.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(_) => Err(ClusterError::TimedOut {
            until: format!("{what}; last seen: {seen}"),
            after: within,
        }),
    }
}

/// Watches all objects of an API until `accept` finds what it looks for among them.
pub async fn until_objects<K, T>(
    api: &kube::Api<K>,
    within: Duration,
    what: &str,
    mut accept: impl FnMut(&[K]) -> Option<T>,
) -> Result<T, ClusterError>
where
    K: kube::Resource<DynamicType: Default>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let key = |object: &K| {
        let meta = object.meta();
        (meta.namespace.clone(), meta.name.clone())
    };
    let mut objects: Vec<K> = Vec::new();
    let mut trouble = None;
    let found = tokio::time::timeout(within, async {
        let changes = watcher::watcher(api.clone(), watcher::Config::default());
        let mut changes = std::pin::pin!(changes.default_backoff());
        let mut listing = Vec::new();
        let mut listed = false;
        while let Some(change) = changes.next().await {
            let complete = matches!(change, Ok(watcher::Event::InitDone));
            match change {
                Ok(watcher::Event::Init) => listing.clear(),
                Ok(watcher::Event::InitApply(object)) => listing.push(object),
                Ok(watcher::Event::InitDone) => objects = std::mem::take(&mut listing),
                Ok(watcher::Event::Apply(object)) => {
                    objects.retain(|other| key(other) != key(&object));
                    objects.push(object);
                }
                Ok(watcher::Event::Delete(object)) => {
                    objects.retain(|other| key(other) != key(&object));
                }
                Err(error) => trouble = Some(error.to_string()),
            }
            listed |= complete;
            if let Some(found) = listed.then(|| accept(&objects)).flatten() {
                return Some(found);
            }
        }
        None
    });
    match found.await {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(_) => Err(ClusterError::TimedOut {
            until: {
                let objects: Vec<_> = objects.into_iter().map(readable).collect();
                format!("{what}; last seen: {objects:?}; trouble: {trouble:?}")
            },
            after: within,
        }),
    }
}

/// An object without what takes most of its room and tells nothing.
fn readable<K: kube::Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}
