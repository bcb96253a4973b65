//! GPUs that several processes of a claim share in turns, as the claim's parameters say.
//!
//! Parameters are those of NVIDIA's own driver (`GpuConfig`), so that claims move over as they are:
//!
//! ```yaml
//! apiVersion: resource.nvidia.com/v1beta1
//! kind: GpuConfig
//! sharing: {strategy: TimeSlicing, timeSlicingConfig: {interval: Long}}
//! ```
//!
//! Of all parameters that hold for a device the last counts, and nothing is merged. A device without
//! parameters stays as it is. What is planned is undone by the host when the claim is over, so there is
//! nothing to unprepare.

mod gpu_config;

use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, AllocatedDevice, CandidateParameters, ComputeMode, DeviceStatus,
    Plan, SetComputeMode, SetTimeSlice, Violation,
};
use supercargo_guest::prelude::*;
use supercargo_guest::serde_json::json;

pub use gpu_config::{GpuConfig, Interval};

/// What a device is: `gpu`, `mig` or `vfio`.
pub const TYPE: Attribute<str> = Attribute::string("gpu.nvidia.com", "type");

/// Sets time slices.
pub struct TimeSlicing;

impl Policy for TimeSlicing {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[TYPE.name()];
}

impl Validate for TimeSlicing {
    fn validate(_: &NoSettings, candidate: &CandidateParameters) -> Vec<Violation> {
        GpuConfig::read(&candidate.json).err().unwrap_or_default()
    }
}

impl Prepare for TimeSlicing {
    fn prepare(_: &NoSettings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        let mut plan = configuration::nothing();
        for device in claim.devices() {
            let Some(interval) = interval(claim, device)? else {
                continue;
            };
            if device.get(TYPE) != Some("gpu") {
                let name = device.name();
                return Err(Refusal::new(format!(
                    "{name} is no whole GPU: only those have time slices; name the request of the GPU \
                     in `requests` of the parameters"
                )));
            }
            if device.admin_access() {
                continue;
            }
            let position = device.position();
            plan.actions.push(Action::SetComputeMode(SetComputeMode {
                device: position,
                mode: ComputeMode::Shared,
            }));
            plan.actions.push(Action::SetTimeSlice(SetTimeSlice {
                device: position,
                interval: interval.into(),
            }));
            plan.statuses.push(DeviceStatus {
                device: position,
                json: json!({"timeSlice": interval.word()}).to_string(),
            });
        }
        Ok(plan)
    }
}

/// The time slice that holds for a device: by the last parameters for its request.
fn interval(
    claim: AllocatedClaim<'_>,
    device: AllocatedDevice<'_>,
) -> Result<Option<Interval>, Refusal> {
    let holding = claim
        .parameters()
        .filter(|parameters| parameters.requests().contains(&device.request()));
    let Some(parameters) = holding.last() else {
        return Ok(None);
    };
    match GpuConfig::read(parameters.json()) {
        Ok(config) => Ok(config.interval),
        Err(violations) => {
            let first = violations.first();
            let told = first.map(|v| format!("{}: {}", v.field, v.message));
            Err(Refusal::new(told.unwrap_or_default()))
        }
    }
}

supercargo_guest::export!(TimeSlicing: validate, prepare);
