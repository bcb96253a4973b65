//! One step of a checked plan, as the device layer executes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::configuration::{ComputeMode, Placement, PropertyValue, TimeSlice};

/// A piece of hardware of this node: the stable identity its source gave it, a PCI address or a UUID.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitId(pub String);

impl fmt::Display for UnitId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One step: the action of the WIT (`wit/configuration.wit`) with the positions of devices resolved to
/// the hardware they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "step",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Step {
    /// Set who may use a GPU at once.
    SetComputeMode {
        /// The GPU.
        unit: UnitId,
        /// The mode.
        mode: ComputeMode,
    },
    /// Set how long a turn on a shared GPU is.
    SetTimeSlice {
        /// The GPU.
        unit: UnitId,
        /// How long.
        interval: TimeSlice,
    },
    /// Turn partitioning on or off.
    SetMigMode {
        /// The GPU.
        unit: UnitId,
        /// On or off.
        enabled: bool,
    },
    /// Make a GPU instance.
    CreateGpuInstance {
        /// The GPU.
        unit: UnitId,
        /// The profile, such as `3g.20gb`.
        profile: String,
        /// Where; `None`: where the driver likes. The device layer settles it before the step runs.
        placement: Option<Placement>,
    },
    /// Make a compute instance.
    CreateComputeInstance {
        /// The step that makes the GPU instance: a position in the plan's steps.
        gpu_instance: usize,
        /// The profile, such as `1c.3g.20gb`.
        profile: String,
    },
    /// Remove a GPU instance and the compute instances in it.
    DestroyGpuInstance {
        /// The GPU.
        unit: UnitId,
        /// The instance that sits just there.
        placement: Placement,
    },
    /// Give a PCI device to another kernel driver.
    BindPciDriver {
        /// The device.
        unit: UnitId,
        /// The kernel driver; `None`: no driver at all.
        driver: Option<String>,
    },
    /// Start a daemon for this claim.
    StartDaemon {
        /// Its name in the grants.
        daemon: String,
        /// The hardware it serves.
        units: Vec<UnitId>,
        /// Options, by name.
        options: Vec<(String, String)>,
    },
    /// Stop a daemon of this claim.
    StopDaemon {
        /// Its name in the grants.
        daemon: String,
    },
    /// Open an IMEX channel.
    OpenImexChannel {
        /// The channel: 0 to 2,047.
        channel: u32,
    },
    /// Connect a partition of the fabric.
    ActivateFabricPartition {
        /// The partition, by the number the fabric has for it.
        partition: u32,
        /// The hardware it must hold, all of it and no other.
        units: Vec<UnitId>,
    },
    /// Write one attribute of a device in sysfs.
    WriteSysfs {
        /// The device.
        unit: UnitId,
        /// The file, relative to the device's own folder.
        attribute: String,
        /// What to write.
        value: String,
    },
    /// Set a property by name.
    SetProperty {
        /// The device.
        unit: UnitId,
        /// The property.
        name: String,
        /// Its new value.
        value: PropertyValue,
    },
}

impl Step {
    /// The step as it is after `base` others: where it refers to one of its plan, it refers to where that
    /// is then.
    #[must_use]
    pub fn after(self, base: usize) -> Self {
        match self {
            Self::CreateComputeInstance {
                gpu_instance,
                profile,
            } => Self::CreateComputeInstance {
                gpu_instance: gpu_instance + base,
                profile,
            },
            other => other,
        }
    }

    /// The hardware it is about, where it names any itself.
    #[must_use]
    pub fn units(&self) -> &[UnitId] {
        match self {
            Self::SetComputeMode { unit, .. }
            | Self::SetTimeSlice { unit, .. }
            | Self::SetMigMode { unit, .. }
            | Self::CreateGpuInstance { unit, .. }
            | Self::DestroyGpuInstance { unit, .. }
            | Self::BindPciDriver { unit, .. }
            | Self::WriteSysfs { unit, .. }
            | Self::SetProperty { unit, .. } => std::slice::from_ref(unit),
            Self::StartDaemon { units, .. } | Self::ActivateFabricPartition { units, .. } => units,
            Self::CreateComputeInstance { .. }
            | Self::StopDaemon { .. }
            | Self::OpenImexChannel { .. } => &[],
        }
    }
}
