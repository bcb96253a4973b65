//! Extended resources that a class stands for.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use supercargo_cluster::devices::{containers_see_their_devices, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, SOON, apply, bound, clear, delete, load_nodes, wrongs};
use supercargo_cluster::{DRIVER, Extender, until, until_object, until_objects};

use crate::site;

/// A class for all devices of a driver, that stands for an extended resource.
fn class(name: &str, driver: &str, resource: &str) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name},
        "spec": {"extendedResourceName": resource,
            "selectors": [{"cel": {"expression": format!("device.driver == '{driver}'")}}]}})
}

fn container(name: &str, resource: &str, count: usize) -> Value {
    let amounts = json!({"cpu": "10m", resource: count.to_string()});
    json!({"name": name, "image": "busybox:1.36", "command": ["sleep", "1000000"],
        "resources": {"requests": amounts, "limits": amounts}})
}

fn pod(name: &str, containers: &[Value], more: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}], "containers": containers}});
    for (field, value) in more.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

/// On this node and no other.
fn on(node: &str) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}})
}

pub(crate) async fn a_pod_that_asks_for_an_extended_resource_gets_devices_by_its_class(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let mut init = container("init", "example.com/gpu", 1);
    init["command"] = json!(["true"]);
    let containers = [
        container("old-way", "example.com/gpu", 2),
        container("implicit", "deviceclass.resource.kubernetes.io/gpus", 1),
        json!({"name": "none", "image": "busybox:1.36", "command": ["sleep", "1000000"]}),
    ];
    let more = json!({"initContainers": [init]});
    let objects = [
        class("gpus", DRIVER, "example.com/gpu"),
        pod("p", &containers, &more),
    ];
    apply(bed, &namespace, &objects).await?;
    let p = running(bed, &namespace, "p").await?;
    let seen = containers_see_their_devices(bed, &namespace, &p).await?;
    let counts: Vec<(&str, usize)> = seen.iter().map(|(name, it)| (&**name, it.len())).collect();
    assert_eq!(counts, [("implicit", 1), ("none", 0), ("old-way", 2)]);

    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    let claims = claims.list(&ListParams::default()).await?.items;
    assert_eq!(claims.len(), 1);
    let claim = serde_json::to_value(&claims[0])?;
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    assert!(name.starts_with("p-extended-resources-"), "{name}");
    assert_eq!(
        claim["metadata"]["annotations"]["resource.kubernetes.io/extended-resource-claim"],
        "true"
    );
    let owner = &claim["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], json!(p.metadata.uid));
    assert_eq!(owner["controller"], true);
    let asked = &claim["spec"]["devices"]["requests"];
    let names = [&asked[0]["name"], &asked[1]["name"]];
    assert_eq!(names, ["container-1-request-1", "container-2-request-1"]);
    assert_eq!(
        claim["status"]["reservedFor"][0]["uid"],
        json!(p.metadata.uid)
    );
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

pub(crate) async fn a_node_that_offers_the_resource_itself_is_left_to_its_device_plugin(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "plugin", 2, 2).await?;
    // As the kubelet does for a device plugin.
    let nodes: Api<Node> = Api::all(bed.client());
    let offer = json!({"example.com/load": "1"});
    let status = json!({"status": {"capacity": offer, "allocatable": offer}});
    let parameters = PatchParams::default();
    nodes
        .patch_status("plugin-0", &parameters, &Patch::Merge(&status))
        .await?;
    apply(bed, &namespace, &[class("loads", LOAD, "example.com/load")]).await?;
    let one = [container("main", "example.com/load", 1)];
    let two = [container("main", "example.com/load", 2)];
    let objects = [
        pod("by-plugin", &one, &on("plugin-0")),
        pod("by-class", &two, &on("plugin-1")),
    ];
    apply(bed, &namespace, &objects).await?;
    for pod in bound(bed, &namespace, 2).await? {
        let status = pod.status.unwrap_or_default();
        let has_claim = status.extended_resource_claim_status.is_some();
        assert_eq!(has_claim, pod.metadata.name.as_deref() == Some("by-class"));
    }
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    assert_eq!(claims.list(&ListParams::default()).await?.items.len(), 1);
    // What the plugin has is counted by the scheduler itself, and no device of a class stands in for it.
    apply(bed, &namespace, &[pod("too-much", &one, &on("plugin-0"))]).await?;
    until(SOON, "the scheduler says why", async || {
        let said = supercargo_cluster::owning::events(bed, &namespace, "too-much").await?;
        Ok(said.contains("Insufficient example.com/load").then_some(()))
    })
    .await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "plugin").await
}

pub(crate) async fn a_crash_between_any_two_steps_for_an_extended_resource_is_healed(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    site.guard(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "half", 1, 2).await?;
    apply(bed, &namespace, &[class("loads", LOAD, "example.com/load")]).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    let two = [container("main", "example.com/load", 2)];
    for place in ["made", "allocated", "reserved", "named", "bound"] {
        let mut options = site.owning();
        options.environment = vec![("SUPERCARGO_FAULT".to_owned(), place.to_owned())];
        let doomed = Extender::start(bed, &site.program, &options)?;
        doomed.ready().await?;
        let name = format!("at-{place}");
        apply(bed, &namespace, &[pod(&name, &two, &Value::Null)]).await?;
        doomed.process().wait(SOON)?;
        drop(doomed);
        let next = site.own(bed).await?;
        until_object(&pods, &name, SOON, &format!("{name} is bound"), |pod| {
            pod?.spec.as_ref()?.node_name.as_ref().map(drop)
        })
        .await?;
        until_objects(&claims, SOON, "one claim is left", |claims| {
            (claims.len() == 1).then_some(())
        })
        .await?;
        let named = pods.get(&name).await?.status.unwrap_or_default();
        let named = named.extended_resource_claim_status;
        let there = claims.list(&ListParams::default()).await?.items;
        assert_eq!(
            named.map(|named| named.resource_claim_name),
            there[0].metadata.name,
            "after {place}"
        );
        assert_eq!(wrongs(bed).await?, Vec::<String>::new(), "after {place}");
        delete(bed, &namespace, &name).await?;
        until_objects(&claims, SOON, "the claim is gone", |claims| {
            claims.is_empty().then_some(())
        })
        .await?;
        drop(next);
    }
    // A pod that never comes back: its claim is deleted.
    let mut options = site.owning();
    options.environment = vec![("SUPERCARGO_FAULT".to_owned(), "named".to_owned())];
    let doomed = Extender::start(bed, &site.program, &options)?;
    doomed.ready().await?;
    let there = json!({"nodeSelector": {"load": "half"}});
    apply(bed, &namespace, &[pod("gone", &two, &there)]).await?;
    doomed.process().wait(SOON)?;
    drop(doomed);
    let labels = ["label", "node", "half-0", "load=over", "--overwrite"];
    bed.kubectl().run(&labels).await?;
    let _next = site.own(bed).await?;
    until_objects(&claims, SOON, "the claim is deleted", |claims| {
        claims.is_empty().then_some(())
    })
    .await?;
    until_object(&pods, "gone", SOON, "its pod no longer names it", |pod| {
        let status = pod?.status.as_ref()?;
        status
            .extended_resource_claim_status
            .is_none()
            .then_some(())
    })
    .await?;
    clear(bed, &namespace, "over").await
}
