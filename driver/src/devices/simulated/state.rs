//! The state folder: where each thing is, what it is at first, and how a setting changes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use supercargo_host::plan::UnitId;
use supercargo_host::policy::configuration::PropertyValue;

use super::partitions;
use super::topology::{Gpu, Model, Topology};
use crate::devices::settings::{Layers, Ledger};
use crate::devices::{DeviceError, folder};

/// The most that a value takes, with room to spare.
const MOST_VALUE: u64 = 8192;

pub(super) const COMPUTE_MODE: &str = "compute-mode";
pub(super) const TIME_SLICE: &str = "time-slice";
pub(super) const MIG_MODE: &str = "mig-mode";
pub(super) const PCI_DRIVER: &str = "pci-driver";
pub(super) const HEALTH: &str = "health";
pub(super) const PROCESSES: &str = "processes";

/// A GPU: its position in the topology.
pub(super) type At = usize;

/// The hardware and its folder.
#[derive(Debug)]
pub(super) struct State {
    topology: Topology,
    root: PathBuf,
}

/// While it lives, nobody else changes the state.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "dropping it lets go of the lock")] File);

impl State {
    pub(super) fn open(topology: Topology, root: &Path) -> Result<Self, DeviceError> {
        let what = || format!("open the state folder {}", root.display());
        fs::create_dir_all(root).map_err(failed(what))?;
        // Containers mount from it, so its path must not depend on where this process stands.
        let root = root.canonicalize().map_err(failed(what))?;
        let state = Self { topology, root };
        let _lock = state.lock()?;
        folder::sweep(&state.root, 4).map_err(failed(what))?;
        state.begin(&state.root.join(HEALTH), "ok")?;
        for (at, gpu) in state.topology.gpus.iter().enumerate() {
            state.begin_gpu(at, gpu)?;
        }
        Ok(state)
    }

    /// What a GPU is before anything was done to it. What is there already stays.
    fn begin_gpu(&self, at: At, gpu: &Gpu) -> Result<(), DeviceError> {
        let model = self.model(at)?;
        let folder = self.folder(at);
        let uuid = folder.join("uuid");
        if let Some(other) = self.read(&uuid)?
            && other != gpu.uuid
        {
            return Err(DeviceError::Failed {
                what: format!("open the state folder {}", self.root.display()),
                source: format!("gpu-{at} in it is {other}, not {}; give a folder of its own to each topology, or empty this one", gpu.uuid).into(),
            });
        }
        let begin = |name: &str, value: &str| self.begin(&folder.join(name), value);
        begin("product-name", &model.product_name)?;
        begin("pci-bus-id", &gpu.pci_bus_id)?;
        begin(HEALTH, "ok")?;
        begin(PROCESSES, "")?;
        begin(COMPUTE_MODE, "shared")?;
        begin(TIME_SLICE, "driver-default")?;
        begin(PCI_DRIVER, "nvidia")?;
        if !model.mig_profiles.is_empty() {
            begin(MIG_MODE, mode(gpu.mig_mode))?;
        }
        for (name, value) in model.properties.iter().chain(&gpu.properties) {
            let value = gpu.properties.get(name).unwrap_or(value);
            begin(
                &format!("properties/{name}"),
                &super::steps::text(&value.into()),
            )?;
        }
        for (name, value) in &gpu.sysfs {
            begin(&format!("sysfs/{name}"), value)?;
        }
        begin("uuid", &gpu.uuid)
    }

