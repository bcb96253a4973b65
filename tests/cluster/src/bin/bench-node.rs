//! What the node driver costs, by the kubelet's own clock.
//!
//! One node, eight simulated GPUs, pods one after another, each with a claim whose parameters a policy
//! turns into two steps: the durable checkpoint and the policy are both in the figures. Beside them
//! stands what the Go driver of the Kubernetes project, dra-example-driver, took on the same cluster
//! with eight devices, forty pods and no policy.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use rustix::process::Signal;
use supercargo_cluster::devices::{SOON, hardware, held_on_nodes, manifest, running};
use supercargo_cluster::figures::{ended, megabytes};
use supercargo_cluster::metrics::Histogram;
use supercargo_cluster::{
    Cluster, Driver, DriverOptions, Node, Options, build_policy, supercargo, until,
};

/// How many pods are timed.
const PODS: u32 = 40;
/// How many pods come before those.
const FIRST: u32 = 5;
/// How often the driver is started.
const STARTS: usize = 9;

/// What the peer took, in milliseconds and megabytes.
const PEER: [f64; 3] = [11.7, 6.3, 42.0];

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    ended(bench().await)
}

async fn bench() -> Result<(), Failure> {
    let program = supercargo()?;
    let cluster = Cluster::start(Options::nodes(1)).await?;
    let node = cluster.nodes().first().ok_or("no node")?;
    let policies = cluster.folder().join("policies");
    fs::create_dir(&policies)?;
    build_policy(&program, "time-slicing", &policies)?;
    let config = policies.join("config.yaml");
    fs::write(&config, CONFIGURATION)?;
    let options = DriverOptions {
        topology: hardware("h100-nvlink", node)?,
        config: Some(config),
        policy_dir: Some(policies),
        ..DriverOptions::default()
    };

    let (mut offered, mut ready) = (Vec::new(), Vec::new());
    let mut running = None;
    for _ in 0..=STARTS {
        // The one before ends first, and takes its sockets with it.
        if let Some(driver) = running.take() {
            end(&driver)?;
        }
        let begun = Instant::now();
        let driver = Driver::start(&cluster, node, &program, &options)?;
        until_offered(node).await?;
        offered.push(begun.elapsed());
        driver.ready().await?;
        ready.push(begun.elapsed());
        running = Some(driver);
    }
    // The first compiles the policy; the others find it compiled.
    let cold = offered.remove(0);
    ready.remove(0);
    let driver = running.ok_or("no driver")?;
    let idle = driver.process().resident()?;

    cluster
        .kubectl()
        .apply("default", &manifest("device-class")?)
        .await?;
    let manifest = manifest("time-slicing")?;
    for _ in 0..FIRST {
        pod(&cluster, &manifest).await?;
    }
    let before = [by_kubelet(&cluster).await?, by_driver(&driver).await?];
    for _ in 0..PODS {
        pod(&cluster, &manifest).await?;
    }
    let after = [by_kubelet(&cluster).await?, by_driver(&driver).await?];
    let busy = driver.process().resident()?;
    let mean = |clock: usize, operation: usize| -> f64 {
        let at = |looks: &[[Histogram; 2]; 2]| looks.get(clock)?.get(operation).cloned();
        match (at(&after), at(&before)) {
            (Some(after), Some(before)) => after.since(&before).mean() * 1e3,
            _ => f64::NAN,
        }
    };

    let [peer_prepare, peer_unprepare, peer_memory] = PEER;
    println!("| | Supercargo | dra-example-driver | ratio |");
    println!("|---|---|---|---|");
    let row = |what: &str, ours: f64, peer: f64, unit: &str| {
        println!(
            "| {what} | {ours:.2} {unit} | {peer:.1} {unit} | {:.1} |",
            peer / ours
        );
    };
    row("NodePrepareResources, mean", mean(0, 0), peer_prepare, "ms");
    row(
        "NodeUnprepareResources, mean",
        mean(0, 1),
        peer_unprepare,
        "ms",
    );
    row("resident memory, idle", megabytes(idle), peer_memory, "MB");
    row("resident memory, after", megabytes(busy), peer_memory, "MB");
    println!(
        "\nstart until the kubelet can find the driver, medians of {STARTS}: {:.0} ms ({:.0} ms when the policy is compiled)\n\
         start until registered, published and ready: {:.0} ms (the kubelet looks once a second)",
        milliseconds(median(&mut offered)),
        milliseconds(cold),
        milliseconds(median(&mut ready)),
    );
    println!("\nof which, in milliseconds:");
    println!(
        "    in the driver: prepare {:.2}, unprepare {:.2}",
        mean(1, 0),
        mean(1, 1)
    );
    println!(
        "    one GET of a claim: {:.2}",
        get_a_claim(&cluster, &manifest).await?
    );
    println!(
        "    one durable write of 4 KiB here (write, fsync, rename, fsync of the folder): {:.2}",
        durable_write(driver.data())?
    );
    Ok(())
}

