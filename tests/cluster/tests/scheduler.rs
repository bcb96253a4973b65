//! The scheduler extender on a real scheduler: Supercargo allocates, binds, and puts right what crashes leave.
//!
//! The scheduler has two profiles: `supercargo`, as examples/scheduler/own has it, and `default-scheduler`
//! with the in-tree plugin, whose pods the extender is asked about, too. The extender runs as the service
//! account that the examples make, with the rights that they give it. Nodes with devices but without
//! a kubelet are only objects here; the two real ones run pods.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use supercargo_cluster::devices::{
    containers_see_their_devices, example, hardware, manifest, running,
};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{
    ClusterError, DRIVER, Driver, DriverOptions, Extender, ExtenderOptions, Options, build_policy,
    supercargo, tests, until, until_object, until_objects,
};
use tokio::sync::OnceCell;

#[path = "scheduler/verify.rs"]
mod verify;

use verify::wrongs;

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The driver of nodes that are only objects.
const LOAD: &str = "load.example.com";
const ACCOUNT: &str = "system:serviceaccount:supercargo:supercargo-scheduler";
const SOON: Duration = Duration::from_secs(90);

static PORT: OnceLock<u16> = OnceLock::new();

/// Where the scheduler looks for the extender.
fn port() -> u16 {
    *PORT.get_or_init(|| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0));
        let address = listener.and_then(|listener| listener.local_addr());
        address.map_or(10270, |address| address.port())
    })
}

fn options() -> Options {
    let mut options = Options::nodes(2);
    let path = example("scheduler/own/kube-scheduler-configuration.yaml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let read = supercargo_host::objects::plain("kube-scheduler-configuration.yaml", &text);
    let mut configuration = read.map(|read| read.value).unwrap_or_default();
    let extender = &mut configuration["extenders"][0];
    extender["urlPrefix"] = json!(format!("http://127.0.0.1:{}", port()));
    extender["enableHTTPS"] = json!(false);
    extender["tlsConfig"] = Value::Null;
    if let Some(profiles) = configuration["profiles"].as_array_mut() {
        profiles.push(json!({"schedulerName": "default-scheduler"}));
    }
    options.scheduler_configuration = configuration.as_object().cloned().unwrap_or_default();
    options
}

/// What all tests need: rights, the guard, classes, drivers on the real nodes, a configuration.
struct Site {
    program: PathBuf,
    kubeconfig: PathBuf,
    policies: PathBuf,
    _drivers: Vec<Driver>,
}

impl Site {
    async fn of(bed: &Bed) -> Result<&'static Self, Failure> {
        static SITE: OnceCell<Site> = OnceCell::const_new();
        SITE.get_or_try_init(|| Self::start(bed)).await
    }

    async fn start(bed: &Bed) -> Result<Self, Failure> {
        let program = supercargo()?;
        bed.namespace("supercargo").await?;
        let read = |file: &str| fs::read_to_string(example(&format!("scheduler/own/{file}")));
        bed.kubectl()
            .apply("supercargo", &read("rbac.yaml")?)
            .await?;
        let policies = bed.folder().join("policies");
        fs::create_dir(&policies)?;
        build_policy(&program, "nvlink-groups", &policies)?;
        let configuration = String::from(
            "apiVersion: supercargo.dev/v1alpha1\nkind: Configuration\npolicies:\n- name: nvlink-groups\n  \
             wasm: nvlink-groups.wasm\nrules:\n- policy: nvlink-groups\n  deviceClasses: [gpu.nvidia.com]\n",
        );
        fs::write(policies.join("config.yaml"), configuration)?;
        bed.kubectl()
            .apply("default", &manifest("device-class")?)
            .await?;
        let class: DeviceClass =
            serde_json::from_value(json!({"metadata": {"name": "load"}, "spec": {
            "selectors": [{"cel": {"expression": format!("device.driver == '{LOAD}'")}}]}}))?;
        let classes: Api<DeviceClass> = Api::all(bed.client());
        classes.create(&PostParams::default(), &class).await?;
        let mut drivers = Vec::new();
        for node in bed.nodes() {
            let options = DriverOptions {
                topology: hardware("h100-nvlink", node)?,
                ..DriverOptions::default()
            };
            let driver = Driver::start(bed, node, &program, &options)?;
            driver.ready().await?;
            drivers.push(driver);
        }
        Ok(Self {
            kubeconfig: bed.kubeconfig_for(ACCOUNT, &["system:serviceaccounts"])?,
            program,
            policies,
            _drivers: drivers,
        })
    }

    fn options(&self, mode: &str, more: &[&str]) -> ExtenderOptions {
        let mut flags = vec![format!("--mode={mode}")];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        flags.push(format!(
            "--config={}",
            self.policies.join("config.yaml").display()
        ));
        ExtenderOptions {
            name: "extender".to_owned(),
            port: port(),
            kubeconfig: Some(self.kubeconfig.clone()),
            flags,
            environment: Vec::new(),
        }
    }

    fn owning(&self) -> ExtenderOptions {
        let drivers = [format!("--driver={DRIVER}"), format!("--driver={LOAD}")];
        let [gpus, load] = [&*drivers[0], &*drivers[1]];
        self.options("own", &[gpus, load, "--lease-duration=8", "--grace=3"])
    }

    /// Applies the guard, and starts an owning extender.
    async fn own(&self, bed: &Bed) -> Result<Extender, Failure> {
        self.guard(bed).await?;
        let extender = Extender::start(bed, &self.program, &self.owning())?;
        extender.ready().await?;
        Ok(extender)
    }

    async fn guard(&self, bed: &Bed) -> Outcome {
        let guard = fs::read_to_string(example("scheduler/own/guard.yaml"))?;
        let guard = guard.replace("['gpu.nvidia.com']", &format!("['{DRIVER}', '{LOAD}']"));
        bed.kubectl().apply("default", &guard).await?;
        Ok(())
    }
}

