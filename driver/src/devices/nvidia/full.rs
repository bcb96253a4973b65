//! A whole GPU.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};

use super::facts::{self, Facts, Profile};
use super::{partition, value};
use crate::devices::DeviceError;

/// The GPU as a device. `profiles` are what it can be cut into, when it is announced in parts too; it
/// then draws on all that the parts draw on.
pub(super) fn device(
    gpu: &Facts<'_>,
    nvlink_group: Option<i64>,
    profiles: &[Profile],
) -> Result<Device, DeviceError> {
    let mut attributes = shared(gpu)?;
    let mut tell = |name: &str, value| attributes.insert(name.to_owned(), value);
    tell("type", value::text("gpu"));
    tell("uuid", value::text(gpu.needed(facts::UUID)?));
    if let Some(id) = gpu.number(facts::MODULE_ID) {
        tell("gpuModuleID", value::number(id));
    }
    for partition in gpu.texts(facts::FABRIC_PARTITIONS) {
        if let Some((size, id)) = partition.split_once(':')
            && let Ok(id) = id.parse()
        {
            tell(&format!("partition{size}"), value::number(id));
        }
    }
    if let Some(group) = nvlink_group {
        tell("supercargo.dev/nvlinkGroup", value::number(group));
    }
    if let (Some(cluster), Some(clique)) =
        (gpu.text(facts::CLUSTER_UUID), gpu.number(facts::CLIQUE_ID))
    {
        let clique = format!("{cluster}.{clique}");
        tell("supercargo.dev/nvlinkClique", value::text(&clique));
    }
    let memory = gpu.number(facts::MEMORY);
    let capacity = memory.map(|memory| ("memory".to_owned(), value::capacity("memory", memory)));
    Ok(Device {
        name: name(gpu)?,
        attributes: Some(attributes),
        capacity: capacity.map(|capacity| [capacity].into()),
        consumes_counters: match profiles {
            [] => None,
            profiles => Some(vec![partition::all(gpu, profiles)?]),
        },
        ..Device::default()
    })
}

/// `gpu-<minor>`.
pub(super) fn name(gpu: &Facts<'_>) -> Result<String, DeviceError> {
    Ok(format!("gpu-{}", gpu.needed_number(facts::MINOR)?))
}

/// What a GPU says of itself and of each of its partitions.
pub(super) fn shared(gpu: &Facts<'_>) -> Result<BTreeMap<String, DeviceAttribute>, DeviceError> {
    let mut attributes = BTreeMap::new();
    let mut tell = |name: &str, value| attributes.insert(name.to_owned(), value);
    for (name, fact) in [
        ("productName", facts::PRODUCT_NAME),
        ("brand", facts::BRAND),
        ("architecture", facts::ARCHITECTURE),
        ("resource.kubernetes.io/pciBusID", facts::PCI_ADDRESS),
    ] {
        tell(name, value::text(gpu.needed(fact)?));
    }
    for (name, fact) in [
        ("cudaComputeCapability", facts::CUDA_COMPUTE_CAPABILITY),
        ("driverVersion", facts::DRIVER_VERSION),
        ("cudaDriverVersion", facts::CUDA_DRIVER_VERSION),
    ] {
        tell(name, value::version(gpu.needed(fact)?));
    }
    if let Some(mode) = gpu.text(facts::ADDRESSING_MODE) {
        tell("addressingMode", value::text(mode));
    }
    if let Some(root) = gpu.text(facts::PCI_ROOT) {
        tell("resource.kubernetes.io/pcieRoot", value::text(root));
    }
    if let Some(numa) = gpu.number(facts::NUMA_NODE) {
        tell("resource.kubernetes.io/numaNode", value::number(numa));
    }
    Ok(attributes)
}
