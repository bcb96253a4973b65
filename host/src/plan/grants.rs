//! What an administrator lets one policy do to devices and containers: `policies[].grants`.
//!
//! The list is empty unless it is written, and an empty list grants nothing. Each entry is a [`Grant`]:
//! on which devices, and what. A step or an edit is admitted when one entry admits all of it; entries
//! never add up to more than each of them says. Whatever a policy can word freely (paths, names,
//! values) is admitted by [patterns](pattern) that are small enough to be read without a manual.
//!
//! What gives power over the whole node or turns data into code (`/dev/mem`, a mount of `/etc`,
//! `LD_PRELOAD`) is never admitted by a `*`, only by its full name: see [`sensitive`].
//!
//! ```yaml
//! grants:
//! - devices: {attributes: {type: gpu}}
//!   setComputeMode: [shared]
//!   setTimeSlice: [driverDefault, short, medium, long]
//! - environment: ["EXAMPLE_*"]
//!   mounts: [{hostPath: "/opt/example/lib/lib*.so", executable: true}]
//! ```

mod bounds;
mod daemon;
mod edits;
mod pattern;
mod selector;
pub(crate) mod sensitive;
mod span;

use serde::{Deserialize, Serialize};

pub use bounds::{PropertyGrant, Scalar, SysfsGrant};
pub use daemon::{DaemonGrant, OptionGrant};
pub use edits::{DeviceNodeGrant, HookGrant, MountGrant, NodeAccess};
pub(super) use edits::{accesses, host_path};
pub(super) use pattern::plain_path;
pub use pattern::{Below, Name, Path, PatternError, Words};
pub use selector::DeviceSelector;
pub use span::Span;

use crate::policy::configuration::{ComputeMode, TimeSlice};

/// Grants of one policy.
const MOST_GRANTS: usize = 128;
/// Entries of a list in a grant.
const MOST_ENTRIES: usize = 1024;
/// The last IMEX channel.
const LAST_CHANNEL: u32 = 2047;

/// All that one policy may do.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Vec<Grant>", into = "Vec<Grant>")]
pub struct Grants(Vec<Grant>);

/// On which devices, and what. Words are those of the actions and edits in `wit/configuration.wit`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grant {
    /// The devices that steps may change, and whose containers edits may reach. Not written: all
    /// devices of the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceSelector>,
    /// Whether steps may also change what other claims may be using: devices that are shared or held
    /// with admin access, and the rest of the hardware of which the claim has a part.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared_devices: bool,

    /// Compute modes that may be set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_compute_mode: Vec<ComputeMode>,
    /// Time slices that may be set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_time_slice: Vec<TimeSlice>,
    /// Whether partitioning may be turned on (`true`), off (`false`), or both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_mig_mode: Vec<bool>,
    /// Profiles of GPU instances that may be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_gpu_instance: Vec<Name>,
    /// Profiles of compute instances that may be made, in GPU instances of the same plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_compute_instance: Vec<Name>,
    /// Whether GPU instances may be removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub destroy_gpu_instance: bool,
    /// Kernel drivers that devices may be given to; `none`: no driver at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bind_pci_driver: Vec<Name>,
    /// Daemons that may be started and stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_daemon: Vec<DaemonGrant>,
    /// IMEX channels that may be opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_imex_channel: Vec<Span>,
    /// Partitions of the fabric that may be connected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub activate_fabric_partition: Vec<Span>,
    /// Attributes in sysfs that may be written, and with what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_sysfs: Vec<SysfsGrant>,
    /// Properties that may be set, and to what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_property: Vec<PropertyGrant>,

    /// Environment variables, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Name>,
    /// Device nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_nodes: Vec<DeviceNodeGrant>,
    /// Bind mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountGrant>,
    /// Programs of the node that the container runtime may be told to call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookGrant>,
    /// Network interfaces of the node that may be moved into a container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_interfaces: Vec<Name>,
    /// Groups that the container's process may belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_groups: Vec<Span>,
}

impl Grants {
    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// The command of a daemon, as the administrator wrote it: the program and its arguments.
    #[must_use]
    pub fn daemon(&self, name: &str) -> Option<&[String]> {
        let daemons = self.0.iter().flat_map(|grant| &grant.start_daemon);
        let mut named = daemons.filter(|daemon| daemon.name == name);
        named.next().map(|daemon| daemon.command.as_slice())
    }
}

impl From<Grants> for Vec<Grant> {
    fn from(grants: Grants) -> Self {
        grants.0
    }
}

impl TryFrom<Vec<Grant>> for Grants {
    type Error = String;