fn pod(name: &str, class: &str, count: usize, more: &Value) -> [Value; 2] {
    let template = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": [
            {"name": "gpus", "exactly": {"deviceClassName": class, "count": count}}]}}}});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": name}],
        "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1000000"],
            "resources": {"claims": [{"name": "gpus"}]}}]}});
    for (field, value) in more.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    [template, pod]
}

async fn apply(bed: &Bed, namespace: &str, objects: &[Value]) -> Outcome {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    bed.kubectl().apply(namespace, &list.to_string()).await?;
    Ok(())
}

async fn delete(bed: &Bed, namespace: &str, name: &str) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let now = DeleteParams::default().grace_period(0);
    pods.delete(name, &now).await?;
    Ok(())
}

/// Waits until so many pods of a namespace are bound.
async fn bound(bed: &Bed, namespace: &str, count: usize) -> Result<Vec<Pod>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let is_bound = |pod: &&Pod| {
        pod.spec
            .as_ref()
            .is_some_and(|spec| spec.node_name.is_some())
    };
    until_objects(
        &pods,
        SOON * 3,
        &format!("{count} pods are bound"),
        |pods| (pods.iter().filter(is_bound).count() >= count).then(|| pods.to_vec()),
    )
    .await
}

/// Nodes that are only objects, with devices.
async fn load_nodes(bed: &Bed, prefix: &str, count: usize, devices: usize) -> Outcome {
    let nodes: Api<Node> = Api::all(bed.client());
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let post = PostParams::default();
    let all: Vec<Value> = (0..devices)
        .map(|n| json!({"name": format!("gpu-{n}")}))
        .collect();
    for n in 0..count {
        let name = format!("{prefix}-{n}");
        let much = json!({"cpu": "64", "memory": "512Gi", "pods": "200"});
        let node = json!({"metadata": {"name": name, "labels": {"load": prefix}}, "status": {
            "capacity": much, "allocatable": much,
            "conditions": [{"type": "Ready", "status": "True"}]}});
        let node: Node = nodes.create(&post, &serde_json::from_value(node)?).await?;
        let owner =
            json!([{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid}]);
        let slice = json!({"metadata": {"name": name, "ownerReferences": owner}, "spec": {"driver": LOAD,
            "nodeName": name, "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
            "devices": all}});
        slices
            .create(&post, &serde_json::from_value(slice)?)
            .await?;
    }
    Ok(())
}

/// Ends a test with nodes that are only objects: nobody else can end the pods on them.
async fn clear(bed: &Bed, namespace: &str, prefix: &str) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let now = DeleteParams::default().grace_period(0);
    pods.delete_collection(&now, &ListParams::default()).await?;
    bed.nothing_stays(namespace).await?;
    let nodes: Api<Node> = Api::all(bed.client());
    let ours = ListParams::default().labels(&format!("load={prefix}"));
    nodes
        .delete_collection(&DeleteParams::default(), &ours)
        .await?;
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let left = ListParams::default().fields(&format!("spec.driver={LOAD}"));
    slices
        .delete_collection(&DeleteParams::default(), &left)
        .await?;
    Ok(())
}

async fn events(bed: &Bed, namespace: &str, pod: &str) -> Result<String, ClusterError> {
    let events: Api<Event> = Api::namespaced(bed.client(), namespace);
    let of_pod = ListParams::default().fields(&format!("involvedObject.name={pod}"));
    let found = events
        .list(&of_pod)
        .await
        .map_err(ClusterError::api("list events"))?;
    let notes = found.items.into_iter().filter_map(|event| event.message);
    Ok(notes.collect::<Vec<_>>().join("\n"))
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
    let _extender = site.own(bed).await?;
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

async fn a_whole_nvlink_group_is_left_for_the_pod_that_needs_it(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    // Two nodes with two groups of four each: three small ones, one after the other, share one group.
    for n in 0..3 {
        let name = format!("small-{n}");
        apply(
            bed,
            &namespace,
            &pod(&name, "gpu.nvidia.com", 1, &Value::Null),
        )
        .await?;
        running(bed, &namespace, &name).await?;
    }
    for n in 0..3 {
        let name = format!("group-{n}");
        let [mut template, pod] = pod(&name, "gpu.nvidia.com", 4, &Value::Null);
        template["spec"]["spec"]["devices"]["constraints"] =
            json!([{"matchAttribute": "supercargo.dev/nvlinkGroup"}]);
        apply(bed, &namespace, &[template, pod]).await?;
    }
    for n in 0..3 {
        let pod = running(bed, &namespace, &format!("group-{n}")).await?;
        let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
        assert_eq!(seen["main"].len(), 4);
    }
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    bed.nothing_stays(&namespace).await?;
    Ok(())
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
