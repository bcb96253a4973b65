//! Processes on a GPU take turns, and how long a turn is depends on the namespace of the claim:
//! short for who looks at a screen, long for who trains.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, ComputeMode, Plan, SetComputeMode, SetTimeSlice, TimeSlice,
};
use supercargo_guest::prelude::*;

/// How long turns are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Turns {
    /// By namespace; claims of others are left as they are.
    pub namespaces: BTreeMap<String, Length>,
}

/// How long a turn is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Length {
    /// For who waits for each answer.
    Short,
    /// In between.
    Medium,
    /// For who works through the night.
    Long,
}

/// Sets time slices.
pub struct TimeSlicingByNamespace;

impl Policy for TimeSlicingByNamespace {
    type Settings = Turns;
    const CONTEXT: Context = Context::NAMESPACE;
}

impl Prepare for TimeSlicingByNamespace {
    fn prepare(turns: &Turns, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        let mut plan = configuration::nothing();
        let namespace = claim.record().namespace.as_deref().unwrap_or_default();
        let Some(length) = turns.namespaces.get(namespace) else {
            return Ok(plan);
        };
        let interval = match length {
            Length::Short => TimeSlice::Short,
            Length::Medium => TimeSlice::Medium,
            Length::Long => TimeSlice::Long,
        };
        // A device that is held with admin access is somebody else's to set.
        for device in claim.devices().filter(|device| !device.admin_access()) {
            let (device, mode) = (device.position(), ComputeMode::Shared);
            let share = Action::SetComputeMode(SetComputeMode { device, mode });
            let slice = Action::SetTimeSlice(SetTimeSlice { device, interval });
            plan.actions.extend([share, slice]);
        }
        Ok(plan)
    }
}

supercargo_guest::export!(TimeSlicingByNamespace: prepare);
