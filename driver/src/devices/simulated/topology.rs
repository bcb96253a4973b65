//! The YAML file that says what hardware a simulated node has.
//!
//! It is read as strictly as the administrator's configuration: a field that is not known, a GPU that
//! is named and not there, a number out of range is an error with its path and line. What a topology
//! may hold is bounded, for it is read by a process that runs as root.

pub(super) mod check;
mod models;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use supercargo_host::objects::{Problem, plain};
use supercargo_host::policy::configuration::{Placement, PropertyValue};

use crate::devices::nvidia::Partitioning;
use crate::input::{self, InputError};

/// `apiVersion` of the file.
pub const API_VERSION: &str = "supercargo.dev/v1alpha1";
/// `kind` of the file.
pub const KIND: &str = "Topology";
/// The largest file.
const MOST_BYTES: u64 = 1 << 20;

/// A node's hardware.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topology {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always [`KIND`].
    pub kind: String,
    /// The GPU driver.
    pub driver: Driver,
    /// Whether GPUs are announced in parts.
    #[serde(default)]
    pub partitioning: Partitioning,
    /// Models of this topology's own, by name; one of the name of a built-in model replaces it.
    #[serde(default)]
    pub models: BTreeMap<String, Model>,
    /// The GPUs, in the order of their minor numbers.
    pub gpus: Vec<Gpu>,
    /// Which GPUs NVLink connects.
    #[serde(default)]
    pub nvlinks: Vec<NvLink>,
    /// The fabric between nodes, and its partitions.
    #[serde(default)]
    pub fabric: Option<Fabric>,
    /// How many IMEX channels the node has: 0 to 2,048, numbered from 0.
    #[serde(default)]
    pub imex_channels: u32,
    /// Health events that happen by themselves.
    #[serde(default)]
    pub health: Vec<ScriptedHealth>,
}

/// The GPU driver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Driver {
    /// Its version, such as `580.95.05`.
    pub version: String,
    /// The latest CUDA that it serves, such as `13.0`.
    pub cuda: String,
}

/// A kind of GPU.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// What it calls itself.
    pub product_name: String,
    /// The product line.
    pub brand: String,
    /// Its generation, such as `Hopper`.
    pub architecture: String,
    /// Such as `9.0`.
    pub cuda_compute_capability: String,
    /// Memory, as a quantity.
    #[serde(deserialize_with = "models::bytes")]
    pub memory: i64,
    /// `HMM`, `ATS` or `None`.
    #[serde(default)]
    pub addressing_mode: Option<String>,
    /// The PCI device number, such as `0x2330`.
    pub pci_device: String,
    /// Properties that can be set, by name, and what they are at first.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
    /// How it can be partitioned; none: not at all.
    #[serde(default)]
    pub mig_profiles: Vec<MigProfile>,
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Property {
    /// On or off.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    String(String),
}

impl From<&Property> for PropertyValue {
    fn from(property: &Property) -> Self {
        match property {
            Property::Bool(value) => Self::Bool(*value),
            Property::Int(value) => Self::Int(*value),
            Property::String(value) => Self::String(value.clone()),
        }
    }
}

/// A kind of GPU instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MigProfile {
    /// Such as `3g.40gb`.
    pub name: String,
    /// The driver's number for it.
    pub id: u32,
    /// Memory, as a quantity.
    #[serde(deserialize_with = "models::bytes")]
    pub memory: i64,
    /// How many of the GPU's compute slices it takes.
    pub compute_slices: u32,
    /// How many of the GPU's memory slices it takes.
    pub memory_slices: u32,
    /// The memory slices at which it can begin.
    pub starts: Vec<u32>,
    /// What it takes of the GPU's multiprocessors.
    pub multiprocessors: u32,
    /// What it takes of each kind of engine.
    #[serde(default)]
    pub copy_engines: u32,
    /// Video decoders.
    #[serde(default)]
    pub decoders: u32,
    /// Video encoders.
    #[serde(default)]
    pub encoders: u32,
    /// JPEG decoders.
    #[serde(default)]
    pub jpeg_engines: u32,
    /// Optical flow accelerators.
    #[serde(default)]
    pub ofa_engines: u32,
}

