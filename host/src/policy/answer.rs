//! What `select` answers: ranked proposals.

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift};

/// Devices for one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Assignment {
    /// A position in the situation's requests.
    pub request: u32,
    /// Positions in the situation's devices.
    pub devices: Vec<u32>,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum Choice {
    /// These devices and no others.
    #[component(name = "exact")]
    Exact(Vec<Assignment>),
    /// These devices first, then the others in the host's order.
    #[component(name = "prefer")]
    Prefer(Vec<Assignment>),
}

impl Choice {
    /// The assignments, of either kind.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        match self {
            Self::Exact(assignments) | Self::Prefer(assignments) => assignments,
        }
    }
}

/// One way to serve the claim.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Proposal {
    /// The devices.
    pub choice: Choice,
    /// How good the node would be: finite, 0 to 100.
    pub score: f64,
    /// Why, in one sentence.
    pub reason: String,
}
