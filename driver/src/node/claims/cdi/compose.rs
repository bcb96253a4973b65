//! From a claim, what its devices expose, and what policies add, to a CDI file.

use std::collections::{BTreeMap, BTreeSet};

use supercargo_host::plan::{ClaimOnNode, DeviceOfClaim};

use super::files::CHECKPOINT;
use super::spec::{ContainerEdits, Device, DeviceNode, Mount, Spec};
use crate::devices::{BindMount, DeviceFile, Exposure};

/// Runtimes refuse annotations of more than 256 KiB. A larger checkpoint does not travel.
pub(in crate::node::claims) const MOST_ANNOTATION: usize = 128 << 10;

/// What a claim's file is made of.
pub(in crate::node::claims) struct Composed<'a> {
    pub(in crate::node::claims) kind: String,
    pub(in crate::node::claims) claim: &'a ClaimOnNode,
    /// The claim's sealed checkpoint.
    pub(in crate::node::claims) checkpoint: &'a [u8],
    /// What each device exposes, in the claim's order.
    pub(in crate::node::claims) exposures: Vec<Exposure>,
    /// What comes on top: for users of the devices at these positions, or with none of all the claim.
    pub(in crate::node::claims) edits: Vec<(Vec<usize>, ContainerEdits)>,
}

/// The names of the claim's devices in its file, in order: `<uid>-<device>`, and where the claim has a
/// any device twice (two shares, or administrative access besides) the position after each.
pub(in crate::node::claims) fn device_names(claim: &ClaimOnNode) -> Vec<String> {
    tails(claim)
        .into_iter()
        .map(|tail| format!("{}-{tail}", claim.uid))
        .collect()
}

fn tails(claim: &ClaimOnNode) -> Vec<String> {
    let names: BTreeSet<&str> = claim
        .devices
        .iter()
        .map(|one| one.device.as_str())
        .collect();
    // After each, because `gpu-0` with a 1 after it may be another device's name.
    let repeated = names.len() < claim.devices.len();
    let devices = claim.devices.iter().enumerate();
    devices
        .map(|(position, device)| match repeated {
            true => format!("{}-{position}", device.device),
            false => device.device.clone(),
        })
        .collect()
}

/// The file's content.
pub(in crate::node::claims) fn compose(composed: Composed<'_>) -> Spec {
    let claim = composed.claim;
    let mut shared = ContainerEdits::default();
    let mut devices: Vec<Device> = device_names(claim)
        .into_iter()
        .zip(variables(claim))
        .zip(composed.exposures)
        .map(|((name, variables), exposure)| {
            let mut edits = ContainerEdits::from(exposure);
            edits.env.extend(variables);
            Device {
                name,
                container_edits: edits,
            }
        })
        .collect();
    for (positions, edits) in composed.edits {
        if positions.is_empty() {
            shared.extend(edits.clone());
        }
        for position in positions {
            if let Some(device) = devices.get_mut(position) {
                device.container_edits.extend(edits.clone());
            }
        }
    }
    let checkpoint = std::str::from_utf8(composed.checkpoint)
        .ok()
        .filter(|text| text.len() <= MOST_ANNOTATION)
        .unwrap_or_default();
    let annotations = BTreeMap::from([(CHECKPOINT.to_owned(), checkpoint.to_owned())]);
    Spec::new(composed.kind, annotations, devices, shared)
}

/// How the claim holds each of its devices, for programs that share one: `NAME=value` of
/// `SUPERCARGO_<DEVICE>_SHARE_ID`, `..._ADMIN_ACCESS` and `..._CAPACITY_<NAME>`.
#[must_use]
pub fn variables(claim: &ClaimOnNode) -> Vec<Vec<String>> {
    let tails = tails(claim);
    let devices = tails.iter().zip(&claim.devices);
    devices
        .map(|(tail, device)| holding(tail, device))
        .collect()
}

fn holding(tail: &str, device: &DeviceOfClaim) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars()
            .map(|character| match character {
                'a'..='z' => character.to_ascii_uppercase(),
                'A'..='Z' | '0'..='9' => character,
                _ => '_',
            })
            .collect()
    };
    let prefix = format!("SUPERCARGO_{}", name(tail));
    let mut variables = Vec::new();
    if let Some(share) = &device.share_id {
        variables.push(format!("{prefix}_SHARE_ID={share}"));
    }
    if device.admin_access {
        variables.push(format!("{prefix}_ADMIN_ACCESS=true"));
    }
    for (capacity, amount) in &device.consumed_capacity {
        variables.push(format!("{prefix}_CAPACITY_{}={}", name(capacity), amount.0));
    }
    variables
}

impl From<Exposure> for ContainerEdits {
    fn from(exposure: Exposure) -> Self {
        let Exposure {
            environment,
            device_nodes,
            mounts,
        } = exposure;
        Self {
            env: environment
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            device_nodes: device_nodes.into_iter().map(DeviceNode::from).collect(),
            mounts: mounts.into_iter().map(Mount::from).collect(),
            ..Self::default()
        }
    }
}

impl From<DeviceFile> for DeviceNode {
    fn from(file: DeviceFile) -> Self {
        Self {
            host_path: (file.host_path != file.path).then_some(file.host_path),
            path: file.path,
            file_mode: None,
            permissions: None,
            uid: None,
            gid: None,
        }
    }
}

impl From<BindMount> for Mount {
    fn from(mount: BindMount) -> Self {
        Self {
            options: mount_options(mount.writable, true),
            host_path: mount.host_path,
            container_path: mount.container_path,
        }
    }
}

pub(super) fn mount_options(writable: bool, executable: bool) -> Vec<String> {
    let options = [
        "bind",
        if writable { "rw" } else { "ro" },
        "nosuid",
        "nodev",
    ];
    options
        .into_iter()
        .chain((!executable).then_some("noexec"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_devices_of_a_claim_have_one_name() {
        let device = |name: &str| json!({"request": "r", "driver": "d", "pool": "p", "device": name, "unit": "u"});
        let claim = |names: &[&str]| -> ClaimOnNode {
            let devices: Vec<_> = names.iter().map(|name| device(name)).collect();
            serde_json::from_value(
                json!({"uid": "u", "name": "c", "namespace": "ns", "node": "n",
                "devices": devices, "parameters": []}),
            )
            .unwrap()
        };
        assert_eq!(
            device_names(&claim(&["gpu-0", "gpu-1"])),
            ["u-gpu-0", "u-gpu-1"]
        );
        assert_eq!(
            device_names(&claim(&["gpu-0", "gpu-0", "gpu-0-1"])),
            ["u-gpu-0-0", "u-gpu-0-1", "u-gpu-0-1-2"]
        );
    }
}
