//! What happens to a node driver while pods come and go: a rolling update, a crash, new policies.
//!
//! It reaches the API server as its DaemonSet would, with the rights of `examples/node` and no more.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use rustix::process::Signal;
use serde_json::json;
use supercargo_cluster::devices::{
    SOON, containers_see_their_devices, example, hardware, manifest, running,
};
use supercargo_cluster::events::{said, told};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{
    DRIVER, Driver, DriverOptions, Options, build_policy, rights, supercargo, tests, until,
    until_object,
};
use supercargo_host::policy::Digest;

#[path = "shared/collector.rs"]
mod collector;
#[path = "shared/fitted.rs"]
mod fitted;
#[path = "lifecycle/installed.rs"]
mod installed;
#[path = "lifecycle/kubelet.rs"]
mod kubelet;
#[path = "lifecycle/traces.rs"]
mod traces;

use kubelet::running_pods_outlive_the_kubelet_which_finds_the_driver_again;
use traces::whoever_collects_traces_sees_a_claim_come_and_go;

tests! {
    Options::nodes(1);
    no_pod_fails_while_one_instance_takes_over_from_another,
    running_pods_outlive_the_driver_and_waiting_ones_start_when_it_is_back,
    running_pods_outlive_the_kubelet_which_finds_the_driver_again,
    whoever_collects_traces_sees_a_claim_come_and_go,
    a_policy_that_is_dropped_in_serves_the_next_pod_and_a_broken_one_is_refused,
    the_daemon_set_serves_pods_without_a_capability,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the kubelet says of a pod whose claim a driver could not prepare.
const NOT_PREPARED: &str = "FailedPrepareDynamicResources";

/// Pods that each have a GPU for a moment, four at a time.
const JOB: &str = "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: gpu}
spec: {spec: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu.nvidia.com}}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  completions: 30
  parallelism: 4
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox:1.36
        command: [sh, -c, 'test -d /var/run/supercargo/devices/*']
        resources: {claims: [{name: gpu}]}
      resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]
";

const CONFIGURATION: &str = "
apiVersion: supercargo.dev/v1alpha1
kind: Configuration
policies:
- name: time-slicing
  wasm: time-slicing.wasm
  grants:
  - devices: {attributes: {type: gpu}}
    setComputeMode: [shared]
    setTimeSlice: [long]
rules:
- policy: time-slicing
  deviceClasses: [gpu.nvidia.com]
";

/// How drivers of the one node are started.
async fn options(bed: &Bed) -> Result<DriverOptions, Failure> {
    bed.kubectl()
        .apply("default", &manifest("device-class")?)
        .await?;
    let node = &bed.nodes()[0];
    Ok(DriverOptions {
        topology: hardware("h100-nvlink", node)?,
        kubeconfig: Some(rights(bed, node).await?),
        ..DriverOptions::default()
    })
}

/// The sockets in a folder, by name.
fn sockets(folder: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "sock") {
            names.push(entry.file_name());
        }
    }
    Ok(names)
}

