//! Rules about claims: when they are ready, who may have them, and how many.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{
    LOAD, SOON, apply, bound, clear, delete, events, load_nodes, pod, wrongs,
};
use supercargo_cluster::{ClusterError, until, until_object, until_objects};

use crate::site;

/// Waits until the events of a pod say something.
async fn says(bed: &Bed, namespace: &str, pod: &str, what: &str) -> Result<(), ClusterError> {
    until(SOON, &format!("{pod} says {what:?}"), async || {
        let said = events(bed, namespace, pod).await?;
        Ok(said.contains(what).then_some(()))
    })
    .await
}

pub(crate) async fn is_bound(bed: &Bed, namespace: &str, name: &str) -> Result<Pod, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    until_object(&pods, name, SOON, &format!("{name} is bound"), |pod| {
        let pod = pod?;
        pod.spec.as_ref()?.node_name.as_ref().map(|_| pod.clone())
    })
    .await
}

/// A claim of its own, for devices of the nodes that are only objects.
fn claim(name: &str, exactly: &Value) -> Value {
    let mut request = json!({"deviceClassName": "load"});
    for (field, value) in exactly.as_object().into_iter().flatten() {
        request[field] = value.clone();
    }
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name},
        "spec": {"devices": {"requests": [{"name": "gpus", "exactly": request}]}}})
}

/// A pod that uses a claim which there is.
fn user(name: &str, claim: &str, labels: &str) -> Value {
    let entries = json!([{"name": "gpus", "resourceClaimName": claim}]);
    let more = json!({"resourceClaims": entries, "nodeSelector": {"load": labels}});
    let [_, pod] = pod(name, "load", 1, &more);
    pod
}

pub(crate) async fn a_pod_waits_until_its_devices_are_ready_and_starts_over_when_they_will_not_be(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "late", 1, 0).await?;
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let slice = json!({"metadata": {"name": "late-attached"}, "spec": {"driver": LOAD,
        "nodeName": "late-0", "pool": {"name": "attached", "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": "gpu-0", "bindsToNode": true, "bindingConditions": ["attached"],
            "bindingFailureConditions": ["broken"]}]}});
    slices
        .create(&PostParams::default(), &serde_json::from_value(slice)?)
        .await?;
    apply(bed, &namespace, &pod("p", "load", 1, &Value::Null)).await?;
    says(
        bed,
        &namespace,
        "p",
        "waiting for condition attached of load.example.com/attached/gpu-0",
    )
    .await?;
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    let allocated = |told: &'static str| {
        until_objects(&claims, SOON, told, |claims| {
            let claim = claims.first()?;
            let status = claim.status.as_ref()?;
            status.allocation.as_ref()?.allocation_timestamp.as_ref()?;
            // A condition of an earlier allocation is gone with it.
            status
                .devices
                .as_ref()
                .is_none_or(Vec::is_empty)
                .then(|| claim.clone())
        })
    };
    let say = async |claim: &ResourceClaim, condition: &str| {
        let name = claim.metadata.name.clone().unwrap_or_default();
        let status = json!({"status": {"devices": [{"driver": LOAD, "pool": "attached",
            "device": "gpu-0", "conditions": [{"type": condition, "status": "True", "reason": "Told",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}]}});
        let parameters = PatchParams::default();
        claims
            .patch_status(&name, &parameters, &Patch::Merge(&status))
            .await
    };
    let first = allocated("the device is given").await?;
    say(&first, "broken").await?;
    says(
        bed,
        &namespace,
        "p",
        "load.example.com/attached/gpu-0: condition broken",
    )
    .await?;
    let again = allocated("the device is given anew").await?;
    say(&again, "attached").await?;
    is_bound(bed, &namespace, "p").await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "late").await
}

pub(crate) async fn admin_access_takes_a_labelled_namespace(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let label = async |label: &str| {
        let label = format!("resource.kubernetes.io/admin-access{label}");
        let words = ["label", "namespace", &namespace, &label];
        bed.kubectl().run(&words).await.map(drop)
    };
    load_nodes(bed, "admin", 1, 2).await?;
    label("=true").await?;
    let admin = json!({"allocationMode": "All", "adminAccess": true});
    let objects = [
        claim("one", &admin),
        claim("other", &admin),
        claim("all", &json!({"count": 2})),
    ];
    apply(bed, &namespace, &objects).await?;
    apply(bed, &namespace, &[user("user", "all", "admin")]).await?;
    is_bound(bed, &namespace, "user").await?;
    // All devices are taken, and looking after them takes none.
    apply(bed, &namespace, &[user("looks", "one", "admin")]).await?;
    is_bound(bed, &namespace, "looks").await?;
    label("-").await?;
    apply(bed, &namespace, &[user("may-not", "other", "admin")]).await?;
    says(
        bed,
        &namespace,
        "may-not",
        "asks for admin access in request \"gpus\"",
    )
    .await?;
    label("=true").await?;
    // The scheduler hears nothing of namespaces. Whatever happens to a claim has it try again.
    apply(bed, &namespace, &[claim("another", &json!({"count": 1}))]).await?;
    is_bound(bed, &namespace, "may-not").await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "admin").await
}

pub(crate) async fn a_shared_claim_keeps_its_pods_together_and_takes_256_of_them(
    bed: &Bed,
) -> Outcome {
    const MOST: usize = 256;
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "shared", 3, 2).await?;
    let nodes: Api<Node> = Api::all(bed.client());
    let room = json!({"status": {"capacity": {"pods": "400"}, "allocatable": {"pods": "400"}}});
    for n in 0..3 {
        let (name, parameters) = (format!("shared-{n}"), PatchParams::default());
        nodes
            .patch_status(&name, &parameters, &Patch::Merge(&room))
            .await?;
    }
    let mut objects = vec![claim("shared", &json!({"count": 1}))];
    objects.extend((0..MOST + 2).map(|n| user(&format!("p-{n}"), "shared", "shared")));
    apply(bed, &namespace, &objects).await?;
    let pods = bound(bed, &namespace, MOST).await?;
    let of = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let used: BTreeSet<String> = pods.iter().filter_map(of).collect();
    assert_eq!(used.len(), 1, "{used:?}");
    let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
    let (there, waits): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| of(pod).is_some());
    assert_eq!((there.len(), waits.len()), (MOST, 2));
    says(
        bed,
        &namespace,
        &name(waits[0]),
        "is reserved for 256 pods, the most there may be",
    )
    .await?;
    delete(bed, &namespace, &name(there[0])).await?;
    delete(bed, &namespace, &name(there[1])).await?;
    for pod in waits {
        let bound = is_bound(bed, &namespace, &name(pod)).await?;
        assert_eq!(of(&bound), used.first().cloned());
    }
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "shared").await
}

pub(crate) async fn a_pod_whose_claim_is_not_made_yet_waits_and_goes_on_when_it_is(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "patience", 2, 16).await?;
    let [template, early] = pod("early", "load", 1, &Value::Null);
    apply(bed, &namespace, &[early]).await?;
    // Others are not held up, and it is not even tried.
    apply(bed, &namespace, &pod("other", "load", 1, &Value::Null)).await?;
    is_bound(bed, &namespace, "other").await?;
    let said = events(bed, &namespace, "early").await?;
    let of_the_controller = |line: &str| line.contains("resource claim template");
    assert!(said.lines().all(of_the_controller), "{said}");
    apply(bed, &namespace, &[template]).await?;
    is_bound(bed, &namespace, "early").await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "patience").await
}
