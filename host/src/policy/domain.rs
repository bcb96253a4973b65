//! What `place` is asked and answers: nodes for a domain that spans several.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{Parameters, Text, Value};

/// Nodes that share one fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Clique {
    /// How many nodes it has in all.
    pub nodes: u32,
    /// How many of them belong to domains already.
    pub taken: u32,
}

/// A node that may join the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct CandidateNode {
    /// A position in the cliques.
    pub clique: Option<u32>,
    /// Devices of the policy's drivers that nobody uses.
    #[component(name = "free-devices")]
    pub free_devices: u32,
    /// Devices of the policy's drivers in all.
    #[component(name = "total-devices")]
    pub total_devices: u32,
}

/// One domain that needs nodes.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Domain {
    /// How many it needs.
    #[component(name = "nodes-needed")]
    pub nodes_needed: u32,
    /// The texts of everything else.
    pub strings: Vec<Arc<str>>,
    /// The cliques of the cluster.
    pub cliques: Vec<Clique>,
    /// The nodes that may join, in the host's order.
    pub nodes: Vec<CandidateNode>,
    /// Declared labels, row by row.
    pub labels: Vec<Value>,
    /// The name of each node, when declared.
    pub names: Vec<Text>,
    /// Nodes that are in the domain already: positions in the nodes.
    pub members: Vec<u32>,
    /// Opaque parameters for the policy's drivers; their `requests` are empty.
    pub parameters: Vec<Parameters>,
}

/// One way to place the domain.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct NodeSet {
    /// Positions in the nodes, as many as are needed.
    pub nodes: Vec<u32>,
    /// How good it is: finite, 0 to 100.
    pub score: f64,
    /// Why, in one sentence.
    pub reason: String,
}
