//! Holds a plan against the grants of its policy, all of it, before any of it runs.
//!
//! Four things are asked of every step: that its words make sense, that a grant admits it, that the
//! grant is about all devices it concerns, and that it changes nothing that another claim may be using.
//! The last is the one that is easily forgotten. A claim may hold a share of a device, look at it with
//! administrative access, or have a partition of a GPU whose other partitions are somebody else's; a
//! compute mode set there is set for all. Such a step needs a grant with `sharedDevices`. Two kinds of
//! step are within what a partition is for and need none: turning partitioning on, and making or
//! removing an instance inside the memory slices that the device stands for.
//!
//! What is compared is text. Whoever carries an approved plan out must see to it that the text means
//! what it says on that node: open device nodes, mount sources and hooks without following symbolic
//! links, or resolve them first and ask again with what they lead to; open a sysfs attribute beneath
//! the device's own folder and nowhere else; and take kind and numbers of a device node from the node
//! itself. Only root may be able to write to the folders on the way.

pub(super) mod actions;
mod edits;
mod offence;

pub use offence::{Offence, Place, Refused, Why};

use std::collections::BTreeSet;

use super::{Approved, ClaimOnNode, DeviceOfClaim, Grants};
use crate::policy::configuration::Plan;

/// Offences that are told one by one.
const MOST_TOLD: usize = 64;

/// Checks a plan for `claim`. What passes is a plan with positions resolved to hardware.
///
/// # Errors
/// Everything in the plan that the grants do not admit, each with the grant that would.
pub fn check(plan: Plan, claim: &ClaimOnNode, grants: &Grants) -> Result<Approved, Refused> {
    let offences = offences(&plan, claim, grants);
    if !offences.is_empty() {
        return Err(Refused { offences });
    }
    let mut steps = Vec::with_capacity(plan.actions.len());
    for (index, action) in plan.actions.iter().enumerate() {
        let place = Place::Step {
            index,
            action: actions::name(action),
        };
        steps.push(actions::step(action, claim).ok_or_else(|| Refused {
            offences: vec![Offence::nowhere(place, "device", String::new())],
        })?);
    }
    Ok(Approved {
        steps,
        edits: plan.edits,
        statuses: plan.statuses,
    })
}

/// What in a plan is not admitted, in the plan's order; at most 64 are told.
#[must_use]
pub fn offences(plan: &Plan, claim: &ClaimOnNode, grants: &Grants) -> Vec<Offence> {
    let actions = (0..)
        .zip(&plan.actions)
        .filter_map(|(index, action)| actions::offence(index, action, plan, claim, grants));
    let edits = (0..)
        .zip(&plan.edits)
        .flat_map(|(index, edits)| edits::offences(index, edits, plan, claim, grants));
    let statuses = (0..)
        .zip(&plan.statuses)
        .filter(|(_, status)| device(claim, status.device).is_none())
        .map(|(index, status)| {
            Offence::nowhere(Place::Status(index), "device", status.device.to_string())
        });
    actions
        .chain(edits)
        .chain(statuses)
        .take(MOST_TOLD)
        .collect()
}

/// The device at a position of a plan.
fn device(claim: &ClaimOnNode, position: u32) -> Option<&DeviceOfClaim> {
    claim.devices.get(usize::try_from(position).ok()?)
}

/// The devices at positions, or all of the claim where none is named. The position that is none.
fn devices<'a>(claim: &'a ClaimOnNode, positions: &[u32]) -> Result<Vec<&'a DeviceOfClaim>, u32> {
    if positions.is_empty() {
        return Ok(claim.devices.iter().collect());
    }
    let positions: BTreeSet<u32> = positions.iter().copied().collect();
    positions
        .into_iter()
        .map(|position| device(claim, position).ok_or(position))
        .collect()
}
