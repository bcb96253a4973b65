//! The cluster itself: its nodes run pods, and when it ends nothing is left.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Cluster, Options, tests, until_object};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[path = "bed/machine.rs"]
mod machine;

use machine::Marks;

tests! {
    Options::nodes(2);
    pods_run_on_both_nodes_and_answer_exec_and_logs,
    a_scheduled_pod_runs,
    nodes_report_addresses_and_stay_ready,
    what_a_stopped_cluster_leaves_is_nothing,
    what_a_killed_owner_leaves_is_removed_by_the_next_start,
    what_up_starts_serves_a_pod_and_down_leaves_nothing,
}

const SOON: Duration = Duration::from_secs(60);

fn pod(name: &str, more: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  {more}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1.36
    command: [sh, -c, "echo hello from {name}; sleep 1000000"]
"#
    )
}

async fn running(api: &Api<Pod>, name: &str) -> Result<Pod, supercargo_cluster::ClusterError> {
    until_object(api, name, SOON, &format!("pod {name} runs"), |pod| {
        let pod = pod?;
        (pod.status.as_ref()?.phase.as_deref() == Some("Running")).then(|| pod.clone())
    })
    .await
}

async fn pods_run_on_both_nodes_and_answer_exec_and_logs(bed: &Bed) -> Outcome {
    let namespace = bed.fresh_namespace().await?;
    let api: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    for node in bed.nodes() {
        let name = format!("on-{}", node.name());
        let manifest = pod(&name, &format!("nodeName: {}", node.name()));
        bed.kubectl().apply(&namespace, &manifest).await?;
        running(&api, &name).await?;
        let said = bed.kubectl().logs(&namespace, &name, "main").await?;
        assert_eq!(said, format!("hello from {name}\n"));
        let host = ["sh", "-c", "echo $HOSTNAME"];
        let host = bed.kubectl().exec(&namespace, &name, "main", &host).await?;
        assert_eq!(host, format!("{name}\n"));
    }
    Ok(())
}

async fn a_scheduled_pod_runs(bed: &Bed) -> Outcome {
    let namespace = bed.fresh_namespace().await?;
    let api: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    bed.kubectl()
        .apply(&namespace, &pod("scheduled", ""))
        .await?;
    let pod = running(&api, "scheduled").await?;
    let node = pod.spec.and_then(|spec| spec.node_name);
    assert!(
        bed.nodes()
            .iter()
            .any(|each| Some(each.name()) == node.as_deref())
    );
    Ok(())
}

async fn nodes_report_addresses_and_stay_ready(bed: &Bed) -> Outcome {
    let api: Api<Node> = Api::all(bed.client());
    for node in bed.nodes() {
        let found = api.get_status(node.name()).await?;
        let status = found.status.unwrap_or_default();
        let addresses = status.addresses.unwrap_or_default();
        assert!(
            addresses
                .iter()
                .any(|address| address.address == "127.0.0.1")
        );
        assert!(found.spec.unwrap_or_default().taints.is_none());
        node.kubelet().must_run()?;
    }
    Ok(())
}

async fn what_a_stopped_cluster_leaves_is_nothing(_: &Bed) -> Outcome {
    let before = machine::shared_folders();
    let cluster = Cluster::start(Options::nodes(1)).await?;
    let api: Api<Pod> = Api::default_namespaced(cluster.client());
    cluster.kubectl().apply("default", &pod("left", "")).await?;
    let marks = Marks::of(&cluster, &[running(&api, "left").await?])?;
    let all = ["cgroup", "folder", "interface", "process"];
    assert_eq!(marks.kinds(), BTreeSet::from(all));
    drop(api);
    drop(cluster);
    marks.until_gone(&["interface"]).await?;
    assert_eq!(marks.seen(), BTreeSet::new());
    assert_eq!(machine::shared_folders(), before);
    Ok(())
}

async fn what_a_killed_owner_leaves_is_removed_by_the_next_start(_: &Bed) -> Outcome {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_supercargo-cluster"))
        .args(["up", "--attached", "--nodes=1", "--without-driver"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(owner.stdout.take().ok_or("no output")?).lines();
    let kubeconfig = loop {
        let line = said.next_line().await?.ok_or("it ended")?;
        if let Some((_, path)) = line.split_once("export KUBECONFIG=") {
            break PathBuf::from(path);
        }
    };
    let folder = kubeconfig.parent().ok_or("no folder")?;
    let name = folder.file_name().ok_or("no name")?.to_string_lossy();
    let first = fs::read_to_string(folder.join("init"))?;
    let first = first.split(' ').next().ok_or("no process")?.parse()?;
    let marks = Marks::new(folder, &format!("supercargo-{name}"), first, &[])?;
    assert_eq!(
        marks.kinds(),
        BTreeSet::from(["cgroup", "folder", "process"])
    );

    owner.kill().await?;
    marks.until_gone(&["process"]).await?;
    drop(Cluster::start(Options::api_server()).await?);
    assert_eq!(marks.seen(), BTreeSet::new());
    Ok(())
}

async fn what_up_starts_serves_a_pod_and_down_leaves_nothing(bed: &Bed) -> Outcome {
    let program = env!("CARGO_BIN_EXE_supercargo-cluster");
    let mut up = Command::new(program)
        .arg("up")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(up.stdout.take().ok_or("no output")?).lines();
    let kubeconfig = loop {
        let line = said.next_line().await?.ok_or("it said too little")?;
        if let Some((_, path)) = line.split_once("export KUBECONFIG=") {
            break PathBuf::from(path);
        }
    };
    // What it says goes on; who started it is gone then.
    while said.next_line().await?.is_some() {}
    assert!(up.wait().await?.success());

    let folder = kubeconfig.parent().ok_or("no folder")?;
    let name = folder.file_name().ok_or("no name")?.to_string_lossy();
    let first = fs::read_to_string(folder.join("init"))?;
    let first = first.split(' ').next().ok_or("no process")?.parse()?;
    let marks = Marks::new(folder, &format!("supercargo-{name}"), first, &[])?;
    let manifest = example("manifests/node/one-gpu.yaml").display().to_string();
    let ready = ["--for=condition=Ready", "--timeout=120s", "pod/one-gpu"];
    let mut outcomes = Vec::new();
    for arguments in [
        &["apply", "-f", &manifest][..],
        &[&["wait"], &ready[..]].concat(),
    ] {
        let kubectl = bed.kubectl().program().to_owned();
        let done = Command::new(kubectl)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .args(arguments)
            .output();
        outcomes.push(done.await?);
    }
    let down = Command::new(program).arg("down").output().await?;
    for outcome in outcomes.iter().chain([&down]) {
        assert!(outcome.status.success(), "{outcome:?}");
    }
    assert_eq!(marks.seen(), BTreeSet::new());
    Ok(())
}
