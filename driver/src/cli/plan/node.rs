//! A node that is only described: its hardware in a folder of its own, which goes when this ends.
//!
//! On it claims are really prepared, one after the other, as far as hardware goes: that alone tells
//! whether it can do what is planned, and what containers would see.

use std::path::Path;

use k8s_openapi::api::resource::v1::ResourceSlice;
use supercargo_host::objects::{Object, write};
use supercargo_host::plan::{Announcement, Change, ClaimOnNode, Step, UnitId};
use tempfile::TempDir;

use crate::cli::Failure;
use crate::devices::nvidia::DRIVER;
use crate::devices::simulated::{Simulated, Topology};
use crate::devices::{Announced, DeviceError, Exposure, PreparedStep, Source as _};
use crate::input::Source;
use crate::node::claims::{built_in_steps, expose, variables};
use crate::node::slices::{Owner, desired};

/// A node without anything on it but its hardware.
pub(super) struct Node {
    name: String,
    announced: Announced,
    units: Vec<UnitId>,
    hardware: Simulated,
    state: TempDir,
}

/// Where `supercargo node` keeps simulated hardware if it is not told otherwise.
const USUAL_STATE: &str = "/var/lib/kubelet/plugins/gpu.nvidia.com/simulated";

impl Node {
    pub(super) fn open(topology: &Path, name: &str) -> Result<Self, Failure> {
        let topology = Topology::read(topology)?;
        // Without symbolic links, so that what lies in it can be told by its path.
        let folder = std::env::temp_dir().canonicalize()?;
        let state = TempDir::with_prefix_in("supercargo-plan-", folder)?;
        let hardware = Simulated::open(topology, state.path())?;
        let units = hardware.discover()?;
        Ok(Self {
            name: name.to_owned(),
            announced: hardware.announce(&units)?,
            units: units.into_iter().map(|unit| unit.id).collect(),
            hardware,
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

    /// The host's own steps for a claim that no policy has steps for.
    pub(super) fn built_in_steps(&self, claim: &ClaimOnNode) -> Result<Vec<Step>, DeviceError> {
        built_in_steps(&self.hardware, claim, &self.announced)
    }

    /// Does these steps for a claim, and tells what its containers would see of each of its devices
    /// besides what policies show them. Where something fails, all is taken back.
    pub(super) fn carry_out(
        &self,
        claim: &ClaimOnNode,
        steps: impl Iterator<Item = Step>,
    ) -> Result<Vec<Vec<Change>>, String> {
        let owner = owner(claim);
        let failed = |step: &Step, error: DeviceError| {
            let step = serde_json::to_string(step).unwrap_or_default();
            format!("step {step}: {error}")
        };
        let mut prepared: Vec<PreparedStep> = Vec::new();
        for step in steps {
            let next = self.hardware.prepare_step(&owner, &step, &prepared);
            prepared.push(next.map_err(|error| failed(&step, error))?);
        }
        let carried_out = || {
            for (position, next) in prepared.iter().enumerate() {
                let earlier = prepared.get(..position).unwrap_or_default();
                let made = self.hardware.apply(&owner, &next.step, earlier);
                made.map_err(|error| failed(&next.step, error))?;
            }
            let devices = claim.devices.iter().zip(variables(claim));
            let shown = devices.map(|(device, variables)| {
                let exposure = expose(&self.hardware, device, &self.announced)
                    .map_err(|error| format!("device {}: {error}", device.device))?;
                Ok(self.shown(&device.device, &exposure, &variables))
            });
            shown.collect::<Result<_, String>>()
        };
        carried_out().inspect_err(|_| {
            for step in prepared.iter().rev() {
                if let Some(undo) = &step.undo {
                    // The folder goes with the command; this only keeps the next claim's plan right.
                    let _ = self.hardware.undo(&owner, undo);
                }
            }
        })
    }

    /// What containers see of a device, as changes of the host's own.
    fn shown(&self, device: &str, exposure: &Exposure, variables: &[String]) -> Vec<Change> {
        let change = |what: &str, after: String| Change {
            place: None,
            devices: vec![device.to_owned()],
            what: what.to_owned(),
            before: None,
            after: format!("+ {after}"),
            refused: None,
        };
        let to = |host: &str, container: &str| {
            let host = match Path::new(host).strip_prefix(self.state.path()) {
                Ok(inner) => Path::new(USUAL_STATE).join(inner).display().to_string(),
                Err(_) => host.to_owned(),
            };
            if host == container {
                host
            } else {
                format!("{host} as {container}")
            }
        };
        let environment = exposure.environment.iter();
        let environment = environment
            .map(|(name, value)| format!("{name}={value}"))
            .chain(variables.iter().cloned())
            .map(|variable| change("env", variable));
        let nodes = exposure
            .device_nodes
            .iter()
            .map(|node| change("device node", to(&node.host_path, &node.path)));
        let mounts = exposure.mounts.iter().map(|mount| {
            let write = if mount.writable {
                "writable"
            } else {
                "read-only"
            };
            let paths = to(&mount.host_path, &mount.container_path);
            change("mount", format!("{paths} ({write})"))
        });
        environment.chain(nodes).chain(mounts).collect()
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

/// Under what name the hardware remembers what is done for a claim. A claim in a file has no UID.
fn owner(claim: &ClaimOnNode) -> String {
    if !claim.uid.is_empty() {
        return claim.uid.clone();
    }
    let name = format!("{}-{}", claim.namespace, claim.name).replace('.', "-");
    name.chars().take(64).collect()
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
