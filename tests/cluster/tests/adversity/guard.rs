//! The guard is taken away, and what the manifests allow.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rustix::process::Signal;
use serde_json::{Value, json};
use supercargo_cluster::events::told;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, SOON, apply, bound, clear, events, load_nodes, pod};
use supercargo_cluster::{Extender, until, until_object, until_objects};

use crate::audit::{Right, given, requests};
use crate::certificates::flags;
use crate::scene::Scene;
use crate::service::Service;
use crate::{Failure, nothing_is_wrong};

/// Nobody enforces the guard any more.
async fn unguard(bed: &Bed) -> Outcome {
    let binding = "validatingadmissionpolicybinding/supercargo-allocates";
    bed.kubectl().run(&["delete", binding]).await?;
    Ok(())
}

async fn not_ready(extender: &Extender) -> Result<(), Failure> {
    until(SOON, "it is not ready", async || {
        extender.process().must_run()?;
        Ok((!extender.is_ready().await).then_some(()))
    })
    .await?;
    Ok(())
}

pub(crate) async fn owning_stops_without_the_guard_and_goes_on_with_it(bed: &Bed) -> Outcome {
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    let extender = scene.https(bed, 0, &[]).await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &Value::Null)?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "guard", 1, 2).await?;
    apply(bed, &namespace, &pod("before", "load", 1, &Value::Null)).await?;
    bound(bed, &namespace, 1).await?;

    unguard(bed).await?;
    not_ready(&extender).await?;
    assert!(!extender.leads().await?);
    let why = "no ValidatingAdmissionPolicyBinding enforces it everywhere";
    told(
        bed,
        "supercargo",
        "Lease",
        "NotGuarded",
        &["owning stops", why],
    )
    .await?;
    let log = fs::read_to_string(extender.process().log())?;
    assert!(
        log.contains("owning stops until the guard is back") && log.contains(why),
        "{log}"
    );
    apply(bed, &namespace, &pod("during", "load", 1, &Value::Null)).await?;
    until(SOON, "the pod says why", async || {
        // Behind a Service that leads to ready replicas only, nobody answers at all.
        let said = events(bed, &namespace, "during").await?;
        Ok((!said.is_empty()).then_some(()))
    })
    .await?;

    scene.site.guard(bed).await?;
    bound(bed, &namespace, 2).await?;
    assert!(extender.is_ready().await && extender.leads().await?);
    told(bed, "supercargo", "Lease", "Guarded", &["owning goes on"]).await?;
    nothing_is_wrong(bed).await?;
    clear(bed, &namespace, "guard").await
}

pub(crate) async fn the_manifests_give_the_rights_that_are_used(bed: &Bed) -> Outcome {
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    // It stops when it has written the finalizer of the first claim, not for so long that it loses the Lease.
    let fault = ("SUPERCARGO_FAULT", "stop:finalizer");
    let extender = scene
        .replica(bed, 0, 20, &flags(&scene.tls), &[fault])
        .await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &Value::Null)?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "rights", 1, 1).await?;
    apply(bed, &namespace, &pod("p", "load", 1, &Value::Null)).await?;
    // Meanwhile somebody else changes the claim, so it has to be read again.
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    let claim = until_objects(&claims, SOON, "the claim has its finalizer", |claims| {
        let is_protected = |claim: &&ResourceClaim| claim.metadata.finalizers.is_some();
        claims.iter().find(is_protected)?.metadata.name.clone()
    })
    .await?;
    let label = Patch::Merge(json!({"metadata": {"labels": {"seen": "yes"}}}));
    claims
        .patch(&claim, &PatchParams::default(), &label)
        .await?;
    extender.process().signal(Signal::CONT)?;
    bound(bed, &namespace, 1).await?;
    // It gives way to a more important pod, which asks by the name of a resource.
    let important = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "important"}, "value": 1000});
    let class = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass",
        "metadata": {"name": "by-name"}, "spec": {"extendedResourceName": "example.com/load",
            "selectors": [{"cel": {"expression": format!("device.driver == '{LOAD}'")}}]}});
    let one = json!({"example.com/load": "1"});
    let urgent = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "urgent"}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0,
        "priorityClassName": "important", "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "main", "image": "busybox:1.36",
            "resources": {"requests": one, "limits": one}}]}});
    apply(bed, &namespace, &[important, class, urgent]).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    until_object(&pods, "urgent", SOON, "urgent is bound", |pod| {
        pod?.spec.as_ref()?.node_name.as_ref().map(drop)
    })
    .await?;
    assert!(pods.get_opt("p").await?.is_none());
    // A pod without claims is read before it is bound.
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1000000"]}]}});
    apply(bed, &namespace, &[plain]).await?;
    bound(bed, &namespace, 2).await?;
    // Said twice, an Event is counted.
    for _ in 0..2 {
        unguard(bed).await?;
        not_ready(&extender).await?;
        scene.site.guard(bed).await?;
        extender.ready().await?;
    }

    let requests = requests(bed)?;
    let refused: Vec<_> = requests.iter().filter(|it| it.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let used: BTreeSet<Right> = requests.into_iter().map(|it| it.right).collect();
    let mut given = given(bed, "own").await?;
    // Not asked for, but demanded by the API server of whoever writes an allocation.
    let demanded = ["resource.k8s.io", "resourceclaims/binding", "patch"].map(str::to_owned);
    assert!(given.remove(&demanded.into()));
    // For when an attempt fails that has made a claim (scheduler_rules).
    let failed = ["resource.k8s.io", "resourceclaims", "delete"].map(str::to_owned);
    assert!(given.remove(&failed.into()));
    assert_eq!(given, used);
    clear(bed, &namespace, "rights").await
}
