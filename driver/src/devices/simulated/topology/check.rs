//! What a topology must hold to beyond its form: things named are there, numbers are in range.

use std::collections::BTreeSet;

use supercargo_host::names;

use super::{API_VERSION, Fault, Gpu, KIND, Model, Topology};
use crate::devices::simulated::health::Condition;

/// GPUs of one node.
const MOST_GPUS: usize = 64;
/// Entries of any other list or map.
const MOST_ENTRIES: usize = 64;
/// Memory slices of a GPU: with the other counters, a counter set holds 32.
const MOST_SLICES: u32 = 16;
/// Bytes of a text that becomes an attribute.
const MOST_TEXT: usize = 64;
/// Bytes of what is written to sysfs, and of a property.
const MOST_VALUE: usize = 4096;
/// IMEX channels of a node.
const MOST_CHANNELS: u32 = 2048;

pub(super) fn topology(topology: &Topology) -> Result<(), Fault> {
    if topology.api_version != API_VERSION {
        let found = &topology.api_version;
        return fault(
            "apiVersion",
            format!("{found:?} is not supported; write {API_VERSION}"),
        );
    }
    if topology.kind != KIND {
        return fault("kind", format!("{:?} is not {KIND}", topology.kind));
    }
    version("driver.version", &topology.driver.version)?;
    version("driver.cuda", &topology.driver.cuda)?;
    at_most("models", topology.models.len(), MOST_ENTRIES)?;
    for (name, described) in &topology.models {
        model(&format!("models.{name}"), described)?;
    }
    at_most("gpus", topology.gpus.len(), MOST_GPUS)?;
    let (mut uuids, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for (at, one) in topology.gpus.iter().enumerate() {
        let path = format!("gpus[{at}]");
        gpu(&path, one, topology)?;
        if !uuids.insert(&one.uuid) {
            return fault(&format!("{path}.uuid"), "is the UUID of an earlier GPU");
        }
        if !addresses.insert(&one.pci_bus_id) {
            return fault(
                &format!("{path}.pciBusID"),
                "is the address of an earlier GPU",
            );
        }
    }
    at_most("nvlinks", topology.nvlinks.len(), MOST_GPUS * MOST_GPUS)?;
    for (at, link) in topology.nvlinks.iter().enumerate() {
        gpus(&format!("nvlinks[{at}].gpus"), &link.gpus, topology, 2)?;
        range(&format!("nvlinks[{at}].links"), link.links, 1..=18)?;
    }
    fabric(topology)?;
    range("imexChannels", topology.imex_channels, 0..=MOST_CHANNELS)?;
    at_most("health", topology.health.len(), MOST_ENTRIES)?;
    for (at, event) in topology.health.iter().enumerate() {
        if let Some(gpu) = event.gpu {
            gpus(&format!("health[{at}].gpu"), &[gpu], topology, 1)?;
        }
        if let Err(message) = Condition::parse(&event.write) {
            return fault(&format!("health[{at}].write"), message);
        }
    }
    Ok(())
}

fn model(path: &str, model: &Model) -> Result<(), Fault> {
    for (field, value) in [
        ("productName", &model.product_name),
        ("brand", &model.brand),
        ("architecture", &model.architecture),
    ] {
        text(&format!("{path}.{field}"), value, MOST_TEXT)?;
    }
    version(
        &format!("{path}.cudaComputeCapability"),
        &model.cuda_compute_capability,
    )?;
    if let Some(mode) = &model.addressing_mode
        && !["HMM", "ATS", "None"].contains(&mode.as_str())
    {
        let message = format!("{mode:?} is none; write HMM, ATS or None");
        return fault(&format!("{path}.addressingMode"), message);
    }
    if !matches!(model.pci_device.strip_prefix("0x"), Some(digits) if is_hex(digits, 4..=4)) {
        let message = "is no PCI device number; write four hexadecimal digits, such as \"0x2330\"";
        return fault(&format!("{path}.pciDevice"), message);
    }
    properties(&format!("{path}.properties"), &model.properties)?;
    at_most(
        &format!("{path}.migProfiles"),
        model.mig_profiles.len(),
        MOST_ENTRIES,
    )?;
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (at, profile) in model.mig_profiles.iter().enumerate() {
        let path = format!("{path}.migProfiles[{at}]");
        let plain = profile.name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".+".contains(&byte)
        });
        if profile.name.is_empty() || profile.name.len() > 24 || !plain {
            let message = "is no profile; write something like 3g.40gb";
            return fault(&format!("{path}.name"), message);
        }
        if !names.insert(&profile.name) || !ids.insert(profile.id) {
            return fault(&path, "has the name or id of an earlier profile");
        }
        range(
            &format!("{path}.memorySlices"),
            profile.memory_slices,
            1..=MOST_SLICES,
        )?;
        range(
            &format!("{path}.computeSlices"),
            profile.compute_slices,
            1..=MOST_SLICES,
        )?;
        let starts: BTreeSet<u32> = profile.starts.iter().copied().collect();
        if starts.is_empty() || starts.len() != profile.starts.len() {
            let message = "must name at least one memory slice, and none twice";
            return fault(&format!("{path}.starts"), message);
        }
        for (nth, start) in profile.starts.iter().enumerate() {
            let path = format!("{path}.starts[{nth}]");
            range(&path, *start, 0..=MOST_SLICES - profile.memory_slices)?;
        }
    }
    Ok(())
}

