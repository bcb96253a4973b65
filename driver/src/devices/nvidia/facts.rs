//! What is known about a GPU, by name: the words between whoever found it and whoever announces it.
//!
//! A policy reads these names, so they change only as the contract does. Profiles of GPU instances are
//! facts like the rest: `nvml.mig.profile.<id>.<what>`.

use std::collections::BTreeMap;

use supercargo_host::policy::configuration::Placement;

use crate::devices::{DeviceError, Fact, Unit};

/// PCI address, `0000:1b:00.0`: text.
pub const PCI_ADDRESS: &str = "pci.address";
/// PCI vendor, `0x10de`: text.
pub const PCI_VENDOR: &str = "pci.vendor";
/// PCI device number, `0x2330`: text.
pub const PCI_DEVICE: &str = "pci.device";
/// PCI root complex, `pci0000:15`: text; absent where it is not known.
pub const PCI_ROOT: &str = "pci.root";
/// NUMA node: a number; absent where it is not known.
pub const NUMA_NODE: &str = "pci.numa-node";
/// The driver's number for the GPU, as in `/dev/nvidia0`.
pub const MINOR: &str = "nvml.minor";
/// UUID with `GPU-` in front: text.
pub const UUID: &str = "nvml.uuid";
/// What the GPU calls itself: text.
pub const PRODUCT_NAME: &str = "nvml.product-name";
/// The product line: text.
pub const BRAND: &str = "nvml.brand";
/// The generation, such as `Hopper`: text.
pub const ARCHITECTURE: &str = "nvml.architecture";
/// Such as `9.0.0`: a version.
pub const CUDA_COMPUTE_CAPABILITY: &str = "nvml.cuda-compute-capability";
/// The driver, such as `580.95.5`: a version.
pub const DRIVER_VERSION: &str = "nvml.driver-version";
/// The latest CUDA that the driver serves, such as `13.0.0`: a version.
pub const CUDA_DRIVER_VERSION: &str = "nvml.cuda-driver-version";
/// `HMM`, `ATS` or `None`: text; absent where the driver does not say.
pub const ADDRESSING_MODE: &str = "nvml.addressing-mode";
/// Memory in bytes: a number; absent where the driver does not say.
pub const MEMORY: &str = "nvml.memory-bytes";
/// The GPU's number on its baseboard.
pub const MODULE_ID: &str = "nvml.module-id";
/// The GPUs that NVLink connects with this one: a list of unit ids.
pub const NVLINK_PEERS: &str = "nvml.nvlink.peers";
/// How many NVLinks are up: a number.
pub const NVLINK_LINKS: &str = "nvml.nvlink.links";
/// The cluster of the fabric, a UUID: text.
pub const CLUSTER_UUID: &str = "nvml.fabric.cluster-uuid";
/// The clique of the cluster: a number.
pub const CLIQUE_ID: &str = "nvml.fabric.clique-id";
/// Partitions of the fabric that the GPU belongs to, `size:id` each: a list of texts.
pub const FABRIC_PARTITIONS: &str = "fabric-manager.partitions";
/// Whether partitioning is on: true or false; absent where there is none.
pub const MIG_MODE: &str = "nvml.mig.mode";
/// Begins the facts of a profile; its id and a dot follow.
pub const PROFILE: &str = "nvml.mig.profile.";

/// The architecture whose GPUs must be reset to change MIG mode.
const RESETS_TO_CHANGE_MIG_MODE: &str = "Ampere";

/// The facts of one GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'u> {
    unit: &'u Unit,
}

/// A kind of GPU instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The driver's number for it.
    pub id: i64,
    /// Such as `3g.40gb`.
    pub name: String,
    /// Where it can sit.
    pub placements: Vec<Placement>,
    /// Bytes of memory.
    pub memory: i64,
    /// Multiprocessors.
    pub multiprocessors: i64,
    /// Copy engines.
    pub copy_engines: i64,
    /// Video decoders.
    pub decoders: i64,
    /// Video encoders.
    pub encoders: i64,
    /// JPEG decoders.
    pub jpeg_engines: i64,
    /// Optical flow accelerators.
    pub ofa_engines: i64,
}

/// A resource of GPU instances: the name of its fact, of its capacity and of its counter, and how much
/// of it a profile has.
pub(in crate::devices) type Resource = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Profile) -> i64,
);

