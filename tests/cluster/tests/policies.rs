//! Policies that set devices up, on a node with whole GPUs and a node with partitions.
//!
//! The drivers reach the API server as their DaemonSet would, with the rights of `examples/node` and no
//! more.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{AllocatedDeviceStatus, ResourceClaim};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use supercargo_cluster::devices::{
    SOON, claim_of, containers_see_their_devices, given, hardware, manifest, running,
};
use supercargo_cluster::events::{said, told};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{
    ClusterError, Driver, DriverOptions, Options, build_policy, rights, supercargo, tests, until,
    until_object,
};
use tokio::sync::{Mutex, OnceCell};

tests! {
    Options::nodes(2);
    parameters_set_a_time_slice_and_the_end_of_the_claim_sets_it_back,
    bad_parameters_are_told_with_their_field,
    a_plan_outside_its_grants_runs_nothing_and_names_the_grant,
    a_partition_is_made_for_a_pod_and_removed_after_it,
    a_crash_while_a_partition_is_made_is_healed,
    a_crash_while_a_partition_is_removed_is_healed,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The node with whole GPUs.
const WHOLE: usize = 0;
/// The node whose GPUs are announced in parts.
const PARTS: usize = 1;

const CONFIGURATION: &str = "
apiVersion: supercargo.dev/v1alpha1
kind: Configuration
policies:
- name: time-slicing
  wasm: time-slicing.wasm
  grants:
  - devices: {attributes: {type: gpu}}
    setComputeMode: [shared]
    setTimeSlice: [driverDefault, short, medium, long]
- name: short-turns
  wasm: time-slicing.wasm
  grants:
  - devices: {attributes: {type: gpu}}
    setComputeMode: [shared]
    setTimeSlice: [short]
- name: mig-partitions
  wasm: mig-partitions.wasm
  grants:
  - devices: {attributes: {type: mig}}
    setMigMode: [true]
    createGpuInstance: ['1g.*', '2g.*', '3g.*']
    createComputeInstance: ['1g.*', '2g.*', '3g.*']
rules:
- policy: short-turns
  deviceClasses: [gpu.nvidia.com]
  claimLabels: {turns: short}
- policy: time-slicing
  deviceClasses: [gpu.nvidia.com]
- policy: mig-partitions
  deviceClasses: [mig.nvidia.com]
";

/// The drivers, and how they are started: a test may end one and start it again.
struct Site {
    program: PathBuf,
    options: [DriverOptions; 2],
    drivers: Mutex<[Option<Driver>; 2]>,
}

impl Site {
    async fn of(bed: &Bed) -> Result<&'static Self, Failure> {
        static SITE: OnceCell<Site> = OnceCell::const_new();
        SITE.get_or_try_init(|| Self::start(bed)).await
    }

    async fn start(bed: &Bed) -> Result<Self, Failure> {
        let program = supercargo()?;
        let policies = bed.folder().join("policies");
        fs::create_dir_all(&policies)?;
        for name in ["time-slicing", "mig-partitions"] {
            build_policy(&program, name, &policies)?;
        }
        let config = policies.join("config.yaml");
        fs::write(&config, CONFIGURATION)?;
        let options = async |topology, node| -> Result<DriverOptions, Failure> {
            let node = &bed.nodes()[node];
            Ok(DriverOptions {
                topology: hardware(topology, node)?,
                config: Some(config.clone()),
                policy_dir: Some(policies.clone()),
                kubeconfig: Some(rights(bed, node).await?),
                ..DriverOptions::default()
            })
        };
        let site = Self {
            options: [
                options("h100-nvlink", WHOLE).await?,
                options("a100-mig", PARTS).await?,
            ],
            program,
            drivers: Mutex::new([None, None]),
        };
        for node in [WHOLE, PARTS] {
            site.restart(bed, node, &[]).await?;
        }
        bed.kubectl()
            .apply("default", &manifest("device-class")?)
            .await?;
        Ok(site)
    }

    /// Kills the driver of a node, if it runs, and starts it with some environment.
    async fn restart(&self, bed: &Bed, node: usize, environment: &[(&str, &str)]) -> Outcome {
        let mut drivers = self.drivers.lock().await;
        drivers[node] = None;
        let mut options = self.options[node].clone();
        let environment = environment.iter();
        options.environment = environment
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let driver = Driver::start(bed, &bed.nodes()[node], &self.program, &options)?;
        driver.ready().await?;
        drivers[node] = Some(driver);
        Ok(())
    }

    /// Waits until the kubelet has asked twice for what the driver of a node refuses for a reason.
    async fn refused_again(&self, node: usize, reason: &str) -> Result<(), ClusterError> {
        let drivers = self.drivers.lock().await;
        let operations = "supercargo_claim_operations_total";
        until(SOON, "the kubelet asked again", async || {
            let Some(driver) = &drivers[node] else {
                return Ok(None);
            };
            let metrics = driver.metrics().await?;
            let mut refused = metrics
                .lines()
                .filter(|line| line.starts_with(operations) && line.contains(reason));
            let count = refused.next().and_then(|line| line.rsplit_once(' '));
            Ok((count.is_some_and(|(_, count)| count != "1")).then_some(()))
        })
        .await
    }

    /// Waits until the driver of a node has ended by itself.
    async fn died(&self, node: usize) -> Result<(), ClusterError> {
        let drivers = self.drivers.lock().await;
        until(SOON, "the driver died", async || match &drivers[node] {
            Some(driver) => Ok(driver.process().ended()?.map(drop)),
            None => Ok(Some(())),
        })
        .await
    }
}

