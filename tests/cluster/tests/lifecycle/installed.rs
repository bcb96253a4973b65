//! The DaemonSet of `examples/node`, as far as this machine lets it be as it is.
//!
//! Its rights, its security context, its probes and its configuration stay. The folders of the kubelet
//! are where the bed has them, the program is the one that was built, with the machine's libraries, and
//! the network is the machine's, for nothing leads from a pod's to the API server.

use std::path::Path;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, EnvVar, HostPathVolumeSource, Volume, VolumeMount};
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::Bed;
use supercargo_cluster::{DRIVER, IMAGE, Node};

use crate::Failure;

/// The DaemonSet for the one node of a bed; its probes are answered at a port.
pub(crate) async fn daemon_set(
    bed: &Bed,
    node: &Node,
    program: &Path,
    port: u16,
) -> Result<DaemonSet, Failure> {
    let file = example("node/daemonset.yaml").display().to_string();
    let kubectl = bed.kubectl();
    let read = ["create", "--dry-run=client", "--output=json", "-f", &file];
    let policies = node.folder().join("dropped-in");
    let text = kubectl
        .run(&read)
        .await?
        .replace("/var/lib/kubelet", &node.kubelet_root().to_string_lossy())
        .replace("/var/run/cdi", &node.cdi().to_string_lossy())
        .replace("/var/lib/supercargo/policies", &policies.to_string_lossy());
    let mut set: DaemonSet = serde_json::from_str(&text)?;

    let pod = set.spec.template.spec.as_mut().ok_or("it has no pod")?;
    pod.host_network = Some(true);
    let [container] = &mut pod.containers[..] else {
        return Err("it has not one container".into());
    };
    container.image = Some(IMAGE.to_owned());
    container.command = Some(vec!["/supercargo".to_owned()]);
    for ports in container.ports.iter_mut().flatten() {
        ports.container_port = i32::from(port);
        ports.host_port = None;
    }
    let server = "--output=jsonpath={.clusters[0].cluster.server}";
    let server = kubectl.run(&["config", "view", server]).await?;
    let (_, api_port) = server
        .rsplit_once(':')
        .ok_or("the API server has no port")?;
    let data = node.plugins().join(DRIVER);
    for (name, value) in [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", api_port.to_owned()),
        ("SUPERCARGO_ADDRESS", format!("127.0.0.1:{port}")),
        (
            "KUBELET_REGISTRY_DIR",
            node.plugin_registry().display().to_string(),
        ),
        ("DATA_DIR", data.display().to_string()),
        ("CDI_ROOT", node.cdi().display().to_string()),
    ] {
        container.env.get_or_insert_default().push(EnvVar {
            name: name.to_owned(),
            value: Some(value),
            ..EnvVar::default()
        });
    }
    let volumes = pod.volumes.get_or_insert_default();
    mount(container, volumes, "program", program, "/supercargo");
    mount(container, volumes, "libraries", Path::new("/usr"), "/usr");
    Ok(set)
}

/// Shows a container something of the machine's.
fn mount(container: &mut Container, volumes: &mut Vec<Volume>, name: &str, from: &Path, to: &str) {
    volumes.push(Volume {
        name: name.to_owned(),
        host_path: Some(HostPathVolumeSource {
            path: from.display().to_string(),
            ..HostPathVolumeSource::default()
        }),
        ..Volume::default()
    });
    container
        .volume_mounts
        .get_or_insert_default()
        .push(VolumeMount {
            name: name.to_owned(),
            mount_path: to.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
}
