//! Where devices come from, and what can be done to them.
//!
//! A [`Source`] finds hardware, says what is announced of it when no policy has a say, and carries out
//! the steps of checked plans. Steps are carried out in two halves, so that a crash can be healed:
//! [`Source::prepare_step`] settles what is left open and reads what the step will change, the caller
//! writes that [`Undo`] to the checkpoint, and only then [`Source::apply`] acts. An undo may be run
//! for a step that never ran, ran half, or was undone already.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::resource::v1::{CounterSet, Device};
use serde::{Deserialize, Serialize};
use supercargo_host::plan::{Step, UnitId};

mod folder;
pub mod nvidia;
mod settings;
pub mod simulated;

/// A piece of hardware and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Its stable identity on the node.
    pub id: UnitId,
    /// What is known, by name, such as `pci.vendor` or `nvml.memory-bytes`.
    pub facts: BTreeMap<String, Fact>,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A whole number.
    Int(i64),
    /// A truth.
    Bool(bool),
    /// Text.
    Text(String),
    /// A semantic version.
    Version(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// A device as the node announces it, and the hardware it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnouncedDevice {
    /// What goes into the ResourceSlice.
    pub device: Device,
    /// The hardware, or the hardware of which the device is a part.
    pub unit: UnitId,
}

/// All that a node announces of one driver: the content of its pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Announced {
    /// The devices, in the order in which first fit shall see them.
    pub devices: Vec<AnnouncedDevice>,
    /// The counters that the devices draw from.
    pub counter_sets: Vec<CounterSet>,
}

/// A node in `/dev` that a container is to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFile {
    /// Absolute path in the container.
    pub path: String,
    /// Absolute path on the host.
    pub host_path: String,
}

/// A file or folder of the host that a container is to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindMount {
    /// Absolute path on the host.
    pub host_path: String,
    /// Absolute path in the container.
    pub container_path: String,
    /// Whether the container may write.
    pub writable: bool,
}

/// What makes a device, or something a step made, visible in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Device nodes.
    pub device_nodes: Vec<DeviceFile>,
    /// Bind mounts.
    pub mounts: Vec<BindMount>,
}

/// A step with nothing left open, and how it is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedStep {
    /// What [`Source::apply`] is to do.
    pub step: Step,
    /// What [`Source::undo`] is to do; `None`: there is nothing to undo, because a later or an earlier
    /// undo covers it.
    pub undo: Option<Undo>,
}

/// How a step is undone: a step back to what was read before, or something that only the source that
/// wrote it reads. Kept in the checkpoint; a source reads what the previous release wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Undo(pub serde_json::Value);

/// Something that happened to hardware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthEvent {
    /// The hardware; `None`: all of the node.
    pub unit: Option<UnitId>,
    /// The part of the hardware that it is about, by the name that [`Source::announce`] gives it;
    /// `None`: all of the hardware. Where nothing of that name is announced, all of it is meant.
    pub device: Option<String>,
    /// What saw it, in the words of the contract (`wit/inventory.wit`): `xid`, `ecc`, `nvlink`,
    /// `thermal`, `pci`, `lost` or `recovered`.
    pub source: String,
    /// The source's own number for it; 0: it is well again.
    pub code: i64,
    /// What the source says.
    pub message: String,
    /// Whether the hardware is usable.
    pub healthy: bool,
}

/// Why the device layer could not do something.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no such hardware.
    #[error(
        "no device {0} on this node; see what the node announces with `kubectl get resourceslices`"
    )]
    NoSuchUnit(UnitId),
    /// The hardware cannot do that at all.
    #[error("{unit} does not support {what}")]
    Unsupported {
        /// The hardware.
        unit: UnitId,
        /// What was asked of it.
        what: String,
    },
    /// The hardware refuses it as it stands now: busy, no room for an instance. Trying again may help.
    #[error("{unit}: {what}: {reason}")]
    Refused {
        /// The hardware.
        unit: UnitId,
        /// What was asked of it.
        what: String,
        /// What it says.
        reason: String,
    },
    /// The layer below failed: a library, a file.
    #[error("{what}: {source}")]
    Failed {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A kind of hardware access. Calls block and may take long; callers run them off the async threads.
pub trait Source: fmt::Debug + Send + Sync {
    /// What it is called in facts and plans: `nvml`, `pci` or `simulated`.
    fn name(&self) -> &'static str;

    /// The hardware that is there now, in stable order.
    fn discover(&self) -> Result<Vec<Unit>, DeviceError>;

    /// What is announced of the hardware when no policy has a say.
    fn announce(&self, units: &[Unit]) -> Result<Announced, DeviceError>;

    /// What the hardware needs so that these devices of one claim are there, when no policy plans for
    /// them: the instances behind partitions that are announced before they exist. Most devices need
    /// nothing. The steps are the host's own and need no grant.
    fn built_in_steps(&self, _devices: &[AnnouncedDevice]) -> Result<Vec<Step>, DeviceError> {
        Ok(Vec::new())
    }

    /// What makes a device visible in a container. Asked after the steps of the claim ran, so that a
    /// partition that a step made is there.
    fn expose(&self, unit: &UnitId, device: &Device) -> Result<Exposure, DeviceError>;

    /// Settles what a step leaves open and reads what it will change. Changes nothing. `claim` is the
    /// claim's UID, `earlier` the prepared steps before it in the same plan.
    fn prepare_step(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<PreparedStep, DeviceError>;

    /// Carries a prepared step out. `earlier` are the prepared steps before it, all of which ran.
    /// Answers what it made. Running a step again that ran already changes nothing.
    fn apply(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<Exposure, DeviceError>;

    /// Takes a step back. Nothing to take back is no error.
    fn undo(&self, claim: &str, undo: &Undo) -> Result<(), DeviceError>;

    /// Waits for something to happen to the hardware, at most so long.
    fn next_event(&self, wait: Duration) -> Result<Option<HealthEvent>, DeviceError>;
}