/// A file of the simulated hardware of a node.
fn state(bed: &Bed, node: usize, file: &str) -> PathBuf {
    let data = bed.nodes()[node].plugins().join("gpu.nvidia.com");
    data.join("simulated").join(file)
}

fn read(bed: &Bed, node: usize, file: &str) -> std::io::Result<String> {
    Ok(fs::read_to_string(state(bed, node, file))?
        .trim()
        .to_owned())
}

async fn device_of(bed: &Bed, namespace: &str, pod: &Pod, entry: &str) -> Result<String, Failure> {
    let claim = claim_of(pod, entry)?;
    let given = given(bed, namespace, &claim, None).await?;
    Ok(given.into_iter().next().ok_or("the claim has no device")?.1)
}

/// Waits for the one entry of `status.devices` to be `Ready`, or not, for a reason.
async fn device_status(
    bed: &Bed,
    namespace: &str,
    claim: &str,
    reason: &str,
) -> Result<AllocatedDeviceStatus, ClusterError> {
    let api: Api<ResourceClaim> = Api::namespaced(bed.client(), namespace);
    let what = format!("status.devices says {reason}");
    until_object(&api, claim, SOON, &what, |claim| {
        let [device] = &claim?.status.as_ref()?.devices.as_ref()?[..] else {
            return None;
        };
        let [condition] = &device.conditions.as_ref()?[..] else {
            return None;
        };
        let said = (condition.type_.as_str(), condition.reason.as_str());
        (said == ("Ready", reason)).then(|| device.clone())
    })
    .await
}

async fn parameters_set_a_time_slice_and_the_end_of_the_claim_sets_it_back(bed: &Bed) -> Outcome {
    Site::of(bed).await?;
    let before = read(bed, WHOLE, "gpu-0/time-slice")?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("time-slicing")?)
        .await?;
    let pod = running(bed, &namespace, "long-turns").await?;
    containers_see_their_devices(bed, &namespace, &pod).await?;
    let device = device_of(bed, &namespace, &pod, "shared").await?;
    assert_eq!(read(bed, WHOLE, &format!("{device}/time-slice"))?, "long");
    let claim = claim_of(&pod, "shared")?;
    let status = device_status(bed, &namespace, &claim, "Prepared").await?;
    assert_eq!(
        (status.pool, status.device),
        ("node-1".to_owned(), device.clone())
    );
    let data = status.data.map(|data| data.0);
    assert_eq!(data, Some(json!({"timeSlice": "Long"})));
    for container in ["first", "second"] {
        let file = format!("/var/run/supercargo/devices/{device}/time-slice");
        let (kubectl, print) = (bed.kubectl(), ["cat", &file]);
        let inside = kubectl.exec(&namespace, "long-turns", container, &print);
        assert_eq!(inside.await?.trim(), "long");
    }
    bed.nothing_stays(&namespace).await?;
    assert_eq!(read(bed, WHOLE, &format!("{device}/time-slice"))?, before);
    Ok(())
}