async fn no_pod_fails_while_one_instance_takes_over_from_another(bed: &Bed) -> Outcome {
    let (program, plain) = (supercargo()?, options(bed).await?);
    let node = &bed.nodes()[0];
    let uid = |number: i32| format!("00000000-0000-4000-8000-{number:012}");
    let start = async |number: i32| -> Result<Driver, Failure> {
        let options = DriverOptions {
            instance: format!("-{number}"),
            pod_uid: Some(uid(number)),
            ..plain.clone()
        };
        let driver = Driver::start(bed, node, &program, &options)?;
        driver.ready().await?;
        Ok(driver)
    };
    let mut serving = start(1).await?;
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl().apply(&namespace, JOB).await?;
    let jobs: Api<Job> = Api::namespaced(bed.client(), &namespace);
    let succeeded = async |pods: i32| {
        let what = format!("{pods} pods succeeded");
        until_object(&jobs, "job", SOON * 3, &what, |job| {
            let status = job?.status.as_ref()?;
            let enough = status.succeeded.unwrap_or_default() >= pods;
            (enough || status.failed.is_some()).then_some(status.failed)
        })
        .await
        .map(|failed| assert_eq!(failed, None))
    };
    for number in 2..=5 {
        // Pods start before, during and after the hand-over.
        succeeded((number - 1) * 5).await?;
        let next = start(number).await?;
        serving.process().signal(Signal::TERM)?;
        let ended = serving.process().wait(SOON)?;
        assert!(ended.success(), "{ended}");
        serving = next;
    }
    succeeded(30).await?;
    assert_eq!(said(bed, &namespace, NOT_PREPARED).await?, [""; 0]);

    // Those who were told to end took their sockets with them; those of a killed one go later.
    serving.process().kill()?;
    let serving = start(6).await?;
    assert_eq!(sockets(&node.plugin_registry())?.len(), 1);
    let service = format!("dra-{}.sock", uid(6));
    assert_eq!(sockets(serving.data())?, [OsString::from(service)]);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn running_pods_outlive_the_driver_and_waiting_ones_start_when_it_is_back(
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

    driver.process().kill()?;
    let stays = running(bed, &namespace, "stays").await?;
    let seen = containers_see_their_devices(bed, &namespace, &stays).await?;
    bed.kubectl().apply(&namespace, &another("comes")).await?;
    told(bed, &namespace, "Pod", NOT_PREPARED, &["gpu.nvidia.com"]).await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    pods.delete("goes", &DeleteParams::default()).await?;

    let driver = Driver::start(bed, node, &program, &options)?;
    driver.ready().await?;
    let comes = running(bed, &namespace, "comes").await?;
    let of_others = containers_see_their_devices(bed, &namespace, &comes).await?;
    assert_ne!(of_others, seen);
    until_object(&pods, "goes", SOON, "the pod is gone", |pod| {
        pod.is_none().then_some(())
    })
    .await?;
    let stays = running(bed, &namespace, "stays").await?;
    assert_eq!(
        containers_see_their_devices(bed, &namespace, &stays).await?,
        seen
    );
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

/// A component of another digest that does the same.
fn another_version(component: &[u8]) -> Vec<u8> {
    // A custom section of the name "x".
    [component, &[0, 2, 1, b'x']].concat()
}

/// Puts a file into the folder of policies, whole.
fn drop_in(policies: &Path, component: &[u8]) -> std::io::Result<()> {
    let part = policies.join(".time-slicing.part");
    fs::write(&part, component)?;
    fs::rename(part, policies.join("time-slicing.wasm"))
}

/// Waits until the metrics have a line that begins and ends so.
async fn counted(driver: &Driver, begin: &str, end: &str) -> Outcome {
    let what = format!("{begin}...{end} is among the metrics");
    until(SOON, &what, async || {
        let metrics = driver.metrics().await?;
        let mut lines = metrics.lines();
        let found = lines.any(|line| line.starts_with(begin) && line.ends_with(end));
        Ok(found.then_some(()))
    })
    .await?;
    Ok(())
}

/// How often the policy was called and answered.
async fn answered(driver: &Driver) -> Result<u32, Failure> {
    let of = r#"supercargo_policy_calls_total{policy="time-slicing",outcome="answered"} "#;
    let metrics = driver.metrics().await?;
    let count = metrics.lines().find_map(|line| line.strip_prefix(of));
    Ok(count.ok_or("the calls are not counted")?.parse()?)
}

async fn a_policy_that_is_dropped_in_serves_the_next_pod_and_a_broken_one_is_refused(
    bed: &Bed,
) -> Outcome {
    let program = supercargo()?;
    let (built, policies) = (bed.folder().join("built"), bed.folder().join("policies"));
    fs::create_dir(&built)?;
    fs::create_dir(&policies)?;
    let component = fs::read(build_policy(&program, "time-slicing", &built)?)?;
    let config = built.join("config.yaml");
    fs::write(&config, CONFIGURATION)?;
    let options = DriverOptions {
        config: Some(config),
        policy_dir: Some(policies.clone()),
        ..options(bed).await?
    };
    let driver = Driver::start(bed, &bed.nodes()[0], &program, &options)?;
    driver.ready().await?;
    let state = |device: &str| -> PathBuf { driver.data().join("simulated").join(device) };
    let runs = async |namespace: &str| -> Outcome {
        let pod = running(bed, namespace, "long-turns").await?;
        let seen = containers_see_their_devices(bed, namespace, &pod).await?;
        let device = seen["first"].keys().next().ok_or("it sees no device")?;
        let slice = fs::read_to_string(state(device).join("time-slice"))?;
        assert_eq!(slice.trim(), "long");
        bed.nothing_stays(namespace).await?;
        Ok(())
    };
    let pod = async || -> Result<String, Failure> {
        let namespace = bed.fresh_namespace().await?;
        let manifest = manifest("time-slicing")?;
        bed.kubectl().apply(&namespace, &manifest).await?;
        Ok(namespace)
    };

    // The configuration names a component that is not there: its pods wait, and are told so.
    let namespace = pod().await?;
    told(
        bed,
        &namespace,
        "Pod",
        "PolicyNotServing",
        &["time-slicing"],
    )
    .await?;
    drop_in(&policies, &component)?;
    runs(&namespace).await?;

    drop_in(&policies, b"no component")?;
    let refused = ["time-slicing", "goes on serving"];
    told(bed, "default", "Node", "PolicyRefused", &refused).await?;
    let is_refused = r#"supercargo_policy_refused{policy="time-slicing"} "#;
    counted(&driver, is_refused, "1").await?;
    runs(&pod().await?).await?;

    let component = another_version(&component);
    drop_in(&policies, &component)?;
    let digest = format!("digest=\"{}\"}} 1", Digest::of(&component));
    counted(&driver, "supercargo_policy_serving{", &digest).await?;
    counted(&driver, is_refused, "0").await?;
    let before = answered(&driver).await?;
    runs(&pod().await?).await?;
    // `validate` and `prepare`.
    assert_eq!(answered(&driver).await?, before + 2);
    Ok(())
}

async fn the_daemon_set_serves_pods_without_a_capability(bed: &Bed) -> Outcome {
    let node = &bed.nodes()[0];
    rights(bed, node).await?;
    // It simulates other hardware than the drivers before.
    let before = node.plugins().join(DRIVER).join("simulated");
    if before.exists() {
        fs::remove_dir_all(&before)?;
    }
    // What a policy shows to containers is looked up on the node, not in the driver's image.
    let shown = node.folder().join("shown");
    fs::write(&shown, "")?;
    let dropped_in = node.folder().join("dropped-in");
    fs::create_dir_all(&dropped_in)?;
    let built = Command::new(supercargo()?)
        .args(["policy", "build"])
        .arg(example("../tests/policies/foreman"))
        .arg("--output")
        .arg(dropped_in.join("foreman.wasm"))
        .status()?;
    assert!(built.success());
    let policy = json!([{"name": "foreman", "wasm": "foreman.wasm", "settings": {"mount": shown},
        "grants": [{"mounts": [{"hostPath": shown}], "environment": ["FOREMAN_*"]}]}]);
    let config = fs::read_to_string(example("node/config.yaml"))?
        .replace("    policies: []", &format!("    policies: {policy}"))
        .replace("    rules: []", "    rules: [{policy: foreman}]");
    bed.kubectl().apply("supercargo", &config).await?;
    bed.kubectl()
        .apply("default", &manifest("device-class")?)
        .await?;
    // Free now, and taken a moment later.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let set = installed::daemon_set(bed, node, &supercargo()?, port).await?;
    let sets: Api<DaemonSet> = Api::namespaced(bed.client(), "supercargo");
    sets.create(&PostParams::default(), &set).await?;
    let name = "supercargo-node";
    until_object(&sets, name, SOON, "the driver's pod is ready", |set| {
        (set?.status.as_ref()?.number_ready == 1).then_some(())
    })
    .await?;

    let namespace = bed.fresh_namespace().await?;
    bed.kubectl()
        .apply(&namespace, &manifest("one-gpu")?)
        .await?;
    let pod = running(bed, &namespace, "one-gpu").await?;
    let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
    assert_eq!(seen["main"].len(), 1);
    let cdi = fs::read_dir(node.cdi())?
        .next()
        .ok_or("there is no CDI file")??;
    let cdi = fs::read_to_string(cdi.path())?;
    assert!(cdi.contains(&format!("{shown:?}")), "{cdi}");
    bed.nothing_stays(&namespace).await?;

    sets.delete(name, &DeleteParams::foreground()).await?;
    until_object(&sets, name, SOON, "the DaemonSet is gone", |set| {
        set.is_none().then_some(())
    })
    .await?;
    assert_eq!(sockets(&node.plugin_registry())?, [""; 0]);
    Ok(())
}
