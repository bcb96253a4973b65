//! The publisher with its watch, as the driver runs it.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::{oneshot, watch};

use super::apiserver::{ApiServer, Fault};
use super::{announced, device, owner};
use crate::devices::Announced;
use crate::kubernetes::api::{ResourceApi, Version};
use crate::node::slices::{PublishError, Publisher, Status, Succession, pool};

/// A publisher at work. Time is not real: a wait for a back-off takes none.
struct Scene {
    server: ApiServer,
    announce: watch::Sender<Arc<Announced>>,
    status: watch::Receiver<Status>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    /// The driver's own, which instances share.
    data: Arc<tempfile::TempDir>,
}

impl Scene {
    async fn begin(server: ApiServer, first: Announced) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self::beside(server, first, data).await
    }

    /// One more instance.
    async fn beside(server: ApiServer, first: Announced, data: Arc<tempfile::TempDir>) -> Self {
        let (announce, announced) = watch::channel(Arc::new(first));
        let (stop, stopped) = oneshot::channel();
        let api = ResourceApi::new(server.client());
        let (publisher, status) = Publisher::new(api, owner(), announced);
        let succession = Succession::join(data.path()).await.unwrap();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(publisher.take_turns(stopped, succession));
        let scene = Self {
            server,
            announce,
            status,
            stop,
            task,
            data,
        };
        scene.allow();
        scene
    }

    fn allow(&self) {
        if let Ok(specs) = pool::desired(&owner(), &self.announce.borrow()) {
            self.server.store().allow(&specs);
        }
    }

    fn announce(&self, pool: Announced) {
        // Not up to date from the very moment on: the status of before must not be taken for it.
        self.announce.send_replace(Arc::new(pool));
        self.allow();
    }

    async fn status(&mut self, is: impl FnMut(&Status) -> bool) -> Status {
        self.status.wait_for(is).await.unwrap().clone()
    }

    /// Waits until what is in the server is what is announced, and the watch stands.
    async fn settled(&self) {
        let expected = self.server.store().announced.last().cloned();
        for _ in 0..1_000 {
            {
                let store = self.server.store();
                let right = store.seen() == expected && self.status.borrow().up_to_date;
                if right && store.watches() > 0 {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("it does not settle: {:#?}", self.status.borrow());
    }

    async fn end(self) -> ApiServer {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        assert_eq!(self.server.store().mixtures, Vec::<String>::new());
        self.server
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_without_devices_publishes_one_empty_slice() {
    let mut scene = Scene::begin(ApiServer::new(), Announced::default()).await;
    let status = scene.status(|status| status.up_to_date).await;
    let published = status.published.unwrap();
    assert_eq!(
        (published.generation, published.slices, published.devices),
        (1, 1, 0)
    );
    assert_eq!(published.version, Version::V1);
    let server = scene.end().await;
    let slices = serde_json::to_string_pretty(&server.store().slices).unwrap();
    insta::assert_snapshot!(slices);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_nothing_changes() {
    let scene = Scene::begin(ApiServer::new(), announced(70, 9, "a")).await;
    scene.settled().await;
    assert_eq!(scene.server.store().writes.len(), 4);
    let lists = scene.server.store().lists;
    // Hours, and watches that end.
    for _ in 0..20 {
        scene.server.store().expire_watches();
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    }
    assert_eq!(scene.server.store().writes.len(), 4);
    assert!(
        scene.server.store().lists > lists,
        "the watch was taken up again"
    );
    // The same in other words is the same.
    let mut again = announced(70, 9, "a");
    for announced in &mut again.devices {
        for capacity in announced
            .device
            .capacity
            .iter_mut()
            .flat_map(|map| map.values_mut())
        {
            capacity.value.0 = "1073741824".to_owned();
        }
    }
    scene.announce(again);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    scene.settled().await;
    assert_eq!(scene.end().await.store().writes.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_taint_is_one_write_within_the_generation_and_keeps_its_time() {
    let scene = Scene::begin(ApiServer::new(), announced(100, 0, "a")).await;
    scene.settled().await;
    let mut tainted = announced(100, 0, "a");
    let taint = json!([{"key": "example.com/unhealthy", "effect": "NoSchedule"}]);
    tainted.devices[99].device.taints = serde_json::from_value(taint).unwrap();
    scene.announce(tainted.clone());
    scene.settled().await;
    let time = |server: &ApiServer| {
        let slice = server.store().typed().pop().unwrap();
        let device = slice.spec.devices.unwrap().pop().unwrap();
        (
            slice.spec.pool.generation,
            device.taints.unwrap()[0].time_added.clone().unwrap(),
        )
    };
    let before = time(&scene.server);
    assert_eq!(before.0, 1);
    // Another device of the same slice: the first taint stands as long as it stood.
    let taints = tainted.devices[99].device.taints.clone();
    tainted.devices[98].device.taints = taints;
    scene.announce(tainted);
    scene.settled().await;
    assert_eq!(time(&scene.server), before);
    assert_eq!(scene.end().await.store().writes.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_or_edits_is_put_right() {
    let scene = Scene::begin(ApiServer::new(), announced(130, 2, "a")).await;
    scene.settled().await;
    let names = scene.server.store().names();
    scene.server.store().lose(&names[2]);
    scene.settled().await;
    // One write, in the generation of the others.
    assert_eq!(scene.server.store().writes.len(), 5);
    assert!(
        scene
            .server
            .store()
            .typed()
            .iter()
            .all(|slice| slice.spec.pool.generation == 1)
    );
    let name = scene.server.store().names()[1].clone();
    scene
        .server
        .store()
        .edit(&name, |slice| slice["spec"]["devices"] = json!([]));
    scene.settled().await;
    assert_eq!(scene.server.store().writes.len(), 6);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_version_of_the_api_is_written_in_its_own_form() {
    for (served, version) in [
        (&["v1beta2", "v1beta1"][..], Version::V1beta2),
        (&["v1beta1"], Version::V1beta1),
    ] {
        let server = ApiServer::new();
        server.store().served = served.to_vec();
        let mut scene = Scene::begin(server, announced(70, 1, "a")).await;
        let status = scene.status(|status| status.up_to_date).await;
        assert_eq!(status.published.unwrap().version, version);
        scene.settled().await;
        // The control plane is upgraded, and stops to serve what was used.
        scene.server.store().served = vec!["v1"];
        scene.server.store().expire_watches();
        let status = scene
            .status(|status| {
                status
                    .published
                    .is_some_and(|published| published.version == Version::V1)
            })
            .await;
        assert_eq!(status.writes, 3);
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_the_server_drops_is_reported_and_written_once() {
    let server = ApiServer::new();
    server.store().dropped = vec!["taints"];
    let mut pool = announced(2, 0, "a");
    let taint = json!([{"key": "example.com/unhealthy", "effect": "NoSchedule"}]);
    pool.devices[0].device.taints = serde_json::from_value(taint).unwrap();
    let (announce, announcements) = watch::channel(Arc::new(pool));
    let (mut publisher, mut status) =
        Publisher::new(ResourceApi::new(server.client()), owner(), announcements);
    let task = tokio::spawn(async move { publisher.run(std::future::pending()).await });
    let seen = status
        .wait_for(|status| status.up_to_date)
        .await
        .unwrap()
        .clone();
    let lost: Vec<_> = seen.lost.iter().map(ToString::to_string).collect();
    assert_eq!(
        lost,
        ["devices[].taints (feature gate DRADeviceTaints of the API server)"]
    );
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_secs(300)).await;
        server.store().expire_watches();
    }
    assert_eq!(server.store().writes.len(), 1);
    drop(announce);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_waited_for() {
    let server = ApiServer::new();
    let faults = (0..8).map(|_| ("list", Fault::Fails));
    server.store().faults.extend(faults);
    let mut scene = Scene::begin(server, announced(3, 0, "a")).await;
    let status = scene.status(|status| status.problem.is_some()).await;
    assert!(!status.up_to_date && status.published.is_none());
    insta::assert_snapshot!(status.problem.unwrap(), @"ResourceSlices: cannot list resourceslices: out of order");
    scene.settled().await;
    assert!(scene.status.borrow().problem.is_none());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_told_with_the_rule_that_gives_it() {
    let server = ApiServer::new();
    server.store().faults.push_back(("create", Fault::Forbids));
    let mut scene = Scene::begin(server, announced(3, 0, "a")).await;
    let status = scene.status(|status| status.problem.is_some()).await;
    insta::assert_snapshot!(status.problem.unwrap());
    scene.settled().await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_missing_is_waited_for_and_then_owns_the_slices() {
    let server = ApiServer::new();
    server.store().node_uid = None;
    let mut scene = Scene::begin(server, announced(3, 0, "a")).await;
    let status = scene.status(|status| status.problem.is_some()).await;
    assert!(matches!(
        *status.problem.unwrap(),
        PublishError::NoNode { .. }
    ));
    scene.server.store().node_uid = Some("second".to_owned());
    scene.settled().await;
    let server = scene.end().await;
    let owners = server.store().typed()[0]
        .metadata
        .owner_references
        .clone()
        .unwrap();
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].uid.as_str()),
        ("Node", "second")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_told_and_what_was_published_is_kept() {
    let mut scene = Scene::begin(ApiServer::new(), announced(3, 0, "a")).await;
    scene.settled().await;
    let mut bad = announced(3, 0, "b");
    bad.devices.push(device(
        json!({"name": "gpu-3", "attributes": {"model": {"string": "x".repeat(65)}}}),
    ));
    scene.announce(bad);
    let status = scene.status(|status| status.problem.is_some()).await;
    assert!(!status.up_to_date && status.published.is_some());
    insta::assert_snapshot!(status.problem.unwrap());
    // What stands is still looked after.
    let name = scene.server.store().names()[0].clone();
    scene.server.store().lose(&name);
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    {
        let store = scene.server.store();
        assert_eq!(store.seen(), store.announced.first().cloned());
    }
    scene.announce(announced(3, 0, "b"));
    scene.settled().await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_instances_the_one_that_was_started_last_publishes() {
    let server = ApiServer::new();
    let older = Scene::begin(server.clone(), announced(70, 9, "a")).await;
    older.settled().await;
    let newer = announced(70, 9, "b");
    let newer = Scene::beside(server.clone(), newer, Arc::clone(&older.data)).await;
    newer.settled().await;
    // Whatever the older one does about it, it has time enough to.
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    newer.settled().await;
    let writes = server.store().writes.len();
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(server.store().writes.len(), writes, "they fight");

    // It failed, and is gone.
    newer.end().await;
    older.announce(announced(70, 9, "c"));
    older.settled().await;
    older.end().await;
}
