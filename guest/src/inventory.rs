//! What `publish` and `assess` are asked and answer: the records of the WIT as they are.

pub use crate::bindings::exports::supercargo::policy::inventory::{
    Announcement, ClearedTaint, CurrentTaint, Fact, Hardware, HealthEvent, Incident,
    PublishedCapacity, PublishedCounter, PublishedDevice, RequestPolicy, RequestRange,
    RequestValues, Taint, TaintChange, TaintEffect, Unit,
};

pub use crate::bindings::exports::supercargo::policy::types::{Consumption, Value};

/// An announcement of nothing, to begin with.
///
/// ```
/// assert!(supercargo_guest::inventory::nothing().devices.is_empty());
/// ```
#[must_use]
pub fn nothing() -> Announcement {
    Announcement {
        strings: Vec::new(),
        attribute_names: Vec::new(),
        capacity_names: Vec::new(),
        devices: Vec::new(),
        attributes: Vec::new(),
        capacities: Vec::new(),
        counters: Vec::new(),
        consumption: Vec::new(),
        taints: Vec::new(),
    }
}