async fn bad_parameters_are_told_with_their_field(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let manifest = manifest("time-slicing")?.replace("interval: Long", "interval: Endless");
    bed.kubectl().apply(&namespace, &manifest).await?;
    let words = ["sharing.timeSlicingConfig.interval", "Short, Medium, Long"];
    told(bed, &namespace, "Pod", "InvalidParameters", &words).await?;
    told(
        bed,
        &namespace,
        "ResourceClaim",
        "InvalidParameters",
        &words,
    )
    .await?;
    // The kubelet asks again and again; each of the two is told once.
    site.refused_again(WHOLE, "InvalidParameters").await?;
    let messages = said(bed, &namespace, "InvalidParameters").await?;
    assert_eq!(messages.len(), 2, "{messages:?}");
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    let pod = pods.get("long-turns").await?;
    let claim = claim_of(&pod, "shared")?;
    device_status(bed, &namespace, &claim, "InvalidParameters").await?;
    for gpu in 0..8 {
        assert_ne!(read(bed, WHOLE, &format!("gpu-{gpu}/time-slice"))?, "long");
    }
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn a_plan_outside_its_grants_runs_nothing_and_names_the_grant(bed: &Bed) -> Outcome {
    Site::of(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let labelled =
        "  name: long-turns\nspec:\n  metadata: {labels: {turns: short}}\n  spec:\n    devices";
    let plain = "  name: long-turns\nspec:\n  spec:\n    devices";
    let manifest = manifest("time-slicing")?;
    assert!(manifest.contains(plain));
    let manifest = manifest.replace(plain, labelled);
    bed.kubectl().apply(&namespace, &manifest).await?;
    told(
        bed,
        &namespace,
        "Pod",
        "PlanNotGranted",
        &["short-turns", "setTimeSlice", "long"],
    )
    .await?;
    // The step before it was granted, and did not run either.
    for gpu in 0..8 {
        assert_ne!(read(bed, WHOLE, &format!("gpu-{gpu}/time-slice"))?, "long");
        assert!(!state(bed, WHOLE, &format!("settings/gpu-{gpu}.json")).exists());
    }
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

/// The GPU instances on the node with partitions.
fn instances(bed: &Bed) -> Vec<PathBuf> {
    let gpus = ["gpu-0", "gpu-1"].map(|gpu| state(bed, PARTS, &format!("{gpu}/mig")));
    gpus.iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .collect()
}

/// Holds the one partition that is there against what the pod of the manifest sees.
async fn the_pod_has_the_partition(bed: &Bed, namespace: &str) -> Outcome {
    let pod = running(bed, namespace, "partition").await?;
    let seen = containers_see_their_devices(bed, namespace, &pod).await?;
    let [instance] = &instances(bed)[..] else {
        return Err(format!("GPU instances: {:?}", instances(bed)).into());
    };
    let uuid = fs::read_to_string(instance.join("uuid"))?;
    let inside: Vec<_> = seen["main"].values().collect();
    assert_eq!(inside, [uuid.trim()]);
    assert_eq!(
        fs::read_to_string(instance.join("profile"))?.trim(),
        "3g.20gb"
    );
    assert_eq!(fs::read_dir(instance.join("compute-instances"))?.count(), 1);
    Ok(())
}

async fn a_partition_is_made_for_a_pod_and_removed_after_it(bed: &Bed) -> Outcome {
    Site::of(bed).await?;
    assert_eq!(instances(bed).len(), 0);
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("mig-partition")?)
        .await?;
    the_pod_has_the_partition(bed, &namespace).await?;
    bed.nothing_stays(&namespace).await?;
    assert_eq!(instances(bed).len(), 0);
    Ok(())
}

async fn a_crash_while_a_partition_is_made_is_healed(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    // Before the GPU instance is made, after it, and after all.
    for fault in ["step-before#2", "step-after#2", "prepared"] {
        site.restart(bed, PARTS, &[("SUPERCARGO_FAULT", fault)])
            .await?;
        let namespace = bed.fresh_namespace().await?;
        bed.kubectl()
            .apply(&namespace, &manifest("mig-partition")?)
            .await?;
        site.died(PARTS).await?;
        site.restart(bed, PARTS, &[]).await?;
        the_pod_has_the_partition(bed, &namespace).await?;
        bed.nothing_stays(&namespace).await?;
        assert_eq!(instances(bed).len(), 0, "{fault}");
    }
    Ok(())
}

async fn a_crash_while_a_partition_is_removed_is_healed(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    for fault in ["undo-before", "undo-after#2"] {
        site.restart(bed, PARTS, &[("SUPERCARGO_FAULT", fault)])
            .await?;
        let namespace = bed.fresh_namespace().await?;
        bed.kubectl()
            .apply(&namespace, &manifest("mig-partition")?)
            .await?;
        the_pod_has_the_partition(bed, &namespace).await?;
        let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
        pods.delete("partition", &DeleteParams::default()).await?;
        site.died(PARTS).await?;
        site.restart(bed, PARTS, &[]).await?;
        bed.nothing_stays(&namespace).await?;
        assert_eq!(instances(bed).len(), 0, "{fault}");
    }
    Ok(())
}
