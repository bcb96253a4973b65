//! GPU partitions (MIG) that are made when a claim gets them.
//!
//! A driver that partitions on demand announces every profile at every place as a device of its own.
//! The device says which partition it stands for; this policy makes just that one: it turns
//! partitioning on, makes the GPU instance in its place and a compute instance that fills it, and hands
//! both on to the containers of the device. The host removes them when the claim is over.

use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, AllocatedDevice, ContainerEdits, CreateComputeInstance,
    CreateGpuInstance, Placement, Plan, SetMigMode,
};
use supercargo_guest::prelude::*;

/// What a device is: `gpu`, `mig` or `vfio`.
pub const TYPE: Attribute<str> = Attribute::string("gpu.nvidia.com", "type");
/// The GPU of a partition.
pub const PARENT: Attribute<str> = Attribute::string("gpu.nvidia.com", "parentUUID");
/// The profile of a partition, such as `3g.20gb`.
pub const PROFILE: Attribute<str> = Attribute::string("gpu.nvidia.com", "profile");
/// The first memory slice that a partition stands for.
pub const FIRST_SLICE: Attribute<i64> = Attribute::int("supercargo.dev", "memorySliceStart");
/// How many memory slices it stands for.
pub const SLICES: Attribute<i64> = Attribute::int("supercargo.dev", "memorySliceCount");

/// Makes partitions.
pub struct MigPartitions;

impl Policy for MigPartitions {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[
        TYPE.name(),
        PARENT.name(),
        PROFILE.name(),
        FIRST_SLICE.name(),
        SLICES.name(),
    ];
}

impl Prepare for MigPartitions {
    fn prepare(_: &NoSettings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        if claim.parameters().next().is_some() {
            return Err(Refusal::new(
                "partitions take no parameters here: leave `config` out of claim and class, or name \
                 other requests in it",
            ));
        }
        let mut plan = configuration::nothing();
        let mut parents = Vec::new();
        for device in claim
            .devices()
            .filter(|device| device.get(TYPE) == Some("mig"))
        {
            let partition = Partition::of(device)?;
            let position = device.position();
            if !parents.contains(&partition.parent) {
                parents.push(partition.parent);
                plan.actions.push(Action::SetMigMode(SetMigMode {
                    device: position,
                    enabled: true,
                }));
            }
            let gpu_instance = u32::try_from(plan.actions.len()).unwrap_or(u32::MAX);
            plan.actions
                .push(Action::CreateGpuInstance(CreateGpuInstance {
                    device: position,
                    profile: partition.profile.to_owned(),
                    placement: Some(partition.placement),
                }));
            plan.actions
                .push(Action::CreateComputeInstance(CreateComputeInstance {
                    gpu_instance,
                    profile: partition.profile.to_owned(),
                }));
            plan.edits.push(ContainerEdits {
                device: Some(position),
                made_by: vec![gpu_instance, gpu_instance.saturating_add(1)],
                ..configuration::no_edits()
            });
        }
        Ok(plan)
    }
}

/// The partition that a device stands for.
struct Partition<'a> {
    parent: &'a str,
    profile: &'a str,
    placement: Placement,
}

impl<'a> Partition<'a> {
    fn of(device: AllocatedDevice<'a>) -> Result<Self, Refusal> {
        let lacks = |attribute: Name| {
            let name = device.name();
            Refusal::new(format!(
                "{name} has no {attribute}, so there is no telling which partition to make; its driver \
                 must announce partitions that are made on demand"
            ))
        };
        let number = |attribute: Attribute<i64>| {
            let number = device
                .get(attribute)
                .and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| lacks(attribute.name()))
        };
        Ok(Self {
            parent: device.get(PARENT).ok_or_else(|| lacks(PARENT.name()))?,
            profile: device.get(PROFILE).ok_or_else(|| lacks(PROFILE.name()))?,
            placement: Placement {
                start: number(FIRST_SLICE)?,
                size: number(SLICES)?,
            },
        })
    }
}

supercargo_guest::export!(MigPartitions: prepare);