fn gpu(path: &str, gpu: &Gpu, topology: &Topology) -> Result<(), Fault> {
    let at = |field: &str| format!("{path}.{field}");
    let Some(model) = topology.model(gpu) else {
        let known: Vec<&str> = topology.models.keys().map(String::as_str).collect();
        let message = format!(
            "no model is named {:?}; there are: {}",
            gpu.model,
            known.join(", ")
        );
        return fault(&at("model"), message);
    };
    if !matches!(gpu.uuid.strip_prefix("GPU-"), Some(uuid) if is_uuid(uuid)) {
        let message = "is no UUID of a GPU; write GPU- and a UUID in lower case";
        return fault(&at("uuid"), message);
    }
    if !is_pci_address(&gpu.pci_bus_id) {
        let message = "is no PCI address; write domain:bus:device.function in lower case, such as 0000:1b:00.0";
        return fault(&at("pciBusID"), message);
    }
    if let Some(root) = &gpu.pcie_root {
        text(&at("pcieRoot"), root, MOST_TEXT)?;
    }
    if gpu.mig_mode && model.mig_profiles.is_empty() {
        let message = format!("{} cannot be partitioned; remove the field", gpu.model);
        return fault(&at("migMode"), message);
    }
    at_most(&at("deviceNodes"), gpu.device_nodes.len(), MOST_ENTRIES)?;
    for (nth, node) in gpu.device_nodes.iter().enumerate() {
        let plain = node
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
        if !node.starts_with("/dev") || !plain {
            return fault(
                &format!("{path}.deviceNodes[{nth}]"),
                "is not below /dev; write an absolute path without `..`",
            );
        }
    }
    at_most(&at("sysfs"), gpu.sysfs.len(), MOST_ENTRIES)?;
    for (name, value) in &gpu.sysfs {
        let path = format!("{path}.sysfs.{name}");
        if !is_relative(name) {
            return fault(
                &path,
                "is no path below the device's folder; write plain names and `/`",
            );
        }
        if value.len() > MOST_VALUE {
            return fault(&path, format!("is longer than {MOST_VALUE} bytes"));
        }
    }
    properties(&at("properties"), &gpu.properties)
}

