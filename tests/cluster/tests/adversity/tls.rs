//! HTTPS with client certificates, as the kube-scheduler itself speaks it.

use serde_json::Value;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{SOON, apply, bound, clear, events, load_nodes, pod};
use supercargo_cluster::until;

use crate::Failure;
use crate::certificates::{Authority, flags};
use crate::scene::{LEASE, Scene};
use crate::service::Service;

/// Waits until the events of a pod say something.
async fn says(bed: &Bed, namespace: &str, pod: &str, what: &str) -> Result<(), Failure> {
    let waits = format!("the events of {pod} say {what:?}");
    until(SOON, &waits, async || {
        let said = events(bed, namespace, pod).await?;
        Ok(said.contains(what).then_some(()))
    })
    .await?;
    Ok(())
}

pub(crate) async fn only_a_scheduler_with_a_certificate_of_the_authority_is_answered(
    bed: &Bed,
) -> Outcome {
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    let extender = scene.https(bed, 0, &[]).await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "tls", 1, 1).await?;
    apply(bed, &namespace, &pod("p", "load", 1, &Value::Null)).await?;
    let stranger = Authority::new()?;
    let strange = stranger.issue(&bed.folder().join("stranger"), &[&scene.authority])?;
    let scheduler =
        scene.kube_scheduler(bed, "own", service.address, Some(&strange), &Value::Null)?;
    says(bed, &namespace, "p", "tls: ").await?;
    let metrics = extender.metrics().await?;
    assert!(!metrics.contains("verb=\"filter\""), "{metrics}");
    scheduler.kill()?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &Value::Null)?;
    bound(bed, &namespace, 1).await?;
    clear(bed, &namespace, "tls").await
}

pub(crate) async fn a_renewed_certificate_serves_without_a_restart(bed: &Bed) -> Outcome {
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    let next = Authority::new()?;
    let serves = bed.folder().join("serves");
    scene.authority.issue(&serves, &[&scene.authority])?;
    let extender = scene.replica(bed, 0, LEASE, &flags(&serves), &[]).await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "renew", 1, 1).await?;
    apply(bed, &namespace, &pod("p", "load", 1, &Value::Null)).await?;
    // A scheduler that knows the next authority only, in both directions.
    let asks = next.issue(&bed.folder().join("asks"), &[&next])?;
    let _scheduler =
        scene.kube_scheduler(bed, "own", service.address, Some(&asks), &Value::Null)?;
    says(
        bed,
        &namespace,
        "p",
        "certificate signed by unknown authority",
    )
    .await?;
    next.issue(&serves, &[&next])?;
    bound(bed, &namespace, 1).await?;
    extender.process().must_run()?;
    clear(bed, &namespace, "renew").await
}