impl MigProfile {
    /// Where it can sit, in the order in which a free place is looked for.
    pub fn placements(&self) -> impl Iterator<Item = Placement> {
        self.starts.iter().map(|&start| Placement {
            start,
            size: self.memory_slices,
        })
    }
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// Which model, one of the topology's own or a built-in one.
    pub model: String,
    /// Its UUID, with `GPU-` in front.
    pub uuid: String,
    /// Where it sits on the PCI bus, such as `0000:1b:00.0`.
    #[serde(rename = "pciBusID")]
    pub pci_bus_id: String,
    /// The PCI root complex, such as `pci0000:15`.
    #[serde(default)]
    pub pcie_root: Option<String>,
    /// The NUMA node it belongs to.
    #[serde(default)]
    pub numa_node: Option<u32>,
    /// Its number on the baseboard.
    #[serde(default, rename = "moduleID")]
    pub module_id: Option<u32>,
    /// Whether partitioning is on when no claim has changed it.
    #[serde(default)]
    pub mig_mode: bool,
    /// Nodes in `/dev` that containers see, of those that exist on the host.
    #[serde(default)]
    pub device_nodes: Vec<PathBuf>,
    /// Files in sysfs that can be written, relative to the device's folder, and what they hold at first.
    #[serde(default)]
    pub sysfs: BTreeMap<String, String>,
    /// Properties that differ from the model's.
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
}

/// GPUs that are all connected to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NvLink {
    /// Positions in `gpus`.
    pub gpus: Vec<usize>,
    /// How many links each of them has to the others.
    pub links: u32,
}

/// The fabric between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fabric {
    /// The cluster, a UUID.
    #[serde(default, rename = "clusterUUID")]
    pub cluster_uuid: Option<String>,
    /// The clique of the cluster that this node's GPUs belong to.
    #[serde(default, rename = "cliqueID")]
    pub clique_id: Option<u32>,
    /// Sets of GPUs that can be connected apart from the others.
    #[serde(default)]
    pub partitions: Vec<FabricPartition>,
}

/// GPUs that can be connected apart from the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FabricPartition {
    /// Its number.
    pub id: u32,
    /// Positions in `gpus`.
    pub gpus: Vec<usize>,
}

/// A health event that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScriptedHealth {
    /// When this many steps were done or undone since the process began.
    pub after_steps: u64,
    /// Which GPU: a position in `gpus`; absent: the node.
    #[serde(default)]
    pub gpu: Option<usize>,
    /// What is written to its `health` file, such as `xid 79` or `ok`.
    pub write: String,
}

/// Why a topology cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It is no YAML document.
    #[error("{0}")]
    Document(Box<Problem>),
    /// A field is wrong.
    #[error("{file}:{line}: {path}: {message}")]
    Field {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The field, such as `gpus[3].numaNode`.
        path: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// A field that is wrong: its path, and what to do.
type Fault = (String, String);

impl Topology {
    /// Reads a file.
    ///
    /// # Errors
    /// The first mistake, with its line and field.
    pub fn read(file: &Path) -> Result<Self, TopologyError> {
        let name = file.display().to_string();
        let bytes = input::read_bytes(file, MOST_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|error| InputError::NotText {
            path: name.clone(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        Self::parse(&name, &text)
    }

    /// Reads text; `file` is what errors call it.
    ///
    /// # Errors
    /// The first mistake, with its line and field.
    pub fn parse(file: &str, text: &str) -> Result<Self, TopologyError> {
        let document = plain(file, text).map_err(TopologyError::Document)?;
        Self::from_value(document.value.clone()).map_err(|(path, message)| TopologyError::Field {
            file: file.to_owned(),
            line: document.line_of(&path),
            path,
            message,
        })
    }

    fn from_value(value: Value) -> Result<Self, Fault> {
        let mut topology: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." {
                "(the document)".to_owned()
            } else {
                path
            };
            (path, error.into_inner().to_string())
        })?;
        for (name, model) in models::built_in()? {
            topology.models.entry(name).or_insert(model);
        }
        check::topology(&topology)?;
        Ok(topology)
    }

    /// The model of a GPU.
    pub fn model(&self, gpu: &Gpu) -> Option<&Model> {
        self.models.get(&gpu.model)
    }
}
