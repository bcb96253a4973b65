//! Hardware that falls ill and recovers, as users and the scheduler see it.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{DeviceTaint, ResourceSlice};
use kube::Api;
use supercargo_cluster::devices::{SOON, claim_of, given, hardware, manifest, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{
    ClusterError, Driver, DriverOptions, Options, supercargo, tests, until_object, until_objects,
};

tests! {
    Options::nodes(1).feature_gate("ResourceHealthStatus", true);
    an_ill_device_is_tainted_and_shown_in_the_pod_and_recovers,
}

/// Waits until the taints of a device please.
async fn tainted(
    bed: &Bed,
    device: &str,
    what: &str,
    accept: impl Fn(&[DeviceTaint]) -> bool,
) -> Result<Vec<DeviceTaint>, ClusterError> {
    let api: Api<ResourceSlice> = Api::all(bed.client());
    until_objects(&api, SOON, what, |slices| {
        let devices = slices
            .iter()
            .flat_map(|slice| slice.spec.devices.iter().flatten());
        let mut devices = devices.filter(|each| each.name == device);
        let taints = devices.next()?.taints.clone().unwrap_or_default();
        accept(&taints).then_some(taints)
    })
    .await
}

/// Waits until the pod's status says so of its device.
async fn shown(bed: &Bed, namespace: &str, pod: &str, health: &str) -> Result<(), ClusterError> {
    let api: Api<Pod> = Api::namespaced(bed.client(), namespace);
    until_object(
        &api,
        pod,
        SOON,
        &format!("the pod's device is {health}"),
        |pod| {
            let containers = pod?.status.as_ref()?.container_statuses.as_ref()?;
            let resources = containers
                .iter()
                .flat_map(|it| it.allocated_resources_status.iter().flatten());
            let mut said = resources.flat_map(|it| it.resources.iter().flatten());
            said.any(|each| each.health.as_deref() == Some(health))
                .then_some(())
        },
    )
    .await
}

/// Writes a file in place of another, whole.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

async fn an_ill_device_is_tainted_and_shown_in_the_pod_and_recovers(bed: &Bed) -> Outcome {
    let node = &bed.nodes()[0];
    let options = DriverOptions {
        topology: hardware("h100-nvlink", node)?,
        ..DriverOptions::default()
    };
    let driver = Driver::start(bed, node, &supercargo()?, &options)?;
    driver.ready().await?;
    bed.kubectl()
        .apply("default", &manifest("device-class")?)
        .await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    let pod = running(bed, &namespace, "one-gpu").await?;
    let claim = claim_of(&pod, "gpu")?;
    let [(_, device)] = &given(bed, &namespace, &claim, None).await?[..] else {
        return Err("the claim has not one device".into());
    };
    shown(bed, &namespace, "one-gpu", "Healthy").await?;

    let health = driver.data().join("simulated").join(device).join("health");
    let before = fs::read_to_string(&health)?;
    put(&health, "ecc 2")?;
    let taints = tainted(bed, device, "the device is tainted", |taints| {
        !taints.is_empty()
    })
    .await?;
    assert_eq!(taints[0].effect, "NoSchedule", "{taints:?}");
    shown(bed, &namespace, "one-gpu", "Unhealthy").await?;

    put(&health, &before)?;
    tainted(bed, device, "the device is free of taints", <[_]>::is_empty).await?;
    shown(bed, &namespace, "one-gpu", "Healthy").await?;
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
