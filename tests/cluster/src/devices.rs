//! What containers see of devices, held against what their claims were given.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::driver::DRIVER;
use crate::error::{ClusterError, at};
use crate::node::Node;
use crate::wait::until_object;

/// How long a pod may take until it runs, or its like.
pub const SOON: Duration = Duration::from_secs(60);

/// A file of the project's examples.
#[must_use]
pub fn example(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).join(path)
}

/// A manifest of `examples/manifests/node`, without `.yaml`.
pub fn manifest(name: &str) -> Result<String, ClusterError> {
    let path = example(&format!("manifests/node/{name}.yaml"));
    fs::read_to_string(&path).map_err(at("read", &path))
}

/// Writes a topology of the examples, without `.yaml`, for one node of several: the same hardware, but
/// not the same GPUs. Answers where it is.
pub fn hardware(name: &str, node: &Node) -> Result<PathBuf, ClusterError> {
    let example = example(&format!("topologies/{name}.yaml"));
    let text = fs::read_to_string(&example).map_err(at("read", &example))?;
    let number = node.name().bytes().next_back().unwrap_or_default();
    let own = text
        .split("uuid: GPU-")
        .enumerate()
        .map(|(part, text)| match part {
            0 => text.to_owned(),
            _ => format!(
                "uuid: GPU-{number:02x}{}",
                text.get(2..).unwrap_or_default()
            ),
        });
    let path = node.folder().join("topology.yaml");
    fs::write(&path, own.collect::<String>()).map_err(at("write", &path))?;
    Ok(path)
}

/// Waits until a pod runs.
pub async fn running(cluster: &Cluster, namespace: &str, name: &str) -> Result<Pod, ClusterError> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    until_object(&api, name, SOON, &format!("pod {name} runs"), |pod| {
        let pod = pod?;
        (pod.status.as_ref()?.phase.as_deref() == Some("Running")).then(|| pod.clone())
    })
    .await
}

/// Devices by name, each with its UUID.
pub type Devices = BTreeMap<String, String>;

/// What nodes publish: pool and device, and the device's attribute `uuid`. Partitions that do not exist
/// yet have none.
pub async fn published(
    cluster: &Cluster,
) -> Result<BTreeMap<(String, String), Option<String>>, ClusterError> {
    let api: Api<ResourceSlice> = Api::all(cluster.client());
    let slices = api.list(&ListParams::default()).await;
    let mut found = BTreeMap::new();
    for slice in slices.map_err(ClusterError::api("list ResourceSlices"))? {
        for device in slice.spec.devices.unwrap_or_default() {
            let attributes = device.attributes.unwrap_or_default();
            let uuid = attributes
                .get("uuid")
                .and_then(|value| value.string.clone());
            found.insert((slice.spec.pool.name.clone(), device.name), uuid);
        }
    }
    Ok(found)
}

/// The devices that a claim was given, for one of its requests or for all: pool and name.
pub async fn given(
    cluster: &Cluster,
    namespace: &str,
    claim: &str,
    request: Option<&str>,
) -> Result<Vec<(String, String)>, ClusterError> {
    let api: Api<ResourceClaim> = Api::namespaced(cluster.client(), namespace);
    let found = api.get(claim).await;
    let found = found.map_err(ClusterError::api(format!("get claim {claim}")))?;
    let allocation = found.status.and_then(|status| status.allocation);
    let results = allocation
        .and_then(|allocation| allocation.devices?.results)
        .unwrap_or_default();
    let asked_for = results.into_iter().filter(|result| {
        let part = result.request.split('/').next();
        result.driver == DRIVER && (request.is_none() || request == part)
    });
    Ok(asked_for
        .map(|result| (result.pool, result.device))
        .collect())
}

