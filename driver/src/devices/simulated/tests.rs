//! A simulated node, as its callers see it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use supercargo_host::plan::{Step, UnitId};
use supercargo_host::policy::configuration::{ComputeMode, Placement, PropertyValue, TimeSlice};

use super::*;
use crate::devices::PreparedStep;

const H100: &str = include_str!("../../../../examples/topologies/h100-nvlink.yaml");
const A100: &str = include_str!("../../../../examples/topologies/a100-mig.yaml");

mod announcing;
mod events;
mod laws;
mod mistakes;
mod partitioning;
mod settings;

struct Node {
    source: Simulated,
    folder: tempfile::TempDir,
}

fn node(topology: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let topology = Topology::parse("node.yaml", topology).unwrap();
    let source = Simulated::open(topology, folder.path()).unwrap();
    Node { source, folder }
}

impl Node {
    fn unit(&self, at: usize) -> UnitId {
        self.source.state.unit(at)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.path(file)).unwrap();
        text.trim().to_owned()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), format!("{text}\n")).unwrap();
    }

    /// Settles all steps of a plan, as is done before the first one runs.
    fn prepare(&self, claim: &str, steps: &[Step]) -> Result<Vec<PreparedStep>, DeviceError> {
        let mut prepared = Vec::new();
        for step in steps {
            let step = self.source.prepare_step(claim, step, &prepared)?;
            prepared.push(step);
        }
        Ok(prepared)
    }

    fn apply(&self, claim: &str, prepared: &[PreparedStep]) -> Result<Vec<Exposure>, DeviceError> {
        let steps = prepared.iter().enumerate();
        steps
            .map(|(at, step)| self.source.apply(claim, &step.step, &prepared[..at]))
            .collect()
    }

    fn run(&self, claim: &str, steps: &[Step]) -> Result<Vec<PreparedStep>, DeviceError> {
        let prepared = self.prepare(claim, steps)?;
        self.apply(claim, &prepared)?;
        Ok(prepared)
    }

    fn undo(&self, claim: &str, prepared: &[PreparedStep]) -> Result<(), DeviceError> {
        let undos = prepared.iter().rev().filter_map(|step| step.undo.as_ref());
        undos
            .into_iter()
            .try_for_each(|undo| self.source.undo(claim, undo))
    }

    /// Every file there is, and what it holds.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
}

fn set_time_slice(unit: UnitId, interval: TimeSlice) -> Step {
    Step::SetTimeSlice { unit, interval }
}

fn mig_mode(unit: UnitId, enabled: bool) -> Step {
    Step::SetMigMode { unit, enabled }
}

fn instance(unit: UnitId, profile: &str, placement: Option<(u32, u32)>) -> Step {
    Step::CreateGpuInstance {
        unit,
        profile: profile.to_owned(),
        placement: placement.map(|(start, size)| Placement { start, size }),
    }
}

fn compute(gpu_instance: usize, profile: &str) -> Step {
    Step::CreateComputeInstance {
        gpu_instance,
        profile: profile.to_owned(),
    }
}
