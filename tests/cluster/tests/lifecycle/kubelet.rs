//! The kubelet ends and comes back, as it does in every upgrade, while pods run.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use supercargo_cluster::devices::{SOON, containers_see_their_devices, manifest, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Driver, supercargo, until_object};

use crate::options;

/// The containers of a pod, by the runtime's own names, and how often each was started again.
fn containers(pod: &Pod) -> Vec<(Option<String>, i32)> {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default().into_iter();
    containers
        .map(|container| (container.container_id, container.restart_count))
        .collect()
}

pub(crate) async fn running_pods_outlive_the_kubelet_which_finds_the_driver_again(
    bed: &Bed,
) -> Outcome {
    let (program, options) = (supercargo()?, options(bed).await?);
    let node = &bed.nodes()[0];
    let driver = Driver::start(bed, node, &program, &options)?;
    driver.ready().await?;
    let namespace = bed.fresh_namespace().await?;
    let one_gpu = manifest("one-gpu")?;
    let another = |name: &str| one_gpu.replace("one-gpu", name);
    for name in ["stays", "goes"] {
        bed.kubectl().apply(&namespace, &another(name)).await?;
        running(bed, &namespace, name).await?;
    }
    let stays = running(bed, &namespace, "stays").await?;
    let seen = containers_see_their_devices(bed, &namespace, &stays).await?;

    bed.restart_kubelet(node).await?;
    // A pod that comes now is prepared, so the driver is registered again.
    bed.kubectl().apply(&namespace, &another("comes")).await?;
    let comes = running(bed, &namespace, "comes").await?;
    let of_others = containers_see_their_devices(bed, &namespace, &comes).await?;
    assert_ne!(of_others, seen);
    // What was prepared for the kubelet before is taken back by the one now.
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    pods.delete("goes", &DeleteParams::default()).await?;
    until_object(&pods, "goes", SOON, "the pod is gone", |pod| {
        pod.is_none().then_some(())
    })
    .await?;
    let still = running(bed, &namespace, "stays").await?;
    assert_eq!(containers(&still), containers(&stays));
    let sees = containers_see_their_devices(bed, &namespace, &still).await?;
    assert_eq!(sees, seen);
    driver.process().must_run()?;
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