/// The claim behind an entry of a pod's `spec.resourceClaims`.
pub fn claim_of(pod: &Pod, entry: &str) -> Result<String, ClusterError> {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let made = status.resource_claim_statuses.unwrap_or_default();
    let made = made.into_iter().filter(|made| made.name == entry);
    let named = spec.resource_claims.unwrap_or_default();
    let named = named.into_iter().filter(|named| named.name == entry);
    made.filter_map(|made| made.resource_claim_name)
        .chain(named.filter_map(|named| named.resource_claim_name))
        .next()
        .ok_or_else(|| ClusterError::Answer {
            what: format!("which claim is behind {entry:?}"),
            answer: "none".to_owned(),
        })
}

/// What a container sees: by its environment, and by the files that are mounted.
async fn seen(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
) -> Result<(Devices, Devices), ClusterError> {
    let script = r#"env | grep ^SUPERCARGO_DEVICE_
for folder in /var/run/supercargo/devices/*; do
  [ -d "$folder" ] && echo "$folder=$(cat "$folder/uuid")"
done
true"#;
    let kubectl = cluster.kubectl();
    let script = ["sh", "-c", script];
    let said = kubectl.exec(namespace, pod, container, &script).await?;
    let pairs = |prefix: &str| {
        let lines = said.lines();
        let pairs = lines.filter_map(|line| line.strip_prefix(prefix)?.split_once('='));
        pairs
            .map(|(name, uuid)| (name.to_ascii_lowercase().replace('_', "-"), uuid.to_owned()))
            .collect()
    };
    Ok((
        pairs("SUPERCARGO_DEVICE_"),
        pairs("/var/run/supercargo/devices/"),
    ))
}

/// Holds every container of a running pod to it: it sees the devices that its claims were given, the
/// very ones, and no other. Answers them by container.
pub async fn containers_see_their_devices(
    cluster: &Cluster,
    namespace: &str,
    pod: &Pod,
) -> Result<BTreeMap<String, Devices>, ClusterError> {
    let published = published(cluster).await?;
    let name = pod.metadata.name.clone().unwrap_or_default();
    let mut all = BTreeMap::new();
    for container in pod.spec.clone().unwrap_or_default().containers {
        let entries = container.resources.and_then(|resources| resources.claims);
        let mut expected = BTreeMap::new();
        for entry in entries.unwrap_or_default() {
            let claim = claim_of(pod, &entry.name)?;
            for device in given(cluster, namespace, &claim, entry.request.as_deref()).await? {
                let uuid = published.get(&device).cloned().flatten();
                expected.insert(device.1, uuid);
            }
        }
        let status = pod.status.as_ref();
        let special = status.and_then(|status| status.extended_resource_claim_status.as_ref());
        for mapping in special.iter().flat_map(|special| &special.request_mappings) {
            if mapping.container_name == container.name {
                let request = Some(mapping.request_name.as_str());
                let claim = special.map_or("", |special| special.resource_claim_name.as_str());
                for device in given(cluster, namespace, claim, request).await? {
                    let uuid = published.get(&device).cloned().flatten();
                    expected.insert(device.1, uuid);
                }
            }
        }
        let (environment, files) = seen(cluster, namespace, &name, &container.name).await?;
        let right = environment == files
            && environment.keys().eq(expected.keys())
            // A partition gets its UUID when it is made.
            && expected.iter().all(|(device, uuid)| uuid.is_none() || environment.get(device) == uuid.as_ref());
        if !right {
            return Err(ClusterError::Answer {
                what: format!("{name}/{} should see {expected:?}", container.name),
                answer: format!("environment {environment:?}, files {files:?}"),
            });
        }
        all.insert(container.name, environment);
    }
    Ok(all)
}

/// What nodes hold for claims: CDI files and what drivers remember, each with its path.
#[must_use]
pub fn held_on_nodes(cluster: &Cluster) -> Vec<PathBuf> {
    let folders = cluster
        .nodes()
        .iter()
        .flat_map(|node| [node.cdi(), node.plugins().join(DRIVER).join("claims")]);
    folders
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .collect()
}
