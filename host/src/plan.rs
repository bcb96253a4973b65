//! What is to be done for a claim on a node: from what the claim got to checked steps.
//!
//! A policy answers `prepare` with a plan, which is data. Before any of it runs, every step and every
//! edit is held against what the administrator granted that policy; what passes becomes an
//! [`Approved`], and nothing else can be executed. A plan that asks for one thing too many runs
//! nothing at all.

mod check;
mod claim;
mod diff;
pub mod grants;
mod question;
mod step;

pub use check::{Offence, Place, Refused, Why, check, offences};
pub use claim::{Announcement, ClaimError, ClaimOnNode, DeviceOfClaim, Part, ResolvedParameters};
pub use diff::{Change, changes, own_changes};
pub use grants::{Grant, Grants};
pub use question::question;
pub use step::{Step, UnitId};

use crate::policy::configuration::{ContainerEdits, DeviceStatus};

/// A plan that was checked against the grants of its policy, with positions resolved to hardware.
///
/// Only the check makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Approved {
    /// The steps, in order.
    pub(crate) steps: Vec<Step>,
    /// What changes in containers; `device` is a position in [`ClaimOnNode::devices`], `made_by`
    /// positions in the steps.
    pub(crate) edits: Vec<ContainerEdits>,
    /// What the claim's status says of its devices.
    pub(crate) statuses: Vec<DeviceStatus>,
}

impl Approved {
    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What changes in containers.
    #[must_use]
    pub fn edits(&self) -> &[ContainerEdits] {
        &self.edits
    }

    /// What the claim's status says of its devices.
    #[must_use]
    pub fn statuses(&self) -> &[DeviceStatus] {
        &self.statuses
    }
}

#[cfg(test)]
mod tests;