impl Profile {
    /// What it has, by the name of the fact, of the capacity and of the counter.
    pub(in crate::devices) const RESOURCES: [Resource; 7] = [
        ("memory-bytes", "memory", "memory", |of| of.memory),
        (
            "multiprocessors",
            "multiprocessors",
            "multiprocessors",
            |of| of.multiprocessors,
        ),
        ("copy-engines", "copyEngines", "copy-engines", |of| {
            of.copy_engines
        }),
        ("decoders", "decoders", "decoders", |of| of.decoders),
        ("encoders", "encoders", "encoders", |of| of.encoders),
        ("jpeg-engines", "jpegEngines", "jpeg-engines", |of| {
            of.jpeg_engines
        }),
        ("ofa-engines", "ofaEngines", "ofa-engines", |of| {
            of.ofa_engines
        }),
    ];

    /// The profile as facts.
    pub fn tell(&self, facts: &mut BTreeMap<String, Fact>) {
        let mut tell =
            |what: &str, fact| facts.insert(format!("{PROFILE}{}.{what}", self.id), fact);
        tell("name", Fact::Text(self.name.clone()));
        let places = self
            .placements
            .iter()
            .map(|place| format!("{}:{}", place.start, place.size))
            .collect();
        tell("placements", Fact::Texts(places));
        for (fact, _, _, of) in Self::RESOURCES {
            tell(fact, Fact::Int(of(self)));
        }
    }
}

impl<'u> Facts<'u> {
    pub(super) fn of(unit: &'u Unit) -> Self {
        Self { unit }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'u str> {
        match self.unit.facts.get(name) {
            Some(Fact::Text(text) | Fact::Version(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.unit.facts.get(name) {
            Some(Fact::Int(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.unit.facts.get(name) {
            Some(Fact::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn texts(&self, name: &str) -> &'u [String] {
        match self.unit.facts.get(name) {
            Some(Fact::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A text that every GPU has.
    pub(super) fn needed(&self, name: &str) -> Result<&'u str, DeviceError> {
        self.text(name).ok_or_else(|| self.missing(name))
    }

    /// A number that every GPU has.
    pub(super) fn needed_number(&self, name: &str) -> Result<i64, DeviceError> {
        self.number(name).ok_or_else(|| self.missing(name))
    }

    /// Whether MIG mode can be changed while the GPU serves others.
    pub(super) fn changes_mig_mode_at_once(&self) -> bool {
        self.text(ARCHITECTURE) != Some(RESETS_TO_CHANGE_MIG_MODE)
    }

    /// The kinds of GPU instances that the GPU can be cut into, by rising id.
    pub(super) fn profiles(&self) -> Result<Vec<Profile>, DeviceError> {
        let ends_in_name = |name: &'u String| {
            let id = name.strip_prefix(PROFILE)?.strip_suffix(".name")?;
            id.parse::<i64>().ok()
        };
        let mut ids: Vec<i64> = self.unit.facts.keys().filter_map(ends_in_name).collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| self.profile(id)).collect()
    }

    fn profile(&self, id: i64) -> Result<Profile, DeviceError> {
        let name = |what: &str| format!("{PROFILE}{id}.{what}");
        let amount = |what: &str| self.needed_number(&name(what));
        let placement = |text: &String| {
            let (start, size) = text.split_once(':')?;
            Some(Placement {
                start: start.parse().ok()?,
                size: size.parse().ok()?,
            })
        };
        let places = name("placements");
        let placements: Option<Vec<_>> = self.texts(&places).iter().map(placement).collect();
        Ok(Profile {
            id,
            name: self.needed(&name("name"))?.to_owned(),
            placements: placements.ok_or_else(|| self.missing(&places))?,
            memory: amount("memory-bytes")?,
            multiprocessors: amount("multiprocessors")?,
            copy_engines: amount("copy-engines")?,
            decoders: amount("decoders")?,
            encoders: amount("encoders")?,
            jpeg_engines: amount("jpeg-engines")?,
            ofa_engines: amount("ofa-engines")?,
        })
    }

    fn missing(&self, name: &str) -> DeviceError {
        DeviceError::Failed {
            what: format!("announce {}", self.unit.id),
            source: format!("the fact {name} is missing or of the wrong kind").into(),
        }
    }
}
