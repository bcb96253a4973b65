//! More important pods take the devices of lesser ones.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use supercargo_cluster::devices::{containers_see_their_devices, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{
    SOON, apply, bound, clear, delete, events, load_nodes, pod, wrongs,
};
use supercargo_cluster::{until, until_object};

use crate::site;

fn priority(name: &str, policy: &str) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
        "value": 1000, "preemptionPolicy": policy})
}

/// Four GPUs of one NVLink group.
fn group(name: &str, more: &Value) -> [Value; 2] {
    let [mut template, pod] = pod(name, "gpu.nvidia.com", 4, more);
    template["spec"]["spec"]["devices"]["constraints"] =
        json!([{"matchAttribute": "supercargo.dev/nvlinkGroup"}]);
    [template, pod]
}

pub(crate) async fn a_more_important_pod_gets_the_devices_of_a_lesser_one(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    let extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    for name in ["low", "protected"] {
        let [template, mut pod] = group(name, &Value::Null);
        pod["metadata"]["labels"] = json!({"app": name});
        apply(bed, &namespace, &[template, pod]).await?;
        running(bed, &namespace, name).await?;
    }
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "protected"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "protected"}}}});
    let classes = [
        priority("urgent", "PreemptLowerPriority"),
        priority("patient", "Never"),
    ];
    apply(bed, &namespace, &[budget]).await?;
    apply(bed, &namespace, &classes).await?;

    // Of equal importance, and more important but patient: nobody goes for them.
    apply(bed, &namespace, &group("equal", &Value::Null)).await?;
    let patient = json!({"priorityClassName": "patient"});
    apply(bed, &namespace, &group("patient", &patient)).await?;
    for name in ["equal", "patient"] {
        until(SOON, &format!("{name} says why it waits"), async || {
            let said = events(bed, &namespace, name).await?;
            Ok(said.contains("gpu.nvidia.com needed").then_some(()))
        })
        .await?;
    }
    let urgent = json!({"priorityClassName": "urgent"});
    apply(bed, &namespace, &group("urgent", &urgent)).await?;
    let got = running(bed, &namespace, "urgent").await?;
    let seen = containers_see_their_devices(bed, &namespace, &got).await?;
    assert_eq!(seen["main"].len(), 4);

    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    assert!(pods.get_opt("low").await?.is_none());
    let protected = pods.get("protected").await?;
    assert!(protected.metadata.deletion_timestamp.is_none());
    let said = events(bed, &namespace, "low").await?;
    assert!(said.contains("Preempted by pod"), "{said}");
    let metrics = extender.metrics().await?;
    let one = "supercargo_preemption_victims_total 1";
    assert!(metrics.contains(one), "{metrics}");
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    // With room again, the others run as well: the node is not closed to them.
    delete(bed, &namespace, "urgent").await?;
    delete(bed, &namespace, "protected").await?;
    for name in ["patient", "equal"] {
        running(bed, &namespace, name).await?;
    }
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

pub(crate) async fn where_more_than_devices_is_short_the_scheduler_asks_and_all_who_must_go_do(
    bed: &Bed,
) -> Outcome {
    let site = site(bed).await?;
    let extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "both", 1, 2).await?;
    let cpu = |cpu: &str| {
        json!([{"name": "main", "image": "busybox:1.36",
        "resources": {"requests": {"cpu": cpu}, "claims": [{"name": "gpus"}]}}])
    };
    let there = json!({"load": "both"});
    let hog = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hog"}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0, "nodeSelector": there,
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "main", "image": "busybox:1.36",
            "resources": {"requests": {"cpu": "60"}}}]}});
    apply(bed, &namespace, &[hog]).await?;
    let holder = json!({"containers": cpu("1"), "nodeSelector": there});
    apply(bed, &namespace, &pod("holder", "load", 2, &holder)).await?;
    bound(bed, &namespace, 2).await?;
    apply(
        bed,
        &namespace,
        &[priority("urgent", "PreemptLowerPriority")],
    )
    .await?;
    let urgent = json!({"containers": cpu("40"), "nodeSelector": there,
        "priorityClassName": "urgent"});
    apply(bed, &namespace, &pod("urgent", "load", 1, &urgent)).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    until_object(&pods, "urgent", SOON, "urgent is bound", |pod| {
        pod?.spec.as_ref()?.node_name.as_ref().map(drop)
    })
    .await?;
    for name in ["hog", "holder"] {
        assert!(pods.get_opt(name).await?.is_none(), "{name} is still there");
    }
    // It was the scheduler that did it.
    let metrics = extender.metrics().await?;
    assert!(
        metrics.contains("verb=\"preempt\",result=\"victims\""),
        "{metrics}"
    );
    assert!(
        metrics.contains("supercargo_preemption_victims_total 0"),
        "{metrics}"
    );
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "both").await
}
