//! The specification's own types, as far as this driver writes them.
//!
//! Runtimes refuse a file whose `cdiVersion` they do not know, and one that uses a field its
//! `cdiVersion` does not have. So a file names the oldest version that has what it uses, by the table of
//! released versions in the specification (`SPEC.md` of container-device-interface).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::node::claims) struct Spec {
    pub(super) cdi_version: String,
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) devices: Vec<Device>,
    /// For whoever uses any of the devices.
    #[serde(default, skip_serializing_if = "ContainerEdits::is_empty")]
    pub(super) container_edits: ContainerEdits,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) name: String,
    /// Required, also when it is empty.
    pub(super) container_edits: ContainerEdits,
}

/// What changes in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::node::claims) struct ContainerEdits {
    /// `NAME=value`; the last of a name holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) device_nodes: Vec<DeviceNode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) net_devices: Vec<NetDevice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) mounts: Vec<Mount>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hooks: Vec<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) additional_gids: Vec<u32>,
}

/// A node in `/dev`. Kind and numbers are left to the runtime, which reads them from the host's node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceNode {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file_mode: Option<u32>,
    /// Of `r`, `w` and `m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) permissions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gid: Option<u32>,
}

/// A network interface moved into the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetDevice {
    pub(super) host_interface_name: String,
    pub(super) name: String,
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) host_path: String,
    pub(super) container_path: String,
    pub(super) options: Vec<String>,
}

/// A program that the runtime calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    pub(super) hook_name: String,
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<u32>,
}

impl Spec {
    /// A file of this kind for these devices, under the oldest version that has what they use.
    pub(super) fn new(
        kind: String,
        annotations: BTreeMap<String, String>,
        devices: Vec<Device>,
        container_edits: ContainerEdits,
    ) -> Self {
        let uses = |used: fn(&ContainerEdits) -> bool| {
            used(&container_edits) || devices.iter().any(|device| used(&device.container_edits))
        };
        let cdi_version = if uses(|edits| !edits.net_devices.is_empty()) {
            "1.1.0"
        } else if uses(|edits| !edits.additional_gids.is_empty()) {
            "0.7.0"
        } else {
            // Annotations, which every file has.
            "0.6.0"
        };
        Self {
            cdi_version: cdi_version.to_owned(),
            kind,
            annotations,
            devices,
            container_edits,
        }
    }
}

impl ContainerEdits {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds changes that come on top.
    pub(in crate::node::claims) fn extend(&mut self, more: Self) {
        self.env.extend(more.env);
        self.device_nodes.extend(more.device_nodes);
        self.net_devices.extend(more.net_devices);
        self.mounts.extend(more.mounts);
        self.hooks.extend(more.hooks);
        self.additional_gids.extend(more.additional_gids);
    }
}
