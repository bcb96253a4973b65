//! The DaemonSet of `examples/node`, with the folders of the kubelet where the bed has them.

use std::path::Path;

use k8s_openapi::api::apps::v1::DaemonSet;
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::Bed;
use supercargo_cluster::{DRIVER, Node};

use crate::Failure;
use crate::fitted::fit;

/// The DaemonSet for the one node of a bed; its probes are answered at a port.
pub(crate) async fn daemon_set(
    bed: &Bed,
    node: &Node,
    program: &Path,
    port: u16,
) -> Result<DaemonSet, Failure> {
    let file = example("node/daemonset.yaml").display().to_string();
    let read = ["create", "--dry-run=client", "--output=json", "-f", &file];
    let policies = node.folder().join("dropped-in");
    let text = bed
        .kubectl()
        .run(&read)
        .await?
        .replace("/var/lib/kubelet", &node.kubelet_root().to_string_lossy())
        .replace("/var/run/cdi", &node.cdi().to_string_lossy())
        .replace("/var/lib/supercargo/policies", &policies.to_string_lossy());
    let mut set: DaemonSet = serde_json::from_str(&text)?;
    let pod = set.spec.template.spec.as_mut().ok_or("it has no pod")?;
    let path = |path: &Path| path.display().to_string();
    let environment = [
        ("SUPERCARGO_ADDRESS", format!("127.0.0.1:{port}")),
        ("KUBELET_REGISTRY_DIR", path(&node.plugin_registry())),
        ("DATA_DIR", path(&node.plugins().join(DRIVER))),
        ("CDI_ROOT", path(&node.cdi())),
    ];
    fit(bed, pod, program, &[("observe", port)], &environment).await?;
    Ok(set)
}