/// Ends a driver in good order.
fn end(driver: &Driver) -> Result<(), Failure> {
    driver.process().signal(Signal::TERM)?;
    driver.process().wait(SOON)?;
    Ok(())
}

/// Waits until a registration socket is there.
async fn until_offered(node: &Node) -> Result<(), Failure> {
    let begun = Instant::now();
    while fs::read_dir(node.plugin_registry())?.next().is_none() {
        if begun.elapsed() > SOON {
            return Err("the driver makes no registration socket".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Runs the pod of the manifest until it is gone again with its claim.
async fn pod(cluster: &Cluster, manifest: &str) -> Result<(), Failure> {
    cluster.kubectl().apply("default", manifest).await?;
    running(cluster, "default", "long-turns").await?;
    let api: Api<Pod> = Api::default_namespaced(cluster.client());
    api.delete("long-turns", &DeleteParams::default()).await?;
    // The pod is gone before its claim is unprepared.
    until(SOON, "the node holds nothing", async || {
        Ok(held_on_nodes(cluster).is_empty().then_some(()))
    })
    .await?;
    Ok(())
}

/// Prepare and unprepare, as the kubelet timed them.
async fn by_kubelet(cluster: &Cluster) -> Result<[Histogram; 2], Failure> {
    let node = cluster.nodes().first().ok_or("no node")?;
    let metrics = cluster.kubelet_metrics(node).await?;
    Ok(["NodePrepareResources", "NodeUnprepareResources"]
        .map(|method| Histogram::of(&metrics, "dra_grpc_operations_duration_seconds", &[method])))
}

/// Prepare and unprepare, as the driver timed them.
async fn by_driver(driver: &Driver) -> Result<[Histogram; 2], Failure> {
    let metrics = driver.metrics().await?;
    let histogram = "supercargo_claim_operation_duration_seconds";
    Ok(["\"prepare\"", "\"unprepare\""]
        .map(|operation| Histogram::of(&metrics, histogram, &[operation])))
}

/// How long it takes to read a claim from the API server, in milliseconds.
async fn get_a_claim(cluster: &Cluster, manifest: &str) -> Result<f64, Failure> {
    cluster.kubectl().apply("default", manifest).await?;
    running(cluster, "default", "long-turns").await?;
    let api: Api<ResourceClaim> = Api::default_namespaced(cluster.client());
    let claims = api.list(&ListParams::default()).await?;
    let claim = claims
        .items
        .first()
        .and_then(|claim| claim.metadata.name.clone());
    let claim = claim.ok_or("no claim")?;
    mean(async || Ok(api.get(&claim).await.map(drop)?)).await
}

/// How long it takes to write what a crash must not lose, in milliseconds.
fn durable_write(folder: &Path) -> Result<f64, Failure> {
    let (part, whole) = (folder.join("bench.part"), folder.join("bench"));
    let begun = Instant::now();
    for _ in 0..PODS {
        let mut file = File::create(&part)?;
        file.write_all(&[b'x'; 4096])?;
        file.sync_all()?;
        fs::rename(&part, &whole)?;
        File::open(folder)?.sync_all()?;
    }
    let took = begun.elapsed();
    fs::remove_file(&whole)?;
    Ok(per_pod(took))
}

async fn mean(mut ask: impl AsyncFnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let begun = Instant::now();
    for _ in 0..PODS {
        ask().await?;
    }
    Ok(per_pod(begun.elapsed()))
}

fn per_pod(took: Duration) -> f64 {
    milliseconds(took) / f64::from(PODS)
}
