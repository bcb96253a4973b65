//! Hardware that a YAML file describes, for trying things out and for tests that mean it.
//!
//! Each GPU has a folder of plain files: its compute mode, its MIG instances, its properties. Steps
//! change them as a driver changes a GPU, with the same refusals (a place that is taken, a GPU in use),
//! and containers see the folder of the device they got, so that what was done can be read back from
//! both ends. The folder is the hardware: it is as it was left when the process comes back, and two
//! processes may use it at once, as during a rolling update.
//!
//! ```text
//! health                       `ok`, `lost`; write to it to make something happen
//! gpu-0/uuid, product-name, pci-bus-id
//! gpu-0/health                 `ok`, `xid 79`, `ecc 2`, ...
//! gpu-0/processes              who uses the GPU, one a line; write to it to make it busy
//! gpu-0/compute-mode, time-slice, mig-mode, pci-driver
//! gpu-0/properties/<name>, gpu-0/sysfs/<attribute>
//! gpu-0/mig/<start>-<size>/    a GPU instance: profile, uuid, claim, health, processes,
//!                              compute-instances/<n>
//! daemons/<claim>-<name>/      units, options
//! imex-channels/<n>, fabric-partitions/<id>: the claim that holds it
//! settings/gpu-0.json          what claims changed, and what it was before
//! ```

mod exposure;
mod facts;
mod health;
mod holdings;
mod partitions;
mod state;
mod steps;
#[cfg(test)]
mod tests;
pub mod topology;
mod undo;

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::resource::v1::Device;
use supercargo_host::plan::{Step, UnitId};

use super::nvidia::{self, partition};
use super::{
    Announced, AnnouncedDevice, DeviceError, Exposure, HealthEvent, PreparedStep, Source, Undo,
    Unit,
};
use health::Watch;
use state::State;

pub use topology::{Topology, TopologyError};

/// The hardware of a [`Topology`], in a state folder.
#[derive(Debug)]
pub struct Simulated {
    state: State,
    watch: Watch,
}

impl Simulated {
    /// Takes up the hardware where it was left in `folder`, or makes it anew.
    ///
    /// # Errors
    /// The folder cannot be written, or holds other hardware.
    pub fn open(topology: Topology, folder: &Path) -> Result<Self, DeviceError> {
        let watch = Watch::new(&topology);
        Ok(Self {
            state: State::open(topology, folder)?,
            watch,
        })
    }
}

impl Source for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn discover(&self) -> Result<Vec<Unit>, DeviceError> {
        let _lock = self.state.lock()?;
        facts::units(&self.state)
    }

    fn announce(&self, units: &[Unit]) -> Result<Announced, DeviceError> {
        nvidia::announce(units, self.state.topology().partitioning)
    }

    fn built_in_steps(&self, devices: &[AnnouncedDevice]) -> Result<Vec<Step>, DeviceError> {
        let mut steps = Vec::new();
        for AnnouncedDevice { unit, device } in devices {
            let gpu = self.state.gpu(unit)?;
            let place = partition::placement(device).zip(partition::profile(device));
            match place.map(|(place, profile)| (profile, place)) {
                None if self.state.mig_mode(gpu)? != Some(true) => {}
                part => steps.extend(nvidia::steps(unit, part, steps.len())),
            }
        }
        Ok(steps)
    }

    fn expose(&self, unit: &UnitId, device: &Device) -> Result<Exposure, DeviceError> {
        exposure::device(&self.state, unit, device)
    }

    fn prepare_step(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<PreparedStep, DeviceError> {
        let _lock = self.state.lock()?;
        steps::prepare(&self.state, claim, step, earlier)
    }

    fn apply(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<Exposure, DeviceError> {
        let exposure = {
            let _lock = self.state.lock()?;
            steps::apply(&self.state, claim, step, earlier)?
        };
        self.watch.stepped(&self.state)?;
        Ok(exposure)
    }

    fn undo(&self, claim: &str, undo: &Undo) -> Result<(), DeviceError> {
        {
            let _lock = self.state.lock()?;
            undo::undo(&self.state, claim, undo)?;
        }
        self.watch.stepped(&self.state)
    }

    fn next_event(&self, wait: Duration) -> Result<Option<HealthEvent>, DeviceError> {
        self.watch.next(&self.state, wait)
    }
}