    /// Refuses what can be read but makes no sense.
    fn try_from(grants: Vec<Grant>) -> Result<Self, String> {
        if grants.len() > MOST_GRANTS {
            return Err(format!(
                "{} grants; at most {MOST_GRANTS} are read",
                grants.len()
            ));
        }
        for (index, grant) in grants.iter().enumerate() {
            grant
                .check()
                .map_err(|(field, problem)| format!("[{index}].{field}: {problem}"))?;
        }
        let grants = Self(grants);
        for daemon in grants.0.iter().flat_map(|grant| &grant.start_daemon) {
            if grants.daemon(&daemon.name) != Some(&daemon.command) {
                return Err(format!(
                    "daemon {:?} is described with two commands; give it one",
                    daemon.name
                ));
            }
        }
        Ok(grants)
    }
}

impl Grant {
    /// Adds what another entry for the same devices grants.
    pub(super) fn add(&mut self, other: &Self) {
        fn merge<T: Clone + PartialEq>(into: &mut Vec<T>, from: &[T]) {
            for entry in from {
                if !into.contains(entry) {
                    into.push(entry.clone());
                }
            }
        }
        self.destroy_gpu_instance |= other.destroy_gpu_instance;
        merge(&mut self.set_compute_mode, &other.set_compute_mode);
        merge(&mut self.set_time_slice, &other.set_time_slice);
        merge(&mut self.set_mig_mode, &other.set_mig_mode);
        merge(&mut self.create_gpu_instance, &other.create_gpu_instance);
        merge(
            &mut self.create_compute_instance,
            &other.create_compute_instance,
        );
        merge(&mut self.bind_pci_driver, &other.bind_pci_driver);
        merge(&mut self.start_daemon, &other.start_daemon);
        merge(&mut self.open_imex_channel, &other.open_imex_channel);
        merge(
            &mut self.activate_fabric_partition,
            &other.activate_fabric_partition,
        );
        merge(&mut self.write_sysfs, &other.write_sysfs);
        merge(&mut self.set_property, &other.set_property);
        merge(&mut self.environment, &other.environment);
        merge(&mut self.device_nodes, &other.device_nodes);
        merge(&mut self.mounts, &other.mounts);
        merge(&mut self.hooks, &other.hooks);
        merge(&mut self.network_interfaces, &other.network_interfaces);
        merge(&mut self.additional_groups, &other.additional_groups);
    }

    fn check(&self) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: String| Err((field.to_owned(), problem));
        for (field, entries) in [
            ("createGpuInstance", self.create_gpu_instance.len()),
            ("createComputeInstance", self.create_compute_instance.len()),
            ("bindPciDriver", self.bind_pci_driver.len()),
            ("startDaemon", self.start_daemon.len()),
            ("openImexChannel", self.open_imex_channel.len()),
            (
                "activateFabricPartition",
                self.activate_fabric_partition.len(),
            ),
            ("writeSysfs", self.write_sysfs.len()),
            ("setProperty", self.set_property.len()),
            ("environment", self.environment.len()),
            ("deviceNodes", self.device_nodes.len()),
            ("mounts", self.mounts.len()),
            ("hooks", self.hooks.len()),
            ("networkInterfaces", self.network_interfaces.len()),
            ("additionalGroups", self.additional_groups.len()),
        ] {
            if entries > MOST_ENTRIES {
                return wrong(field, format!("{entries} entries; at most {MOST_ENTRIES}"));
            }
        }
        for (index, span) in self.open_imex_channel.iter().enumerate() {
            if span.last() > LAST_CHANNEL {
                let problem = format!("{span} is beyond the last channel, {LAST_CHANNEL}");
                return wrong(&format!("openImexChannel[{index}]"), problem);
            }
        }
        for (index, span) in self.additional_groups.iter().enumerate() {
            if span.first() == 0 {
                let problem = "group 0 is root's and cannot be granted".to_owned();
                return wrong(&format!("additionalGroups[{index}]"), problem);
            }
        }
        let at = |list: &str, index: usize| {
            let list = list.to_owned();
            move |(field, problem): (&str, String)| (format!("{list}[{index}].{field}"), problem)
        };
        for (index, daemon) in self.start_daemon.iter().enumerate() {
            daemon.check().map_err(at("startDaemon", index))?;
        }
        for (index, sysfs) in self.write_sysfs.iter().enumerate() {
            sysfs.check().map_err(at("writeSysfs", index))?;
        }
        for (index, property) in self.set_property.iter().enumerate() {
            property.check().map_err(at("setProperty", index))?;
        }
        for (index, hook) in self.hooks.iter().enumerate() {
            hook.check().map_err(at("hooks", index))?;
        }
        Ok(())
    }
}
