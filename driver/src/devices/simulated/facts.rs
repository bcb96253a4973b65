//! What is known about the GPUs of a topology, in the words of every NVIDIA source.

use std::collections::BTreeMap;

use super::state::{At, MIG_MODE, State, mode};
use super::topology::{Gpu, MigProfile};
use crate::devices::nvidia::facts::{self, Profile};
use crate::devices::{DeviceError, Fact, Unit};

pub(super) fn units(state: &State) -> Result<Vec<Unit>, DeviceError> {
    let gpus = state.topology().gpus.iter().enumerate();
    gpus.map(|(at, gpu)| unit(state, at, gpu)).collect()
}

fn unit(state: &State, at: At, gpu: &Gpu) -> Result<Unit, DeviceError> {
    let (topology, model) = (state.topology(), state.model(at)?);
    let mut known = BTreeMap::new();
    let mut tell = |name: &str, fact| known.insert(name.to_owned(), fact);
    let text = |text: &str| Fact::Text(text.to_owned());
    let version = |written: &str| Fact::Version(semantic(written));
    tell(facts::PCI_ADDRESS, text(&gpu.pci_bus_id));
    tell(facts::PCI_VENDOR, text("0x10de"));
    tell(facts::PCI_DEVICE, text(&model.pci_device));
    tell(facts::MINOR, whole(at));
    tell(facts::UUID, text(&gpu.uuid));
    tell(facts::PRODUCT_NAME, text(&model.product_name));
    tell(facts::BRAND, text(&model.brand));
    tell(facts::ARCHITECTURE, text(&model.architecture));
    tell(facts::MEMORY, Fact::Int(model.memory));
    tell(
        facts::CUDA_COMPUTE_CAPABILITY,
        version(&model.cuda_compute_capability),
    );
    tell(facts::DRIVER_VERSION, version(&topology.driver.version));
    tell(facts::CUDA_DRIVER_VERSION, version(&topology.driver.cuda));
    if let Some(mode) = &model.addressing_mode {
        tell(facts::ADDRESSING_MODE, text(mode));
    }
    if let Some(root) = &gpu.pcie_root {
        tell(facts::PCI_ROOT, text(root));
    }
    if let Some(numa) = gpu.numa_node {
        tell(facts::NUMA_NODE, Fact::Int(numa.into()));
    }
    if let Some(module) = gpu.module_id {
        tell(facts::MODULE_ID, Fact::Int(module.into()));
    }
    let links = topology.nvlinks.iter();
    let links: Vec<_> = links.filter(|link| link.gpus.contains(&at)).collect();
    if !links.is_empty() {
        let peers = links.iter().flat_map(|link| &link.gpus);
        let mut peers: Vec<usize> = peers.copied().filter(|peer| *peer != at).collect();
        peers.sort_unstable();
        peers.dedup();
        let peers = peers.into_iter().map(|peer| state.unit(peer).0).collect();
        tell(facts::NVLINK_PEERS, Fact::Texts(peers));
        let count = links.iter().map(|link| i64::from(link.links)).sum();
        tell(facts::NVLINK_LINKS, Fact::Int(count));
    }
    if let Some(fabric) = &topology.fabric {
        if let (Some(cluster), Some(clique)) = (&fabric.cluster_uuid, fabric.clique_id) {
            tell(facts::CLUSTER_UUID, text(cluster));
            tell(facts::CLIQUE_ID, Fact::Int(clique.into()));
        }
        let partitions = fabric.partitions.iter();
        let partitions: Vec<String> = partitions
            .filter(|partition| partition.gpus.contains(&at))
            .map(|partition| format!("{}:{}", partition.gpus.len(), partition.id))
            .collect();
        if !partitions.is_empty() {
            tell(facts::FABRIC_PARTITIONS, Fact::Texts(partitions));
        }
    }
    if let Some(now) = state.mig_mode(at)? {
        // What claims changed for a while is not how the hardware is announced.
        let layers = state.layers(at, MIG_MODE)?;
        let enabled = layers.map_or(now, |layers| layers.base() == mode(true));
        tell(facts::MIG_MODE, Fact::Bool(enabled));
        for profile in &model.mig_profiles {
            self::profile(profile).tell(&mut known);
        }
    }
    Ok(Unit {
        id: state.unit(at),
        facts: known,
    })
}

/// A profile as every source tells it.
pub(super) fn profile(profile: &MigProfile) -> Profile {
    Profile {
        id: profile.id.into(),
        name: profile.name.clone(),
        placements: profile.placements().collect(),
        memory: profile.memory,
        multiprocessors: profile.multiprocessors.into(),
        copy_engines: profile.copy_engines.into(),
        decoders: profile.decoders.into(),
        encoders: profile.encoders.into(),
        jpeg_engines: profile.jpeg_engines.into(),
        ofa_engines: profile.ofa_engines.into(),
    }
}

fn whole(number: usize) -> Fact {
    Fact::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A version as NVIDIA writes it (`580.95.05`, `13.0`) as a semantic one (`580.95.5`, `13.0.0`).
fn semantic(written: &str) -> String {
    let mut parts = written
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0))
        .chain(std::iter::repeat(0));
    let mut next = || parts.next().unwrap_or(0);
    format!("{}.{}.{}", next(), next(), next())
}
