//! Many pods: what they leave is what was there before.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use supercargo_cluster::devices::{SOON, hardware, manifest};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{
    ClusterError, Driver, DriverOptions, Options, build_policy, supercargo, tests, until,
    until_object,
};

tests! {
    Options::nodes(1);
    after_200_pods_in_a_row_and_50_at_once_nothing_is_left,
}

/// How long the pods of a Job may take altogether.
const DONE_WITHIN: Duration = Duration::from_secs(900);

/// How much more memory the driver may hold in the end than after the first pods.
const GROWTH: u64 = 2 << 20;

const CONFIGURATION: &str = "
apiVersion: supercargo.dev/v1alpha1
kind: Configuration
policies:
- name: mig-partitions
  wasm: mig-partitions.wasm
  grants:
  - devices: {attributes: {type: mig}}
    setMigMode: [true]
    createGpuInstance: ['1g.*']
    createComputeInstance: ['1g.*']
rules:
- policy: mig-partitions
  deviceClasses: [mig.nvidia.com]
";

fn job(pods: u32, at_once: u32) -> String {
    format!(
        "
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {{name: slice}}
spec:
  spec:
    devices:
      requests:
      - name: slice
        exactly:
          deviceClassName: mig.nvidia.com
          selectors:
          - cel: {{expression: \"device.attributes['gpu.nvidia.com'].profile == '1g.5gb'\"}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: job}}
spec:
  completions: {pods}
  parallelism: {at_once}
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      # What has nothing to do with devices takes most of the time.
      hostNetwork: true
      automountServiceAccountToken: false
      containers:
      - name: main
        image: busybox:1.36
        command: [sh, -c, 'test -d /var/run/supercargo/devices/*']
        resources: {{claims: [{{name: slice}}], requests: {{cpu: 1m}}}}
      resourceClaims: [{{name: slice, resourceClaimTemplateName: slice}}]
"
    )
}

/// Eight GPUs of seven slices each, from the two of the example.
fn eight(topology: &Path) -> std::io::Result<()> {
    let text = fs::read_to_string(topology)?;
    let (head, gpus) = text
        .split_once("gpus:\n")
        .ok_or(std::io::ErrorKind::InvalidData)?;
    let more = (0..4).map(|copy| {
        let uuids = gpus.replace("uuid: GPU-", &format!("uuid: GPU-{copy}"));
        let uuids = uuids
            .lines()
            .map(|line| match line.split_once("uuid: GPU-") {
                // One digit too many now: the second goes.
                Some((_, uuid)) => format!(
                    "- model: A100-SXM4-40GB\n  uuid: GPU-{}{}\n",
                    &uuid[..1],
                    &uuid[2..]
                ),
                None if line.starts_with("- model") => String::new(),
                None => format!(
                    "{}\n",
                    line.replace("0000:0", &format!("0000:{}", copy + 1))
                ),
            });
        uuids.collect::<String>()
    });
    fs::write(
        topology,
        format!("{head}gpus:\n{}", more.collect::<String>()),
    )
}

/// Everything that could pile up, with its count.
fn traces(bed: &Bed, driver: &Driver) -> Result<BTreeMap<String, usize>, ClusterError> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => files(&path, found),
                path => found.push(path),
            }
        }
    }
    let node = &bed.nodes()[0];
    let mut traces = BTreeMap::new();
    for (name, folder) in [
        ("cdi", node.cdi()),
        ("registry", node.plugin_registry()),
        ("data", driver.data().to_owned()),
    ] {
        let mut found = Vec::new();
        files(&folder, &mut found);
        traces.insert(format!("files in {name}"), found.len());
    }
    traces.insert("descriptors".to_owned(), driver.process().descriptors()?);
    Ok(traces)
}

async fn run(bed: &Bed, pods: u32, at_once: u32) -> Outcome {
    let namespace = bed.fresh_namespace().await?;
    bed.kubectl().apply(&namespace, &job(pods, at_once)).await?;
    let api: Api<Job> = Api::namespaced(bed.client(), &namespace);
    let pods = i32::try_from(pods)?;
    until_object(
        &api,
        "job",
        DONE_WITHIN,
        &format!("{pods} pods succeeded"),
        |job| {
            let status = job?.status.as_ref()?;
            (status.succeeded == Some(pods) || status.failed.is_some()).then_some(status.failed)
        },
    )
    .await
    .map(|failed| assert_eq!(failed, None))?;
    bed.nothing_stays(&namespace).await?;
    Ok(())
}

async fn after_200_pods_in_a_row_and_50_at_once_nothing_is_left(bed: &Bed) -> Outcome {
    let program = supercargo()?;
    let policies = bed.folder().join("policies");
    fs::create_dir_all(&policies)?;
    build_policy(&program, "mig-partitions", &policies)?;
    let config = policies.join("config.yaml");
    fs::write(&config, CONFIGURATION)?;
    let node = &bed.nodes()[0];
    let topology = hardware("a100-mig", node)?;
    eight(&topology)?;
    let options = DriverOptions {
        topology,
        config: Some(config),
        policy_dir: Some(policies),
        ..DriverOptions::default()
    };
    let driver = Driver::start(bed, node, &program, &options)?;
    driver.ready().await?;
    let class = manifest("mig-partition")?;
    let class = class.split("---").next().unwrap_or_default();
    bed.kubectl().apply("default", class).await?;

    // The first claims make what is kept: compiled code, a mode that is set for good, lazy pools.
    run(bed, 12, 4).await?;
    let (before, memory) = (traces(bed, &driver)?, driver.process().resident()?);
    run(bed, 50, 50).await?;
    run(bed, 200, 4).await?;
    // Connections to the API server that many claims at once opened are kept for a while.
    let mut after = BTreeMap::new();
    let let_go = until(SOON * 2, "all is as before", async || {
        after = traces(bed, &driver)?;
        Ok((after == before).then_some(()))
    });
    if let_go.await.is_err() {
        assert_eq!(after, before);
    }
    let grown = driver.process().resident()?.saturating_sub(memory);
    assert!(
        grown < GROWTH,
        "the driver holds {grown} bytes more than {memory}"
    );
    Ok(())
}
