//! The scheduler extender on a real scheduler: Supercargo allocates, binds, and puts right what crashes leave.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use serde_json::{Value, json};
use supercargo_cluster::devices::{containers_see_their_devices, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{
    SOON, Site, apply, bound, clear, delete, events, load_nodes, options, pod, wrongs,
};
use supercargo_cluster::{Extender, ExtenderOptions, tests, until, until_object, until_objects};

#[path = "shared/collector.rs"]
mod collector;
#[path = "scheduler/groups.rs"]
mod groups;

use collector::Collector;
use groups::a_whole_nvlink_group_is_left_for_the_pod_that_needs_it;

type Failure = Box<dyn std::error::Error + Send + Sync>;

tests! {
    options();
    owning_is_refused_until_nobody_else_can_allocate,
    a_pod_gets_its_devices_and_its_container_sees_them,
    a_pod_that_does_not_fit_says_why_and_goes_on_when_there_is_room,
    a_whole_nvlink_group_is_left_for_the_pod_that_needs_it,
    pods_of_another_scheduler_cannot_take_what_supercargo_owns,
    many_pods_at_once_are_bound_while_the_extender_is_killed_three_times,
    a_crash_between_any_two_steps_of_bind_is_healed,
    co_existing_mode_ranks_and_writes_nothing,
}

async fn owning_is_refused_until_nobody_else_can_allocate(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let refused = Extender::start(bed, &site.program, &site.owning())?;
    let status = refused.process().wait(SOON)?;
    assert_eq!(status.code(), Some(1));
    let said = bed.log_tails(5)?;
    assert!(
        said.contains("could be allocated by the in-tree DynamicResources plugin"),
        "{said}"
    );
    assert!(said.contains("Partition by driver"), "{said}");
    let extender = site.own(bed).await?;
    assert!(extender.metrics().await?.contains("supercargo_leader 1"));
    Ok(())
}

async fn a_pod_gets_its_devices_and_its_container_sees_them(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    site.guard(bed).await?;
    let collector = Collector::start().await?;
    let endpoint = collector.endpoint.clone();
    let options = ExtenderOptions {
        environment: vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint)],
        ..site.owning()
    };
    let extender = Extender::start(bed, &site.program, &options)?;
    extender.ready().await?;
    let namespace = bed.fresh_namespace().await?;
    apply(
        bed,
        &namespace,
        &pod("two", "gpu.nvidia.com", 2, &Value::Null),
    )
    .await?;
    let two = running(bed, &namespace, "two").await?;
    let seen = containers_see_their_devices(bed, &namespace, &two).await?;
    assert_eq!(seen["main"].len(), 2);
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    bed.nothing_stays(&namespace).await?;
    let two = format!("{namespace}/two");
    until(SOON, "whoever collects traces sees it", async || {
        let spans = collector.spans("pod").await;
        let has =
            |name: &str| spans.contains(&["supercargo-scheduler", name, &two].map(str::to_owned));
        Ok((has("filter") && has("bind")).then_some(()))
    })
    .await?;
    Ok(())
}

async fn a_pod_that_does_not_fit_says_why_and_goes_on_when_there_is_room(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "small", 3, 2).await?;
    for n in 0..3 {
        apply(
            bed,
            &namespace,
            &pod(&format!("first-{n}"), "load", 1, &Value::Null),
        )
        .await?;
        bound(bed, &namespace, n + 1).await?;
    }
    // Packed: two on one node, one on another.
    for n in 0..2 {
        apply(
            bed,
            &namespace,
            &pod(&format!("second-{n}"), "load", 2, &Value::Null),
        )
        .await?;
    }
    bound(bed, &namespace, 4).await?;
    let said = until(SOON, "the pending pod says why", async || {
        let said = [
            events(bed, &namespace, "second-0").await?,
            events(bed, &namespace, "second-1").await?,
        ];
        Ok(said
            .into_iter()
            .find(|said| said.contains("needed, at most")))
    })
    .await?;
    let why = "request gpus: 2 × load needed, at most 1 free";
    assert!(said.contains(why), "{said}");
    let pods = bound(bed, &namespace, 4).await?;
    // Who shares a node with nobody leaves: then two are free again.
    for pod in pods {
        let name = pod.metadata.name.clone().unwrap_or_default();
        if name.starts_with("first") {
            delete(bed, &namespace, &name).await?;
        }
    }
    bound(bed, &namespace, 2).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    for name in ["second-0", "second-1"] {
        until_object(&pods, name, SOON, &format!("{name} is bound"), |pod| {
            pod?.spec.as_ref()?.node_name.as_ref().map(drop)
        })
        .await?;
    }
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "small").await
}

