//! A node that is only described: its hardware in a folder of its own, which goes when this ends.

use std::path::Path;

use k8s_openapi::api::resource::v1::ResourceSlice;
use supercargo_host::objects::{Object, write};
use supercargo_host::plan::{Announcement, Step, UnitId};
use tempfile::TempDir;

use crate::cli::Failure;
use crate::devices::nvidia::DRIVER;
use crate::devices::simulated::{Simulated, Topology};
use crate::devices::{Announced, Source as _};
use crate::input::Source;
use crate::node::slices::{Owner, desired};

/// A node without anything on it but its hardware.
pub(super) struct Node {
    name: String,
    announced: Announced,
    units: Vec<UnitId>,
    state: TempDir,
}

impl Node {
    pub(super) fn open(topology: &Path, name: &str) -> Result<Self, Failure> {
        let topology = Topology::read(topology)?;
        let state = TempDir::with_prefix("supercargo-plan-")?;
        let hardware = Simulated::open(topology, state.path())?;
        let units = hardware.discover()?;
        Ok(Self {
            name: name.to_owned(),
            announced: hardware.announce(&units)?,
            units: units.into_iter().map(|unit| unit.id).collect(),
            state,
        })
    }

    /// The node and its slices, as the API server would have them.
    pub(super) fn manifests(&self) -> Result<Source, Failure> {
        let owner = Owner {
            driver: DRIVER.to_owned(),
            node: self.name.clone(),
        };
        let mut node = k8s_openapi::api::core::v1::Node::default();
        node.metadata.name = Some(self.name.clone());
        let mut objects = vec![Object::Node(Box::new(node))];
        for (number, mut spec) in desired(&owner, &self.announced)?.into_iter().enumerate() {
            spec.pool.generation = 1;
            let mut slice = ResourceSlice {
                spec,
                ..ResourceSlice::default()
            };
            slice.metadata.name = Some(format!("{}-{DRIVER}-{number:03}", self.name));
            objects.push(Object::ResourceSlice(slice));
        }
        Ok(Source {
            name: "<topology>".to_owned(),
            text: write::yaml(&objects),
        })
    }

    pub(super) fn announcement(&self) -> Announcement<'_> {
        let devices = self.announced.devices.iter();
        Announcement {
            driver: DRIVER,
            node: &self.name,
            pool: &self.name,
            devices: devices.map(|shown| (&shown.device, &shown.unit)).collect(),
            counter_sets: &self.announced.counter_sets,
        }
    }

    /// What a step would replace, in the words of plans; none where there is nothing, or nobody knows.
    pub(super) fn before(&self, step: &Step) -> Option<String> {
        let (unit, file) = match step {
            Step::SetComputeMode { unit, .. } => (unit, "compute-mode".to_owned()),
            Step::SetTimeSlice { unit, .. } => (unit, "time-slice".to_owned()),
            Step::SetMigMode { unit, .. } => (unit, "mig-mode".to_owned()),
            Step::BindPciDriver { unit, .. } => (unit, "pci-driver".to_owned()),
            Step::SetProperty { unit, name, .. } => (unit, format!("properties/{name}")),
            Step::WriteSysfs {
                unit, attribute, ..
            } => (unit, format!("sysfs/{attribute}")),
            _ => return None,
        };
        let gpu = self.units.iter().position(|known| known == unit)?;
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        if !file.split('/').all(plain) {
            return None;
        }
        let file = self.state.path().join(format!("gpu-{gpu}")).join(file);
        let text = std::fs::read_to_string(file).ok()?;
        Some(match (step, text.trim()) {
            (Step::SetMigMode { .. }, "enabled") => "on".to_owned(),
            (Step::SetMigMode { .. }, "disabled") => "off".to_owned(),
            (Step::SetComputeMode { .. } | Step::SetTimeSlice { .. }, word) => camel_case(word),
            (_, text) => text.to_owned(),
        })
    }
}

/// `driver-default` as `driverDefault`.
fn camel_case(word: &str) -> String {
    let mut parts = word.split('-');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}
