//! A partition of a GPU (MIG) is made when a claim gets it, and the host removes it with the claim:
//! each step of a plan has its inverse, so there is nothing to unprepare.

use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, ContainerEdits, CreateComputeInstance, CreateGpuInstance, Plan,
    SetMigMode,
};
use supercargo_guest::prelude::*;

/// The partition that a device stands for, such as `1g.10gb`; a whole GPU has none.
const PROFILE: Attribute<str> = Attribute::string("gpu.nvidia.com", "profile");

/// Makes partitions.
pub struct MigByDemand;

impl Policy for MigByDemand {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[PROFILE.name()];
}

impl Prepare for MigByDemand {
    fn prepare(_: &NoSettings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        let mut plan = configuration::nothing();
        for device in claim.devices() {
            let Some(profile) = device.get(PROFILE).map(str::to_owned) else {
                continue;
            };
            let (device, enabled) = (device.position(), true);
            let mut step = |action| {
                plan.actions.push(action);
                u32::try_from(plan.actions.len() - 1).unwrap_or(u32::MAX)
            };
            step(Action::SetMigMode(SetMigMode { device, enabled }));
            let gpu_instance = step(Action::CreateGpuInstance(CreateGpuInstance {
                device,
                profile: profile.clone(),
                placement: None,
            }));
            let compute_instance = step(Action::CreateComputeInstance(CreateComputeInstance {
                gpu_instance,
                profile,
            }));
            // Containers get what the two steps will have made; only the host knows its device nodes.
            plan.edits.push(ContainerEdits {
                device: Some(device),
                made_by: vec![gpu_instance, compute_instance],
                ..configuration::no_edits()
            });
        }
        Ok(plan)
    }
}

supercargo_guest::export!(MigByDemand: prepare);
