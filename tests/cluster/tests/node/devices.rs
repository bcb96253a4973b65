//! What containers see of devices, held against what their claims were given.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::ListParams;
use supercargo_cluster::harness::{Bed, supercargo};
use supercargo_cluster::{ClusterError, DRIVER, Driver, DriverOptions, until, until_object};
use tokio::sync::OnceCell;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A file of the project's examples.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")).join(path)
}

pub(crate) fn manifest(name: &str) -> std::io::Result<String> {
    fs::read_to_string(example(&format!("manifests/node/{name}.yaml")))
}

/// Writes a topology for one node of several: the same hardware with other names.
pub(crate) fn topology(bed: &Bed, node: usize) -> std::io::Result<PathBuf> {
    let text = fs::read_to_string(example("topologies/h100-nvlink.yaml"))?;
    let path = bed.folder().join(format!("topology-{node}.yaml"));
    fs::write(&path, text.replace("uuid: GPU-", &format!("uuid: GPU-{node:02x}")))?;
    Ok(path)
}

static DRIVERS: OnceCell<Vec<Driver>> = OnceCell::const_new();

/// A driver on every node, started once, and the class that pods name.
pub(crate) async fn drivers(bed: &Bed) -> Result<&'static [Driver], Failure> {
    let start = async || -> Result<Vec<Driver>, Failure> {
        let program = supercargo()?;
        let mut drivers = Vec::new();
        for (number, node) in bed.nodes().iter().enumerate() {
            let options = DriverOptions {
                topology: topology(bed, number)?,
                ..DriverOptions::default()
            };
            drivers.push(Driver::start(bed, node, &program, &options)?);
        }
        for driver in &drivers {
            driver.ready().await?;
        }
        let class = manifest("device-class")?;
        bed.kubectl().apply("default", &class).await?;
        Ok(drivers)
    };
    Ok(DRIVERS.get_or_try_init(start).await?)
}

pub(crate) async fn running(bed: &Bed, namespace: &str, name: &str) -> Result<Pod, ClusterError> {
    let api: Api<Pod> = Api::namespaced(bed.client(), namespace);
    until_object(&api, name, SOON, &format!("pod {name} runs"), |pod| {
        let pod = pod?;
        (pod.status.as_ref()?.phase.as_deref() == Some("Running")).then(|| pod.clone())
    })
    .await
}

/// Devices by name, each with its UUID.
pub(crate) type Devices = BTreeMap<String, String>;

/// What every node publishes: pool and device, and the device's UUID.
pub(crate) async fn published(bed: &Bed) -> Result<BTreeMap<(String, String), String>, Failure> {
    let api: Api<ResourceSlice> = Api::all(bed.client());
    let mut found = BTreeMap::new();
    for slice in api.list(&ListParams::default()).await? {
        for device in slice.spec.devices.unwrap_or_default() {
            let attributes = device.attributes.unwrap_or_default();
            let uuid = attributes.get("uuid").and_then(|value| value.string.clone());
            let uuid = uuid.ok_or_else(|| format!("{} has no uuid", device.name))?;
            found.insert((slice.spec.pool.name.clone(), device.name), uuid);
        }
    }
    Ok(found)
}

/// What a claim was given, for one of its requests or for all.
pub(crate) async fn given(
    bed: &Bed,
    namespace: &str,
    claim: &str,
    request: Option<&str>,
) -> Result<Devices, Failure> {
    let api: Api<ResourceClaim> = Api::namespaced(bed.client(), namespace);
    let status = api.get(claim).await?.status.unwrap_or_default();
    let allocation = status.allocation.ok_or("the claim is not allocated")?;
    let results = allocation.devices.unwrap_or_default().results.unwrap_or_default();
    let published = published(bed).await?;
    let mut devices = Devices::new();
    for result in results {
        assert_eq!(result.driver, DRIVER);
        let part = result.request.split('/').next();
        if request.is_none() || request == part {
            let uuid = &published[&(result.pool, result.device.clone())];
            devices.insert(result.device, uuid.clone());
        }
    }
    Ok(devices)
}

/// The claim behind an entry of a pod's `spec.resourceClaims`.
pub(crate) fn claim_of(pod: &Pod, entry: &str) -> Result<String, Failure> {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let made = status.resource_claim_statuses.unwrap_or_default().into_iter();
    let made = made.filter(|made| made.name == entry).find_map(|made| made.resource_claim_name);
    let named = spec.resource_claims.unwrap_or_default().into_iter();
    let named = named.filter(|named| named.name == entry).find_map(|named| named.resource_claim_name);
    made.or(named).ok_or_else(|| format!("no claim for {entry}").into())
}

/// What a container sees: by its environment, and by the files that are mounted.
async fn seen(
    bed: &Bed,
    namespace: &str,
    pod: &str,
    container: &str,
) -> Result<(Devices, Devices), Failure> {
    let script = r#"env | grep ^SUPERCARGO_DEVICE_
for folder in /var/run/supercargo/devices/*; do
  [ -d "$folder" ] && echo "$folder=$(cat "$folder/uuid")"
done
true"#;
    let kubectl = bed.kubectl();
    let said = kubectl.exec(namespace, pod, container, &["sh", "-c", script]).await?;
    let pairs = |prefix: &str| {
        let lines = said.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once('='));
        lines
            .map(|(name, uuid)| (name.to_ascii_lowercase().replace('_', "-"), uuid.to_owned()))
            .collect()
    };
    Ok((pairs("SUPERCARGO_DEVICE_"), pairs("/var/run/supercargo/devices/")))
}

/// Holds every container of a running pod to it: it sees the devices that its claims were given, the
/// very ones, and no other. Answers them by container.
pub(crate) async fn containers_see_their_devices(
    bed: &Bed,
    namespace: &str,
    pod: &Pod,
) -> Result<BTreeMap<String, Devices>, Failure> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let mut all = BTreeMap::new();
    for container in pod.spec.clone().unwrap_or_default().containers {
        let claims = container.resources.unwrap_or_default().claims.unwrap_or_default();
        let mut expected = Devices::new();
        for entry in claims {
            let claim = claim_of(pod, &entry.name)?;
            expected.extend(given(bed, namespace, &claim, entry.request.as_deref()).await?);
        }
        let (environment, files) = seen(bed, namespace, &name, &container.name).await?;
        assert_eq!(environment, expected, "environment of {name}/{}", container.name);
        assert_eq!(files, expected, "files of {name}/{}", container.name);
        all.insert(container.name, expected);
    }
    Ok(all)
}

/// CDI files on any node, by name.
pub(crate) fn cdi_files(bed: &Bed) -> Vec<String> {
    let folders = bed.nodes().iter().map(|node| node.cdi());
    folders
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Ends a test: its pods and claims go, and with them all that was made for them.
pub(crate) async fn nothing_stays(bed: &Bed, namespace: &str) -> Result<(), Failure> {
    bed.delete_namespace(namespace).await?;
    until(SOON, "no CDI file is left", async || {
        Ok(cdi_files(bed).is_empty().then_some(()))
    })
    .await?;
    Ok(())
}
