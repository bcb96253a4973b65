//! How steps are taken back. What is written here lies in checkpoints, so older forms stay readable.

use serde::{Deserialize, Serialize};
use supercargo_host::plan::UnitId;
use supercargo_host::policy::configuration::Placement;

use super::holdings::{self, Daemon, Single};
use super::partitions::{self, Instance};
use super::state::{State, failed};
use crate::devices::{DeviceError, Undo};

/// The inverse of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "undo",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Inverse {
    /// Put the claim's layer of a setting back.
    Setting {
        unit: UnitId,
        setting: String,
        /// What the claim had set before; nothing: the layer goes.
        earlier: Option<String>,
    },
    /// Remove the instance that was made for the claim.
    RemoveGpuInstance { unit: UnitId, placement: Placement },
    /// Make an instance again that was removed.
    RestoreGpuInstance {
        unit: UnitId,
        placement: Placement,
        profile: String,
        claim: String,
        compute: Vec<String>,
    },
    /// Stop the claim's daemon.
    StopDaemon { daemon: String },
    /// Have the claim's daemon run as it ran.
    RestoreDaemon {
        daemon: String,
        units: String,
        options: String,
    },
    /// Close the claim's channel.
    CloseImexChannel { channel: u32 },
    /// Disconnect the claim's partition.
    DeactivateFabricPartition { partition: u32 },
}

impl Inverse {
    pub(super) fn restore(unit: &UnitId, instance: Instance) -> Self {
        Self::RestoreGpuInstance {
            unit: unit.clone(),
            placement: instance.placement,
            profile: instance.profile,
            claim: instance.claim,
            compute: instance.compute,
        }
    }

    pub(super) fn daemon(daemon: &str, running: Option<Daemon>) -> Self {
        let daemon = daemon.to_owned();
        match running {
            None => Self::StopDaemon { daemon },
            Some(Daemon { units, options }) => Self::RestoreDaemon {
                daemon,
                units,
                options,
            },
        }
    }

    pub(super) fn write(&self) -> Result<Undo, DeviceError> {
        serde_json::to_value(self)
            .map(Undo)
            .map_err(failed(|| "write an undo".to_owned()))
    }
}

/// Takes a step back that ran, ran half, never ran, or was taken back already.
pub(super) fn undo(state: &State, claim: &str, undo: &Undo) -> Result<(), DeviceError> {
    let inverse = Inverse::deserialize(&undo.0).map_err(failed(|| {
        "read an undo that a step left in the checkpoint".to_owned()
    }))?;
    match inverse {
        Inverse::Setting {
            unit,
            setting,
            earlier,
        } => state.settle(state.gpu(&unit)?, &setting, |layers| {
            layers.restore(claim, earlier.as_deref());
        }),
        Inverse::RemoveGpuInstance { unit, placement } => {
            let at = state.gpu(&unit)?;
            match partitions::find(state, at, placement)? {
                Some(instance) if instance.claim == claim => {
                    partitions::remove(state, at, placement)
                }
                _ => Ok(()),
            }
        }
        Inverse::RestoreGpuInstance {
            unit,
            placement,
            profile,
            claim,
            compute,
        } => {
            let instance = Instance {
                placement,
                profile,
                claim,
                compute,
            };
            partitions::create(state, state.gpu(&unit)?, &instance)
        }
        Inverse::StopDaemon { daemon } => holdings::stop(state, claim, &daemon),
        Inverse::RestoreDaemon {
            daemon,
            units,
            options,
        } => holdings::start(state, claim, &daemon, &Daemon { units, options }),
        Inverse::CloseImexChannel { channel } => Single::Channel(channel).release(state, claim),
        Inverse::DeactivateFabricPartition { partition } => {
            Single::Partition(partition).release(state, claim)
        }
    }
}
