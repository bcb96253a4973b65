//! The pods that people start with, on two nodes with eight simulated GPUs each: the containers see
//! the very devices that the scheduler gave to their claims.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::ListParams;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Driver, DriverOptions, Options, supercargo, tests, until_object};
use tokio::sync::OnceCell;

use supercargo_cluster::devices::{
    SOON, containers_see_their_devices, hardware, manifest, published, running,
};

tests! {
    Options::nodes(2);
    a_pod_gets_a_gpu_of_its_own_by_template,
    two_containers_share_one_claim,
    two_pods_share_one_claim,
    a_pod_with_a_missing_claim_waits_and_starts_when_the_claim_appears,
    a_pre_scheduled_pod_starts_with_a_claim_that_is_allocated_there,
    two_requests_agree_in_an_attribute,
    all_devices_of_a_node_go_to_one_pod,
    a_job_with_several_claims_completes,
}

/// A driver on every node, started once, and the class that pods name.
async fn drivers(bed: &Bed) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    static DRIVERS: OnceCell<Vec<Driver>> = OnceCell::const_new();
    let start = async || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let program = supercargo()?;
        let mut drivers = Vec::new();
        for node in bed.nodes() {
            let options = DriverOptions {
                topology: hardware("h100-nvlink", node)?,
                ..DriverOptions::default()
            };
            drivers.push(Driver::start(bed, node, &program, &options)?);
        }
        for driver in &drivers {
            driver.ready().await?;
        }
        bed.kubectl()
            .apply("default", &manifest("device-class")?)
            .await?;
        Ok(drivers)
    };
    DRIVERS.get_or_try_init(start).await?;
    Ok(())
}

async fn a_pod_gets_a_gpu_of_its_own_by_template(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    let pod = running(bed, &namespace, "one-gpu").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(seen["main"].len(), 1);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn two_containers_share_one_claim(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let manifest = manifest("two-containers-one-claim")?;
    bed.kubectl().apply(&namespace, &manifest).await?;
    let pod = running(bed, &namespace, "two-containers").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(seen["first"].len(), 1);
    assert_eq!(seen["first"], seen["second"]);
    assert!(seen["without"].is_empty());
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn two_pods_share_one_claim(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("two-pods-one-claim")?)
        .await?;
    let mut seen = Vec::new();
    for name in ["pod-1", "pod-2"] {
        let pod = running(bed, &namespace, name).await?;
        let devices = containers_see_their_devices(bed, &namespace, &pod).await?;
        seen.push((pod.spec.and_then(|spec| spec.node_name), devices));
    }
    assert_eq!(seen[0], seen[1]);
    // One pod goes, the other keeps the device.
    let api: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    api.delete("pod-1", &Default::default()).await?;
    until_object(&api, "pod-1", SOON, "pod-1 is gone", |pod| {
        pod.is_none().then_some(())
    })
    .await?;
    let pod = running(bed, &namespace, "pod-2").await?;
    assert_eq!(
        containers_see_their_devices(bed, &namespace, &pod).await?,
        seen[1].1
    );
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn a_pod_with_a_missing_claim_waits_and_starts_when_the_claim_appears(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("missing-claim")?)
        .await?;
    // The scheduler holds such a pod back and says nothing; a later one overtakes it.
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    running(bed, &namespace, "one-gpu").await?;
    let api: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    let waiting = api.get("waiting").await?.spec.unwrap_or_default();
    assert_eq!(waiting.node_name, None);

    bed.kubectl()
        .apply(&namespace, &manifest("missing-claim-arrives")?)
        .await?;
    let pod = running(bed, &namespace, "waiting").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(seen["main"].len(), 1);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn a_pre_scheduled_pod_starts_with_a_claim_that_is_allocated_there(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("pre-scheduled")?)
        .await?;
    let mut seen = Vec::new();
    for name in ["scheduled", "pre-scheduled"] {
        let pod = running(bed, &namespace, name).await?;
        assert_eq!(
            pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()),
            Some("node-1")
        );
        seen.push(containers_see_their_devices(bed, &namespace, &pod).await?);
    }
    assert_eq!(seen[0], seen[1]);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn two_requests_agree_in_an_attribute(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("same-numa-node")?)
        .await?;
    let pod = running(bed, &namespace, "same-numa-node").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(
        (seen["left"].len(), seen["right"].len(), seen["both"].len()),
        (1, 1, 2)
    );
    assert_ne!(seen["left"], seen["right"]);
    // The first four GPUs are of the other NUMA node.
    let upper = ["gpu-4", "gpu-5", "gpu-6", "gpu-7"];
    assert!(
        seen["both"]
            .keys()
            .all(|name| upper.contains(&name.as_str())),
        "{seen:?}"
    );
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn all_devices_of_a_node_go_to_one_pod(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("all-gpus")?)
        .await?;
    let pod = running(bed, &namespace, "all-gpus").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(seen["main"].len(), 8);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn a_job_with_several_claims_completes(bed: &Bed) -> Outcome {
    drivers(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl().apply(&namespace, &manifest("job")?).await?;
    let jobs: Api<Job> = Api::namespaced(bed.client(), &namespace);
    // The shared claim is only allocated while a pod uses it, so it is read on the way.
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    until_object(
        &claims,
        "job-shared",
        SOON,
        "the shared claim is allocated",
        |claim| claim?.status.as_ref()?.allocation.as_ref().map(drop),
    )
    .await?;
    until_object(&jobs, "job", SOON * 3, "the Job is complete", |job| {
        (job?.status.as_ref()?.succeeded == Some(4)).then_some(())
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    let uuids: BTreeSet<_> = published(bed).await?.into_values().flatten().collect();
    let mut pods_seen = 0;
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.metadata.name.unwrap_or_default();
        let mut devices = Vec::new();
        for container in ["separate", "shared-1", "shared-2"] {
            let said = bed.kubectl().logs(&namespace, &name, container).await?;
            let [line] = said.lines().collect::<Vec<_>>()[..] else {
                return Err(format!("{container} saw {said}").into());
            };
            let uuid = line
                .split_once('=')
                .map(|(_, uuid)| uuid.to_owned())
                .unwrap_or_default();
            assert!(uuids.contains(&uuid), "{uuid}");
            devices.push(uuid);
        }
        assert_ne!(devices[0], devices[1]);
        assert_eq!(devices[1], devices[2]);
        pods_seen += 1;
    }
    assert_eq!(pods_seen, 4);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
