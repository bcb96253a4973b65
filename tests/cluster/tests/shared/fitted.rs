//! Pods of the examples' manifests, as far as this machine lets them be as they are.
//!
//! Their rights, their security contexts, their probes and their volumes stay. The program is the one that was
//! built, with the machine's libraries, and the network is the machine's, for nothing leads from a pod's to the
//! API server.

use std::path::Path;

use k8s_openapi::api::core::v1::{
    Container, EnvVar, HostPathVolumeSource, PodSpec, Volume, VolumeMount,
};
use supercargo_cluster::IMAGE;
use supercargo_cluster::harness::Bed;

use crate::Failure;

/// Has a pod of one container run here, with the ports of these names and more environment.
pub(crate) async fn fit(
    bed: &Bed,
    pod: &mut PodSpec,
    program: &Path,
    ports: &[(&str, u16)],
    environment: &[(&str, String)],
) -> Result<(), Failure> {
    pod.host_network = Some(true);
    let [container] = &mut pod.containers[..] else {
        return Err("it has not one container".into());
    };
    container.image = Some(IMAGE.to_owned());
    container.command = Some(vec!["/supercargo".to_owned()]);
    for port in container.ports.iter_mut().flatten() {
        let here = ports
            .iter()
            .find(|(name, _)| port.name.as_deref() == Some(name));
        let (_, here) = here.ok_or_else(|| format!("port {:?} is new", port.name))?;
        port.container_port = i32::from(*here);
        port.host_port = None;
    }
    let server = "--output=jsonpath={.clusters[0].cluster.server}";
    let server = bed.kubectl().run(&["config", "view", server]).await?;
    let (_, api_port) = server
        .rsplit_once(':')
        .ok_or("the API server has no port")?;
    let reached = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", api_port.to_owned()),
    ];
    for (name, value) in reached.iter().chain(environment) {
        container.env.get_or_insert_default().push(EnvVar {
            name: (*name).to_owned(),
            value: Some(value.clone()),
            ..EnvVar::default()
        });
    }
    let volumes = pod.volumes.get_or_insert_default();
    mount(container, volumes, "program", program, "/supercargo");
    mount(container, volumes, "libraries", Path::new("/usr"), "/usr");
    Ok(())
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
