//! Changes of this driver's slices that somebody else made.
//!
//! Only metadata is watched: a change has another resource version than what was seen last, and
//! whatever it is, the next look tells it. The writes of this process are seen by that look, and so
//! are no news here.

use std::collections::HashMap;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::resource::v1::ResourceSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

use super::Owner;
use crate::kubernetes::api::{ApiError, GROUP, Operation, ResourceApi, Version};

type Slice = PartialObjectMeta<DynamicObject>;

/// A watch on the slices of one driver on one node.
pub(super) struct Watch {
    pub(super) version: Version,
    events: BoxStream<'static, watcher::Result<Event<Slice>>>,
    /// The resource version of each slice that was seen, by UID.
    seen: HashMap<String, String>,
    /// How many of them a list that is coming in has shown as they were seen.
    confirmed: usize,
}

impl Watch {
    /// Begins to watch. `seen` are the slices as they are known.
    pub(super) fn new(
        api: &ResourceApi,
        version: Version,
        owner: &Owner,
        seen: &[ResourceSlice],
    ) -> Self {
        let slices: Api<Slice> = Api::all_with(api.client().clone(), &version.slices());
        let configuration = watcher::Config::default().fields(&owner.fields());
        let mut watch = Self {
            version,
            events: watcher(slices, configuration).default_backoff().boxed(),
            seen: HashMap::new(),
            confirmed: 0,
        };
        watch.saw(seen);
        watch
    }

    /// These are the slices now.
    pub(super) fn saw(&mut self, slices: &[ResourceSlice]) {
        self.seen = slices.iter().map(|slice| key(&slice.metadata)).collect();
    }

    /// Waits until somebody changes something, or the watch is in trouble; it goes on by itself then.
    pub(super) async fn news(&mut self) -> Result<(), ApiError> {
        while let Some(event) = self.events.next().await {
            match event {
                Ok(event) if self.is_news(&event) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(sorted(error)),
            }
        }
        // A watcher never ends.
        std::future::pending().await
    }

    fn is_news(&mut self, event: &Event<Slice>) -> bool {
        let is_as_seen = |slice: &Slice| {
            let (uid, version) = key(&slice.metadata);
            self.seen.get(&uid) == Some(&version)
        };
        match event {
            Event::Apply(slice) => !is_as_seen(slice),
            Event::Delete(slice) => self.seen.contains_key(&key(&slice.metadata).0),
            Event::Init => {
                self.confirmed = 0;
                false
            }
            Event::InitApply(slice) if is_as_seen(slice) => {
                self.confirmed += 1;
                false
            }
            Event::InitApply(_) => true,
            Event::InitDone => self.confirmed < self.seen.len(),
        }
    }
}

fn key(metadata: &ObjectMeta) -> (String, String) {
    let uid = metadata.uid.clone().unwrap_or_default();
    (uid, metadata.resource_version.clone().unwrap_or_default())
}

fn sorted(error: watcher::Error) -> ApiError {
    let operation = |verb| Operation::new(verb, GROUP, "resourceslices");
    match error {
        watcher::Error::InitialListFailed(error) => ApiError::of(operation("list"), error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            ApiError::of(operation("watch"), error)
        }
        watcher::Error::WatchError(status) => {
            ApiError::of(operation("watch"), kube::Error::Api(status))
        }
        watcher::Error::NoResourceVersion => ApiError::Refused {
            operation: operation("watch"),
            message: error.to_string(),
        },
    }
}
