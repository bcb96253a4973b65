//! What `select` is asked: one claim on one node, as tables.
//!
//! Everything is by position and nothing is secret: names of nodes, claims and namespaces are there
//! only when the policy declared that it reads them. A [`Situation`] is plain data that compares and
//! hashes, for equal situations, on whatever node, are one call.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lower};

use super::types::{Consumption, Parameters, Quantity, Text, Value};

/// One pool of devices on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Pool {
    /// The driver that publishes it.
    pub driver: Text,
}

/// One counter that several devices draw from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Counter {
    /// A position in the pools.
    pub pool: u32,
    /// Its counter set; counters of one set have equal text.
    #[component(name = "counter-set")]
    pub counter_set: Text,
    /// Its name in the set.
    pub name: Text,
    /// What there is in all.
    pub total: Quantity,
    /// What is left after everything in use, never negative.
    pub left: Quantity,
}

/// Devices as one table: device i, attribute j is at `i * n + j`.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct DeviceTable {
    /// The pool of each device; its length is the number of devices.
    pub pools: Vec<u32>,
    /// Declared attributes, row by row.
    pub attributes: Vec<Value>,
    /// Declared capacities in all, row by row.
    pub capacities: Vec<Option<Quantity>>,
    /// What is taken of each declared capacity, row by row, or nothing at all.
    pub consumed: Vec<Quantity>,
}

/// How many devices a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum Amount {
    /// Exactly so many.
    #[component(name = "exactly")]
    Exactly(u32),
    /// Every device of the request's list.
    #[component(name = "all")]
    All,
}

/// A request that is mapped to the policy, or one alternative of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Request {
    /// Which request of the claim; alternatives of one request have equal slots.
    pub slot: u32,
    /// How many devices it is for.
    pub amount: Amount,
    /// Whether it asks for administrative access.
    #[component(name = "admin-access")]
    pub admin_access: bool,
    /// What it asks of each declared capacity; empty when nothing.
    pub capacities: Vec<Option<Quantity>>,
    /// The devices that may serve it, in the host's order.
    pub devices: Vec<u32>,
}

/// What a constraint demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum ConstraintKind {
    /// The same value on all devices.
    #[component(name = "match-attribute")]
    MatchAttribute,
    /// No value twice.
    #[component(name = "distinct-attribute")]
    DistinctAttribute,
}

/// A constraint that touches at least one of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Constraint {
    /// What it demands.
    pub kind: ConstraintKind,
    /// A position in the declared attributes.
    pub attribute: Option<u32>,
    /// Positions in the requests.
    pub requests: Vec<u32>,
    /// Whether it also covers requests that the policy does not see.
    #[component(name = "reaches-beyond")]
    pub reaches_beyond: bool,
}

/// One claim on one node, as a policy sees it.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Situation {
    /// The texts of everything else; see [`Texts`].
    pub strings: Vec<Arc<str>>,
    /// The pools that the devices are from.
    pub pools: Vec<Pool>,
    /// First all devices that some request may get, then other devices in use when declared.
    pub devices: DeviceTable,
    /// Positions in the devices, ascending, when declared.
    #[component(name = "in-use")]
    pub in_use: Vec<u32>,
    /// The counters behind the devices, when declared.
    pub counters: Vec<Counter>,
    /// What each device uses of them, sorted by device, then counter, when declared.
    pub consumption: Vec<Consumption>,
    /// What is asked for.
    pub requests: Vec<Request>,
    /// What must hold between devices.
    pub constraints: Vec<Constraint>,
    /// Opaque parameters for the policy's drivers, and for no other.
    pub parameters: Vec<Parameters>,
    /// The node, when declared.
    pub node: Option<Arc<str>>,
    /// The claim, when declared.
    pub claim: Option<Arc<str>>,
    /// The claim's namespace, when declared.
    pub namespace: Option<Arc<str>>,
}

/// Collects the texts of a question, each once, in the order in which they are first met.
///
/// ```
/// use supercargo_host::policy::Texts;
///
/// let mut texts = Texts::default();
/// let gpu = texts.position(&"h100".into());
/// assert_eq!(texts.position(&"h100".into()), gpu);
/// assert_eq!(texts.into_strings(), ["h100".into()]);
/// ```
#[derive(Debug, Default)]
pub struct Texts {
    strings: Vec<Arc<str>>,
    positions: HashMap<Arc<str>, Text, foldhash::fast::RandomState>,
}

impl Texts {
    /// Where a text is, now or from now on.
    pub fn position(&mut self, text: &Arc<str>) -> Text {
        if let Some(&at) = self.positions.get(text) {
            return at;
        }
        // A question is bounded far below 2^32 texts by the limits of the API.
        let at = Text::try_from(self.strings.len()).unwrap_or(Text::MAX);
        self.strings.push(Arc::clone(text));
        self.positions.insert(Arc::clone(text), at);
        at
    }

    /// The texts, for [`Situation::strings`] and its like.
    #[must_use]
    pub fn into_strings(self) -> Vec<Arc<str>> {
        self.strings
    }
}
