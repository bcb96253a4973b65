//! What the inventory hooks are asked and answer: hardware and what is announced of it, health events
//! and what follows from them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{Consumption, Quantity, Text, Value};

/// A piece of hardware that the host found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Unit {
    /// Its stable identity on the node.
    pub id: Text,
    /// What found it.
    pub source: Text,
}

/// Something that is known about a unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Fact {
    /// A position in the units.
    pub unit: u32,
    /// What is known.
    pub name: Text,
    /// How it is.
    pub value: Value,
}

/// The hardware of one node.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Hardware {
    /// The node, when declared.
    pub node: Option<Arc<str>>,
    /// The texts of everything else.
    pub strings: Vec<Arc<str>>,
    /// What was found, in stable order.
    pub units: Vec<Unit>,
    /// What is known, sorted by unit, then name.
    pub facts: Vec<Fact>,
}

/// Capacity that may be asked for in part, from a list.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct RequestValues {
    /// What a request gets that asks nothing.
    pub default: Quantity,
    /// What may be asked for, ascending.
    pub values: Vec<Quantity>,
}

/// Capacity that may be asked for in part, from a range.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct RequestRange {
    /// What a request gets that asks nothing.
    pub default: Quantity,
    /// The least.
    pub min: Quantity,
    /// The most; `None`: all there is.
    pub max: Option<Quantity>,
    /// Steps from the least; `None`: any amount.
    pub step: Option<Quantity>,
}

/// How a capacity may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum RequestPolicy {
    /// As a whole number of what there is.
    #[component(name = "unrestricted")]
    Unrestricted,
    /// From a list.
    #[component(name = "values")]
    Values(RequestValues),
    /// From a range.
    #[component(name = "range")]
    Range(RequestRange),
}

/// A capacity of a published device.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct PublishedCapacity {
    /// What there is.
    pub total: Quantity,
    /// How it may be asked for.
    pub requests: RequestPolicy,
}

/// A published device.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct PublishedDevice {
    /// Its name in the pool.
    pub name: Text,
    /// The hardware it stands for: a position in the units.
    pub unit: u32,
    /// Whether several claims may share it.
    pub shareable: bool,
}

/// A counter that several devices draw from.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct PublishedCounter {
    /// Its counter set.
    #[component(name = "counter-set")]
    pub counter_set: Text,
    /// Its name in the set.
    pub name: Text,
    /// What there is.
    pub total: Quantity,
}

/// What a taint does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lift, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum TaintEffect {
    /// Nothing but being seen.
    #[component(name = "none")]
    None,
    /// No new claim gets the device.
    #[component(name = "no-schedule")]
    NoSchedule,
    /// Pods that use the device are evicted too.
    #[component(name = "no-execute")]
    NoExecute,
}

/// A mark on a device.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Taint {
    /// A position in the list of devices.
    pub device: u32,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

/// What the node announces.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Announcement {
    /// The texts of everything else.
    pub strings: Vec<String>,
    /// The names of the attributes.
    #[component(name = "attribute-names")]
    pub attribute_names: Vec<Text>,
    /// The names of the capacities.
    #[component(name = "capacity-names")]
    pub capacity_names: Vec<Text>,
    /// The devices.
    pub devices: Vec<PublishedDevice>,
    /// Attributes, row by row.
    pub attributes: Vec<Value>,
    /// Capacities, row by row.
    pub capacities: Vec<Option<PublishedCapacity>>,
    /// Counters.
    pub counters: Vec<PublishedCounter>,
    /// What each device draws from them.
    pub consumption: Vec<Consumption>,
    /// Taints that the devices begin with.
    pub taints: Vec<Taint>,
}

/// Something that happened to a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct HealthEvent {
    /// A position in the devices; `None`: all of the node.
    pub device: Option<u32>,
    /// What saw it.
    pub source: Arc<str>,
    /// The source's own number for it.
    pub code: i64,
    /// What the source says.
    pub message: Arc<str>,
    /// How often it was seen, this time included.
    pub occurrences: u32,
    /// Seconds since it was first seen.
    #[component(name = "seconds-since-first")]
    pub seconds_since_first: u64,
}

/// A taint that a device has now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct CurrentTaint {
    /// A position in the devices.
    pub device: u32,
    /// Its key.
    pub key: Arc<str>,
    /// What it does.
    pub effect: TaintEffect,
}

/// An event and what it happened to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Incident {
    /// The names of the published devices.
    pub devices: Vec<Arc<str>>,
    /// The taints that the policy set and that still stand.
    pub taints: Vec<CurrentTaint>,
    /// What happened.
    pub event: HealthEvent,
}

/// A taint to take away.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct ClearedTaint {
    /// A position in the devices.
    pub device: u32,
    /// The key.
    pub key: String,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum TaintChange {
    /// A taint to set.
    #[component(name = "set")]
    Set(Taint),
    /// A taint to take away.
    #[component(name = "clear")]
    Clear(ClearedTaint),
}
