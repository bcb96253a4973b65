//! Much at once: nodes that are only objects, with devices, and pods that want those.
//!
//! No kubelet reports for such a node and none runs its pods, but the API server, the controllers, the
//! scheduler and the extender do for it what they do for any other. Requests are made many at a time, so
//! that who makes them is not what takes the time.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{
    DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice,
};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::ClusterError;

/// The driver of the devices.
pub const LOAD: &str = "load.example.com";
/// The class of all its devices.
pub const CLASS: &str = "load";

/// How many requests are under way at a time.
const WIDTH: usize = 48;

/// Does something for each, many at a time, until one fails.
pub async fn at_once<T, F>(
    items: impl IntoIterator<Item = T>,
    each: impl FnMut(T) -> F,
) -> Result<(), ClusterError>
where
    F: Future<Output = Result<(), ClusterError>>,
{
    let done = stream::iter(items).map(each).buffer_unordered(WIDTH);
    done.try_for_each(async |()| Ok(())).await
}

/// Creates an object that is written as JSON, and answers it as the API server has it.
pub async fn create<K>(api: &Api<K>, object: Value) -> Result<K, ClusterError>
where
    K: Resource + Serialize + DeserializeOwned + Clone + Debug,
{
    let what = || {
        let name = object.pointer("/metadata/name");
        let name = name.and_then(Value::as_str).unwrap_or_default();
        format!("create {name} at {}", api.resource_url())
    };
    let read = serde_json::from_value(object.clone()).map_err(|error| ClusterError::Answer {
        what: what(),
        answer: error.to_string(),
    })?;
    let made = api.create(&PostParams::default(), &read).await;
    made.map_err(ClusterError::api(what()))
}

