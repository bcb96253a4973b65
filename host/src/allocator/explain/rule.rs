//! The rules that can refuse a device, and what an explanation is made of.

use crate::allocator::capacity::Refusal;
use crate::allocator::{DeviceIndex, RequestIndex};

/// What each request found on one node.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// One for each request, and for each alternative of a `firstAvailable` request.
    pub requests: Vec<RequestExplanation>,
}

/// What one request, or one alternative, found.
#[derive(Debug, Clone)]
pub struct RequestExplanation {
    /// Which it is.
    pub index: RequestIndex,
    /// `request` or `request/alternative`.
    pub name: String,
    /// Devices it needs: its count, or for `All` as many as match.
    pub needed: u64,
    /// Devices that no rule refuses, each taken alone.
    pub eligible: Vec<DeviceIndex>,
    /// All other devices, by number.
    pub refused: Vec<RefusedDevice>,
    /// Of the eligible devices, a constraint that too few satisfy together.
    pub shortage: Option<Shortage>,
    /// What is wrong with the request itself; then no device was looked at.
    pub error: Option<String>,
}

/// A device and why the request cannot have it.
#[derive(Debug, Clone)]
pub struct RefusedDevice {
    /// The device.
    pub device: DeviceIndex,
    /// The first rule that refuses it.
    pub rule: Rule,
}

/// A `matchAttribute` constraint that no group of eligible devices satisfies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The attribute.
    pub attribute: String,
    /// How many eligible devices share a value, at most.
    pub most: u32,
}

/// A rule that refuses a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// It is published for other nodes.
    OtherNode,
    /// Its slice is of an old generation of the pool, or not understood with the gates that are on.
    Outdated,
    /// Its pool lacks slices.
    IncompletePool {
        /// `driver/pool`.
        pool: String,
        /// Slices there.
        have: usize,
        /// Slices that there should be.
        want: i64,
    },
    /// The slices of its pool contradict each other.
    InvalidPool {
        /// `driver/pool`.
        pool: String,
        /// How.
        reason: String,
    },
    /// A selector is false.
    Selector {
        /// The class whose selector it is; `None` for the request's own.
        class: Option<String>,
        /// Which selector, from 0.
        index: usize,
        /// Its text.
        expression: String,
        /// What the text mentions of the device, with the values it has.
        values: Vec<(String, String)>,
    },
    /// A selector cannot be evaluated.
    SelectorError(String),
    /// A gate that it needs is off.
    Gate(&'static str),
    /// A taint that the request does not tolerate.
    Taint {
        /// The taint's key.
        key: String,
        /// The taint's value, which may be empty.
        value: String,
        /// `NoSchedule` or `NoExecute`.
        effect: String,
    },
    /// It is allocated.
    InUse {
        /// To whom, where that is known.
        holder: Option<String>,
    },
    /// It does not have the capacity, whatever is in use.
    NoCapacity(Refusal),
    /// Too little of a capacity is left.
    Capacity {
        /// The capacity's name.
        name: String,
        /// What the request would consume.
        asked: String,
        /// What is left.
        left: String,
    },
    /// Too little of a shared counter is left.
    Counter {
        /// The counter set.
        set: String,
        /// The counter.
        counter: String,
        /// What the device draws.
        needed: String,
        /// What is left.
        left: String,
    },
    /// A device that is in use but no longer published draws from the pool's counters.
    UnknownCounters,
    /// It lacks an attribute that a constraint compares.
    Constraint {
        /// The attribute.
        attribute: String,
    },
}
