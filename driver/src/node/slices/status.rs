//! How publishing stands: what probes, metrics and Events are made of.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::defects::Defects;
use crate::kubernetes::api::{ApiError, Version};

/// How publishing stands.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// What the API server had when it was last seen to be right; `None`: not yet.
    pub published: Option<Published>,
    /// Whether that is what is announced now.
    pub up_to_date: bool,
    /// Why what is announced is not published. Tried again on its own, but for defects.
    pub problem: Option<Arc<PublishError>>,
    /// Why changes by others are not seen at once. Meanwhile they are looked for every half minute.
    pub watch_problem: Option<Arc<ApiError>>,
    /// What the API server does not keep. It is not written again until the slice changes or the driver
    /// restarts.
    pub lost: BTreeSet<LostField>,
    /// Creations, updates and deletions so far, failed ones included.
    pub writes: u64,
}

/// What the API server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The pool's generation.
    pub generation: i64,
    /// Its slices.
    pub slices: usize,
    /// Its devices.
    pub devices: usize,
    /// The version of the API it is written in.
    pub version: Version,
}

/// Why a pool is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The API would refuse it. What was published before stays.
    #[error("what this node announces cannot be published: {0}")]
    Defects(#[source] Defects),
    /// A slice belongs to its Node and goes with it.
    #[error(
        "there is no Node {node}: its ResourceSlices wait for it; see that the kubelet has registered \
         and that the driver is given the Node's name (NODE_NAME)"
    )]
    NoNode {
        /// The name.
        node: String,
    },
    /// The API server.
    #[error("ResourceSlices: {0}")]
    Api(#[from] ApiError),
    /// Others write the same slices all the time.
    #[error(
        "the ResourceSlices of driver {driver} on node {node} change as fast as they are written; see \
         who else writes them with `kubectl get resourceslices -o yaml --show-managed-fields`"
    )]
    Contended {
        /// The driver.
        driver: String,
        /// The node.
        node: String,
    },
}

/// A field that the API server does not keep, such as `devices[].taints`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LostField(pub String);

impl LostField {
    /// The feature gate without which the API server drops it.
    pub fn gate(&self) -> Option<&'static str> {
        let gates = [
            ("taints", "DRADeviceTaints"),
            ("compatibilityGroups", "DRADeviceCompatibilityGroups"),
            ("consumesCounters", "DRAPartitionableDevices"),
            ("sharedCounters", "DRAPartitionableDevices"),
            ("allowMultipleAllocations", "DRAConsumableCapacity"),
            ("requestPolicy", "DRAConsumableCapacity"),
            ("bindsToNode", "DRADeviceBindingConditions"),
            ("bindingConditions", "DRADeviceBindingConditions"),
            ("bindingFailureConditions", "DRADeviceBindingConditions"),
            ("ints", "DRAListTypeAttributes"),
            ("bools", "DRAListTypeAttributes"),
            ("strings", "DRAListTypeAttributes"),
            ("versions", "DRAListTypeAttributes"),
            ("nodeAllocatableResources", "DRANodeAllocatableResources"),
        ];
        let mut parts = self.0.split('.').map(|part| part.trim_end_matches("[]"));
        parts.find_map(|part| {
            let (_, gate) = gates.iter().find(|(field, _)| *field == part)?;
            Some(*gate)
        })
    }
}

impl fmt::Display for LostField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)?;
        match self.gate() {
            Some(gate) => write!(f, " (feature gate {gate} of the API server)"),
            None => Ok(()),
        }
    }
}