fn fabric(topology: &Topology) -> Result<(), Fault> {
    let Some(fabric) = &topology.fabric else {
        return Ok(());
    };
    if fabric.cluster_uuid.is_some() != fabric.clique_id.is_some() {
        return fault(
            "fabric",
            "clusterUUID and cliqueID go together; write both or neither",
        );
    }
    if fabric
        .cluster_uuid
        .as_deref()
        .is_some_and(|uuid| !is_uuid(uuid))
    {
        return fault("fabric.clusterUUID", "is no UUID in lower case");
    }
    at_most("fabric.partitions", fabric.partitions.len(), MOST_ENTRIES)?;
    let mut ids = BTreeSet::new();
    for (at, partition) in fabric.partitions.iter().enumerate() {
        let path = format!("fabric.partitions[{at}]");
        gpus(&format!("{path}.gpus"), &partition.gpus, topology, 1)?;
        if !ids.insert(partition.id) {
            return fault(&format!("{path}.id"), "is the id of an earlier partition");
        }
    }
    Ok(())
}

fn gpus(path: &str, gpus: &[usize], topology: &Topology, least: usize) -> Result<(), Fault> {
    let distinct: BTreeSet<_> = gpus.iter().collect();
    if distinct.len() != gpus.len() || gpus.len() < least {
        return fault(
            path,
            format!("must name at least {least} GPUs, and none twice"),
        );
    }
    match gpus.iter().find(|gpu| **gpu >= topology.gpus.len()) {
        Some(gpu) => {
            let count = topology.gpus.len();
            fault(
                path,
                format!("there is no GPU {gpu}; there are {count}, counted from 0"),
            )
        }
        None => Ok(()),
    }
}

fn properties(
    path: &str,
    properties: &std::collections::BTreeMap<String, super::Property>,
) -> Result<(), Fault> {
    at_most(path, properties.len(), MOST_ENTRIES)?;
    for (name, value) in properties {
        let path = format!("{path}.{name}");
        if let Err(rule) = names::dns_label(name) {
            return fault(&path, format!("the name {rule}"));
        }
        if matches!(value, super::Property::String(text) if text.len() > MOST_VALUE) {
            return fault(&path, format!("is longer than {MOST_VALUE} bytes"));
        }
    }
    Ok(())
}

fn version(path: &str, version: &str) -> Result<(), Fault> {
    let parts = version.split('.');
    let numeric = |part: &str| !part.is_empty() && part.parse::<u32>().is_ok();
    if (1..=3).contains(&parts.clone().count()) && parts.clone().all(numeric) {
        Ok(())
    } else {
        fault(
            path,
            format!("{version:?} is no version; write up to three numbers with dots between"),
        )
    }
}

fn text(path: &str, text: &str, most: usize) -> Result<(), Fault> {
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        fault(path, format!("must be 1 to {most} bytes of text"))
    } else {
        Ok(())
    }
}

fn range(path: &str, number: u32, range: std::ops::RangeInclusive<u32>) -> Result<(), Fault> {
    if range.contains(&number) {
        Ok(())
    } else {
        let (least, most) = range.into_inner();
        fault(
            path,
            format!("{number} is out of range; write {least} to {most}"),
        )
    }
}

fn at_most(path: &str, count: usize, most: usize) -> Result<(), Fault> {
    if count > most {
        fault(
            path,
            format!("has {count} entries; at most {most} are allowed"),
        )
    } else {
        Ok(())
    }
}

fn fault<T>(path: &str, message: impl Into<String>) -> Result<T, Fault> {
    Err((path.to_owned(), message.into()))
}

/// Whether a path stays below where it starts.
pub(in crate::devices::simulated) fn is_relative(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 256
        && path.split('/').all(|part| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
        })
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    lengths.iter().all(|&length| {
        parts
            .next()
            .is_some_and(|part| is_hex(part, length..=length))
    }) && parts.next().is_none()
}

fn is_pci_address(text: &str) -> bool {
    let Some((address, function)) = text.rsplit_once('.') else {
        return false;
    };
    let mut parts = address.split(':');
    matches!(function.as_bytes(), [b'0'..=b'7'])
        && parts.next().is_some_and(|domain| is_hex(domain, 4..=8))
        && parts.next().is_some_and(|bus| is_hex(bus, 2..=2))
        && parts.next().is_some_and(|device| is_hex(device, 2..=2))
        && parts.next().is_none()
}

fn is_hex(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
