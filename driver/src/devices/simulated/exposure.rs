//! What containers see of simulated hardware: its state folder, read-only, and who they are.
//!
//! For each device a variable `SUPERCARGO_DEVICE_<NAME>` (upper case, `_` for `-`) holds its UUID, and
//! [`DEVICES`] a folder of its name. `NVIDIA_VISIBLE_DEVICES=void` keeps a container runtime of
//! NVIDIA's from adding devices of its own accord, as on real hardware.

use k8s_openapi::api::resource::v1::Device;
use supercargo_host::plan::UnitId;
use supercargo_host::policy::configuration::Placement;

use super::holdings::{Single, daemon_path};
use super::partitions;
use super::state::{At, State};
use crate::devices::nvidia::partition;
use crate::devices::{BindMount, DeviceError, DeviceFile, Exposure};

/// Where everything is in a container.
const ROOT: &str = "/var/run/supercargo";

/// Where the folders of devices are in a container.
const DEVICES: &str = "/var/run/supercargo/devices";

/// A GPU, or a partition that a step of the claim made.
pub(super) fn device(
    state: &State,
    unit: &UnitId,
    device: &Device,
) -> Result<Exposure, DeviceError> {
    let at = state.gpu(unit)?;
    let placement = partition::placement(device);
    if placement.is_none() && partition::is_partition(device) {
        let what = format!(
            "showing {}: it does not say which memory slices it covers",
            device.name
        );
        return Err(state.unsupported(at, what));
    }
    let folder = match placement {
        Some(placement) => partitions::path(state, at, placement),
        None => state.folder(at),
    };
    let Some(uuid) = state.read(&folder.join("uuid"))? else {
        let reason = "there is no GPU instance; the plan of its claim makes none".to_owned();
        return Err(state.refused(at, format!("show {}", device.name), reason));
    };
    let variable = device.name.to_ascii_uppercase().replace('-', "_");
    let gpu = state.topology().gpus.get(at);
    let nodes = gpu.into_iter().flat_map(|gpu| &gpu.device_nodes);
    Ok(Exposure {
        environment: [
            ("NVIDIA_VISIBLE_DEVICES".to_owned(), "void".to_owned()),
            (format!("SUPERCARGO_DEVICE_{variable}"), uuid),
        ]
        .into(),
        device_nodes: nodes
            .filter(|node| node.exists())
            .map(|node| node.to_string_lossy().into_owned())
            .map(|path| DeviceFile {
                host_path: path.clone(),
                path,
            })
            .collect(),
        mounts: vec![mount(&folder, format!("{DEVICES}/{}", device.name))],
    })
}

/// A GPU instance that a step made.
pub(super) fn instance(state: &State, at: At, placement: Placement) -> Exposure {
    let name = format!("gpu-{at}-{}", partitions::name(placement));
    let folder = partitions::path(state, at, placement);
    shown(mount(&folder, format!("{ROOT}/gpu-instances/{name}")))
}

/// A daemon that a step started.
pub(super) fn daemon(state: &State, claim: &str, name: &str) -> Result<Exposure, DeviceError> {
    let folder = daemon_path(state, claim, name)?;
    Ok(shown(mount(&folder, format!("{ROOT}/daemons/{name}"))))
}

/// A channel that a step opened.
pub(super) fn channel(state: &State, number: u32) -> Exposure {
    let file = Single::Channel(number).path(state);
    shown(mount(&file, format!("{ROOT}/imex-channels/{number}")))
}

fn shown(mount: BindMount) -> Exposure {
    Exposure {
        mounts: vec![mount],
        ..Exposure::default()
    }
}

fn mount(host: &std::path::Path, container_path: String) -> BindMount {
    BindMount {
        host_path: host.to_string_lossy().into_owned(),
        container_path,
        writable: false,
    }
}