    fn begin(&self, file: &Path, value: &str) -> Result<(), DeviceError> {
        match self.read(file)? {
            Some(_) => Ok(()),
            None => self.write(file, value),
        }
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else changes the state.
    pub(super) fn lock(&self) -> Result<Lock, DeviceError> {
        let file = self.root.join(".lock");
        let lock = || -> io::Result<File> {
            let lock = File::create(&file)?;
            lock.lock()?;
            Ok(lock)
        };
        lock()
            .map(Lock)
            .map_err(failed(|| format!("lock {}", file.display())))
    }

    /// The GPU that a unit stands for.
    pub(super) fn gpu(&self, unit: &UnitId) -> Result<At, DeviceError> {
        let mut gpus = self.topology.gpus.iter();
        gpus.position(|gpu| gpu.pci_bus_id == unit.0)
            .ok_or_else(|| DeviceError::NoSuchUnit(unit.clone()))
    }

    pub(super) fn unit(&self, at: At) -> UnitId {
        let gpu = self.topology.gpus.get(at);
        UnitId(gpu.map(|gpu| gpu.pci_bus_id.clone()).unwrap_or_default())
    }

    pub(super) fn model(&self, at: At) -> Result<&Model, DeviceError> {
        let gpu = self.topology.gpus.get(at);
        gpu.and_then(|gpu| self.topology.model(gpu))
            .ok_or_else(|| DeviceError::NoSuchUnit(self.unit(at)))
    }

    /// A GPU's folder.
    pub(super) fn folder(&self, at: At) -> PathBuf {
        self.root.join(format!("gpu-{at}"))
    }

    /// Whether MIG mode is on now; `None`: the GPU has none.
    pub(super) fn mig_mode(&self, at: At) -> Result<Option<bool>, DeviceError> {
        let mode = self.read(&self.folder(at).join(MIG_MODE))?;
        Ok(mode.map(|mode| mode == self::mode(true)))
    }

    /// The layers of a setting, as they are now.
    pub(super) fn layers(&self, at: At, setting: &str) -> Result<Option<Layers>, DeviceError> {
        let ledger = self.ledger(at);
        let mut all = ledger.read().map_err(reading(ledger.file()))?;
        Ok(all.remove(setting))
    }

    /// Changes the layers of a setting, then has the hardware follow.
    ///
    /// MIG mode that no claim wants any longer stays on until the last instance is gone, for partitions
    /// of other claims may stand on it; removing an instance therefore settles it once more.
    pub(super) fn settle(
        &self,
        at: At,
        setting: &str,
        edit: impl FnOnce(&mut Layers),
    ) -> Result<(), DeviceError> {
        let file = self.folder(at).join(setting);
        let Some(now) = self.read(&file)? else {
            return Ok(());
        };
        let ledger = self.ledger(at);
        let mut all = ledger.read().map_err(reading(ledger.file()))?;
        let before = all.get(setting).cloned();
        let layers = all
            .entry(setting.to_owned())
            .or_insert_with(|| Layers::on(now.clone()));
        edit(layers);
        let (bare, wanted) = (layers.is_bare(), layers.value().to_owned());
        let stays = setting == MIG_MODE
            && wanted == mode(false)
            && !partitions::instances(self, at)?.is_empty();
        let changes = wanted != now && !stays;
        if changes {
            self.idle(at, setting, &wanted)?;
            if all.get(setting) != before.as_ref() {
                ledger.write(&all).map_err(writing(ledger.file()))?;
            }
            self.write(&file, &wanted)?;
        }
        if bare && !stays {
            all.remove(setting);
        }
        if (changes && bare) || (!changes && all.get(setting) != before.as_ref()) {
            ledger.write(&all).map_err(writing(ledger.file()))?;
        }
        Ok(())
    }

    /// Refuses what a GPU in use does not do.
    fn idle(&self, at: At, setting: &str, wanted: &str) -> Result<(), DeviceError> {
        if setting != MIG_MODE && setting != PCI_DRIVER {
            return Ok(());
        }
        let processes = self.folder(at).join(PROCESSES);
        match self.read(&processes)? {
            Some(processes) if !processes.is_empty() => {
                let first = processes.lines().next().unwrap_or_default();
                let what = format!("set {setting} to {wanted:?}");
                Err(self.refused(at, what, format!("the GPU is in use by {first}")))
            }
            _ => Ok(()),
        }
    }

    /// A property of a GPU, as it is at first; `None`: it has none of that name.
    pub(super) fn property(&self, at: At, name: &str) -> Option<PropertyValue> {
        let own = self
            .topology
            .gpus
            .get(at)
            .and_then(|gpu| gpu.properties.get(name));
        let of_model = || self.model(at).ok()?.properties.get(name);
        own.or_else(of_model).map(PropertyValue::from)
    }

    pub(super) fn refused(&self, at: At, what: String, reason: String) -> DeviceError {
        DeviceError::Refused {
            unit: self.unit(at),
            what,
            reason,
        }
    }

    pub(super) fn unsupported(&self, at: At, what: String) -> DeviceError {
        DeviceError::Unsupported {
            unit: self.unit(at),
            what,
        }
    }

    fn ledger(&self, at: At) -> Ledger {
        Ledger::at(self.root.join(format!("settings/gpu-{at}.json")))
    }

    /// A value; `None`: there is no such file.
    pub(super) fn read(&self, file: &Path) -> Result<Option<String>, DeviceError> {
        folder::read(file, MOST_VALUE).map_err(reading(file))
    }

    pub(super) fn write(&self, file: &Path, value: &str) -> Result<(), DeviceError> {
        folder::write(file, value).map_err(writing(file))
    }
}

/// How MIG mode is written.
pub(super) fn mode(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

pub(super) fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    what: impl FnOnce() -> String,
) -> impl FnOnce(E) -> DeviceError {
    move |source| DeviceError::Failed {
        what: what(),
        source: source.into(),
    }
}

pub(super) fn reading(file: &Path) -> impl FnOnce(io::Error) -> DeviceError {
    failed(move || format!("read {}", file.display()))
}

pub(super) fn writing(file: &Path) -> impl FnOnce(io::Error) -> DeviceError {
    failed(move || format!("write {}", file.display()))
}