/// A node, ready and with room for 200 pods. Its label `load` has the prefix.
#[must_use]
pub fn node(name: &str, prefix: &str) -> Value {
    let much = json!({"cpu": "64", "memory": "512Gi", "pods": "200"});
    json!({"metadata": {"name": name, "labels": {"load": prefix}}, "status": {
        "capacity": much, "allocatable": much, "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// The slice of a node, with so many GPUs, four to an NVLink group. It goes with the node of that UID.
#[must_use]
pub fn slice(node: &str, uid: Option<&str>, devices: usize, generation: i64) -> Value {
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid});
    let owners: Vec<Value> = uid.into_iter().map(|_| owner.clone()).collect();
    let device = |n: usize| {
        json!({"name": format!("gpu-{n}"), "attributes": {
            "uuid": {"string": format!("GPU-{node}-{n}")},
            "productName": {"string": "NVIDIA H100 80GB HBM3"},
            "driverVersion": {"version": "580.65.6"},
            "supercargo.dev/nvlinkGroup": {"int": n / 4},
            "resource.kubernetes.io/pcieRoot": {"string": format!("pci0000:{n:02x}")},
            "resource.kubernetes.io/numaNode": {"int": n / 4},
        }, "capacity": {"memory": {"value": "81559Mi"}}})
    };
    json!({"metadata": {"name": node, "ownerReferences": owners}, "spec": {
        "driver": LOAD, "nodeName": node,
        "pool": {"name": node, "generation": generation, "resourceSliceCount": 1},
        "devices": (0..devices).map(device).collect::<Vec<_>>()}})
}

/// Makes the class, unless it is there.
pub async fn class(client: &Client) -> Result<(), ClusterError> {
    let classes: Api<DeviceClass> = Api::all(client.clone());
    let found = classes.get_opt(CLASS).await;
    if found.map_err(ClusterError::api("get the class"))?.is_some() {
        return Ok(());
    }
    let expression = format!("device.driver == '{LOAD}'");
    let class = json!({"metadata": {"name": CLASS}, "spec": {
        "selectors": [{"cel": {"expression": expression}}]}});
    create(&classes, class).await.map(drop)
}

/// Makes nodes `<prefix>-0` and so on, each with its slice.
pub async fn nodes(
    client: &Client,
    prefix: &str,
    count: usize,
    devices: usize,
) -> Result<(), ClusterError> {
    at_once(0..count, |n| node_with_slice(client, prefix, n, devices)).await
}

/// Makes one of the nodes with its slice.
pub async fn node_with_slice(
    client: &Client,
    prefix: &str,
    number: usize,
    devices: usize,
) -> Result<(), ClusterError> {
    let name = format!("{prefix}-{number}");
    let made: Node = create(&Api::all(client.clone()), node(&name, prefix)).await?;
    let uid = made.metadata.uid.as_deref();
    let slices: Api<ResourceSlice> = Api::all(client.clone());
    create(&slices, slice(&name, uid, devices, 1))
        .await
        .map(drop)
}

/// Makes a template `<devices>` for claims to so many devices.
pub async fn template(
    client: &Client,
    namespace: &str,
    name: &str,
    devices: usize,
) -> Result<(), ClusterError> {
    let templates: Api<ResourceClaimTemplate> = Api::namespaced(client.clone(), namespace);
    let template = json!({"metadata": {"name": name}, "spec": {"spec": claim_spec(devices)}});
    create(&templates, template).await.map(drop)
}

/// The spec of a claim to so many devices.
#[must_use]
pub fn claim_spec(devices: usize) -> Value {
    json!({"devices": {"requests": [
        {"name": "gpus", "exactly": {"deviceClassName": CLASS, "count": devices}}]}})
}

/// A pod with one claim: `{"resourceClaimTemplateName": ..}` or `{"resourceClaimName": ..}`.
#[must_use]
pub fn pod(name: &str, scheduler: &str, claim: &Value) -> Value {
    let mut entry = claim.as_object().cloned().unwrap_or_default();
    entry.insert("name".to_owned(), json!("gpus"));
    json!({"metadata": {"name": name}, "spec": {
        "schedulerName": scheduler, "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}], "resourceClaims": [entry],
        "containers": [{"name": "main", "image": "busybox:1.36",
            "resources": {"claims": [{"name": "gpus"}]}}]}})
}

/// Removes all pods of a namespace at once, and waits until their claims are gone, too.
pub async fn clear(client: &Client, namespace: &str, within: Duration) -> Result<(), ClusterError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let now = DeleteParams::default().grace_period(0);
    let every = ListParams::default();
    let deleted = pods.delete_collection(&now, &every).await;
    deleted.map_err(ClusterError::api("delete all pods"))?;
    let claims: Api<ResourceClaim> = Api::namespaced(client.clone(), namespace);
    let deleted = claims
        .delete_collection(&DeleteParams::default(), &every)
        .await;
    deleted.map_err(ClusterError::api("delete all claims"))?;
    let first = ListParams::default().limit(1);
    crate::until(within, "no pod and no claim is left", async || {
        let pods = pods.list_metadata(&first).await;
        let claims = claims.list_metadata(&first).await;
        let pods = pods.map_err(ClusterError::api("list pods"))?;
        let claims = claims.map_err(ClusterError::api("list claims"))?;
        Ok((pods.items.is_empty() && claims.items.is_empty()).then_some(()))
    })
    .await
}

/// When each pod of a namespace was seen to be bound, by name.
#[derive(Debug)]
pub struct Bound {
    seen: watch::Receiver<BTreeMap<String, Instant>>,
    follower: JoinHandle<()>,
}

impl Bound {
    /// Begins to watch.
    #[must_use]
    pub fn follow(client: &Client, namespace: &str) -> Self {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let (tell, seen) = watch::channel(BTreeMap::new());
        let follower = tokio::spawn(async move {
            let changes = watcher(pods, watcher::Config::default()).default_backoff();
            let mut changes = std::pin::pin!(changes.applied_objects());
            while let Some(change) = changes.next().await {
                let Ok(pod) = change else { continue };
                let (Some(name), Some(_)) =
                    (pod.metadata.name, pod.spec.and_then(|it| it.node_name))
                else {
                    continue;
                };
                tell.send_if_modified(|seen| {
                    let mut new = false;
                    seen.entry(name).or_insert_with(|| {
                        new = true;
                        Instant::now()
                    });
                    new
                });
            }
        });
        Self { seen, follower }
    }

    /// Waits until so many are bound.
    pub async fn until(&mut self, count: usize, within: Duration) -> Result<(), ClusterError> {
        let enough = self.seen.wait_for(|seen| seen.len() >= count);
        let enough = tokio::time::timeout(within, enough).await;
        if matches!(enough, Ok(Ok(_))) {
            return Ok(());
        }
        drop(enough);
        Err(ClusterError::TimedOut {
            until: format!("{count} pods are bound; {} are", self.seen.borrow().len()),
            after: within,
        })
    }

    /// Those that are bound so far.
    #[must_use]
    pub fn so_far(&self) -> BTreeMap<String, Instant> {
        self.seen.borrow().clone()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
