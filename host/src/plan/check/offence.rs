//! What a refusal says: where, what, why, and the grant that is missing.

use std::fmt;

use serde::Serialize;

use crate::plan::Grant;

/// A plan that was refused; nothing of it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// All that is not admitted, in the plan's order; at most 64 entries.
    pub offences: Vec<Offence>,
}

/// One thing in a plan that the grants do not admit.
#[derive(Debug, Clone, PartialEq)]
pub struct Offence {
    /// Where in the plan.
    pub place: Place,
    /// The field, in the words of the WIT.
    pub field: String,
    /// What it holds.
    pub value: String,
    /// Why it is not admitted.
    pub why: Why,
    /// The least grant that admits it; `None`: no grant can.
    pub missing: Option<Box<Grant>>,
}

/// A place in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A step.
    Step {
        /// Its position in `actions`.
        index: usize,
        /// Its kind, in the words of the WIT.
        action: &'static str,
    },
    /// An entry of a list in an edit.
    Edit {
        /// The edit's position in `edits`.
        index: usize,
        /// The list, in the words of the WIT.
        list: &'static str,
        /// The position in the list.
        entry: usize,
    },
    /// The edit itself: which containers it is for.
    Containers(usize),
    /// What the claim's status is to say: a position in `statuses`.
    Status(usize),
}

/// Why something is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No grant admits it.
    NotGranted,
    /// A grant admits it, but on other devices than this one.
    OtherDevices(String),
    /// A grant admits it, but others may be using the device.
    Shared {
        /// The device.
        device: String,
        /// How others come to use it.
        how: &'static str,
    },
    /// No grant can admit it.
    Never(&'static str),
}

impl Offence {
    pub(super) fn never(
        place: Place,
        field: impl Into<String>,
        value: impl Into<String>,
        reason: &'static str,
    ) -> Self {
        Self {
            place,
            field: field.into(),
            value: value.into(),
            why: Why::Never(reason),
            missing: None,
        }
    }

    /// A position that is none.
    pub(super) fn nowhere(
        place: Place,
        field: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self::never(place, field, value, "is no position of this plan and claim")
    }
}

impl Refused {
    /// The grants that are missing, merged: what the administrator would have to add to the policy's
    /// `grants`. Empty where no grant helps.
    #[must_use]
    pub fn missing(&self) -> Vec<Grant> {
        missing(&self.offences)
    }
}

/// The grants that offences lack, merged.
pub(in crate::plan) fn missing(offences: &[Offence]) -> Vec<Grant> {
    let mut merged: Vec<Grant> = Vec::new();
    for grant in offences
        .iter()
        .filter_map(|offence| offence.missing.as_deref())
    {
        match merged
            .iter_mut()
            .find(|other| other.shared_devices == grant.shared_devices)
        {
            Some(other) => other.add(grant),
            None => merged.push(grant.clone()),
        }
    }
    merged
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    /// One line: what is refused, and the missing grants as YAML in flow style.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the plan was refused and nothing of it was done: ")?;
        for (index, offence) in self.offences.iter().enumerate() {
            if index > 0 {
                out.write_str("; ")?;
            }
            write!(out, "{offence}")?;
        }
        let missing = self.missing();
        if !missing.is_empty() {
            let yaml = serde_json::to_string(&missing).unwrap_or_default();
            write!(out, "; missing in the policy's grants: {yaml}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {} {:?} {}",
            self.place, self.field, self.value, self.why
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { index, action } => write!(out, "actions[{index}] {action}"),
            Self::Edit { index, list, entry } => write!(out, "edits[{index}].{list}[{entry}]"),
            Self::Containers(index) => write!(out, "edits[{index}]"),
            Self::Status(index) => write!(out, "statuses[{index}]"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => out.write_str("is not granted"),
            Self::OtherDevices(device) => write!(out, "is granted, but not on {device}"),
            Self::Shared { device, how } => write!(
                out,
                "is granted, but others may be using {device} ({how}), which takes `sharedDevices: true`"
            ),
            Self::Never(reason) => write!(out, "{reason}"),
        }
    }
}