async fn pods_of_another_scheduler_cannot_take_what_supercargo_owns(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let other = json!({"schedulerName": "default-scheduler"});
    apply(bed, &namespace, &pod("other", "gpu.nvidia.com", 1, &other)).await?;
    until(SOON, "the guard speaks", async || {
        let said = events(bed, &namespace, "other").await?;
        Ok(said
            .contains("are allocated by Supercargo only")
            .then_some(()))
    })
    .await?;
    // Without claims, such a pod is bound as ever.
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1000000"]}]}});
    apply(bed, &namespace, &[plain]).await?;
    running(bed, &namespace, "plain").await?;
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn many_pods_at_once_are_bound_while_the_extender_is_killed_three_times(
    bed: &Bed,
) -> Outcome {
    const NODES: usize = 100;
    const PODS: usize = 400;
    let site = Site::of(bed).await?;
    let mut extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "many", NODES, 8).await?;
    let objects: Vec<Value> = (0..PODS)
        .flat_map(|n| pod(&format!("p-{n}"), "load", 1, &Value::Null))
        .collect();
    for part in objects.chunks(100) {
        apply(bed, &namespace, part).await?;
    }
    for quarter in 1..=3 {
        bound(bed, &namespace, quarter * PODS / 8).await?;
        extender.process().kill()?;
        drop(extender);
        extender = site.own(bed).await?;
    }
    bound(bed, &namespace, PODS).await?;
    until(SOON, "nothing is wrong", async || {
        Ok(wrongs(bed).await?.is_empty().then_some(()))
    })
    .await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "many").await
}

async fn a_crash_between_any_two_steps_of_bind_is_healed(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    site.guard(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "crash", 2, 2).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    for place in ["taken", "finalizer", "allocated", "reserved", "bound"] {
        let mut options = site.owning();
        options.environment = vec![("SUPERCARGO_FAULT".to_owned(), place.to_owned())];
        let doomed = Extender::start(bed, &site.program, &options)?;
        doomed.ready().await?;
        let name = format!("at-{place}");
        apply(bed, &namespace, &pod(&name, "load", 2, &Value::Null)).await?;
        doomed.process().wait(SOON)?;
        drop(doomed);
        let next = site.own(bed).await?;
        until_object(&pods, &name, SOON, &format!("{name} is bound"), |pod| {
            pod?.spec.as_ref()?.node_name.as_ref().map(drop)
        })
        .await?;
        assert_eq!(wrongs(bed).await?, Vec::<String>::new(), "after {place}");
        delete(bed, &namespace, &name).await?;
        drop(next);
    }
    // A pod that never comes back: what was reserved for it is released.
    let mut options = site.owning();
    options.environment = vec![("SUPERCARGO_FAULT".to_owned(), "reserved".to_owned())];
    let doomed = Extender::start(bed, &site.program, &options)?;
    doomed.ready().await?;
    let gone = json!({"nodeSelector": {"load": "crash"}});
    apply(bed, &namespace, &pod("gone", "load", 2, &gone)).await?;
    doomed.process().wait(SOON)?;
    drop(doomed);
    for n in 0..2 {
        // Nobody may go there any more, so the pod stays pending.
        let labels = [
            "label",
            "node",
            &format!("crash-{n}"),
            "load=over",
            "--overwrite",
        ];
        bed.kubectl().run(&labels).await?;
    }
    let _next = site.own(bed).await?;
    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    until_objects(&claims, SOON, "the claim is released", |claims| {
        let held = |claim: &ResourceClaim| {
            let status = claim.status.as_ref();
            status.is_some_and(|status| status.allocation.is_some())
                || claim.metadata.finalizers.iter().flatten().next().is_some()
        };
        let of_gone = |claim: &&ResourceClaim| {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            name.starts_with("gone")
        };
        let mut claims = claims.iter().filter(of_gone).peekable();
        (claims.peek().is_some() && !claims.any(held)).then_some(())
    })
    .await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    clear(bed, &namespace, "over").await
}

async fn co_existing_mode_ranks_and_writes_nothing(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let guard = [
        "delete",
        "validatingadmissionpolicybinding",
        "supercargo-allocates",
    ];
    bed.kubectl().run(&guard).await?;
    // The scheduler of this bed calls bind, so pods are bound by a second owner of other devices; what is
    // looked at here is what the extender says.
    let extender = Extender::start(bed, &site.program, &site.options("coexist", &[]))?;
    extender.ready().await?;
    let namespace = bed.fresh_namespace().await?;
    let other = json!({"schedulerName": "default-scheduler"});
    apply(bed, &namespace, &pod("other", "gpu.nvidia.com", 1, &other)).await?;
    until(SOON, "bind is refused", async || {
        let said = events(bed, &namespace, "other").await?;
        Ok(said.contains("remove bindVerb").then_some(()))
    })
    .await?;
    let metrics = extender.metrics().await?;
    assert!(
        metrics.contains("verb=\"prioritize\",result=\"scores\""),
        "{metrics}"
    );
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
