//! A vendor's own parameters and settings: users say how much power a card may draw, the
//! administrator says between what, and the card forgets its tenant when the claim is over.

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::configuration::{
    self, Action, AllocatedClaim, CandidateParameters, Plan, PropertyValue, SetProperty, Violation,
    WriteSysfs,
};
use supercargo_guest::{prelude::*, serde_json};

/// What the administrator sets. The JSON Schema that the host checks it against is made of this.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounds {
    /// The least watts that users may ask for.
    #[schemars(range(min = 1))]
    pub least_watts: u32,
    /// The most watts that users may ask for.
    #[schemars(range(min = 1))]
    pub most_watts: u32,
}

/// What users write into `config[].opaque.parameters` of a claim.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PowerConfig {
    /// The watts that each card may draw.
    pub watts: u32,
}

/// Caps power.
pub struct VendorSettings;

impl Policy for VendorSettings {
    type Settings = Bounds;
}

impl Validate for VendorSettings {
    fn validate(bounds: &Bounds, candidate: &CandidateParameters) -> Vec<Violation> {
        read(bounds, &candidate.json).err().into_iter().collect()
    }
}

impl Prepare for VendorSettings {
    fn prepare(bounds: &Bounds, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        let mut plan = configuration::nothing();
        for device in claim.devices() {
            // The last that hold for the device count: those of the claim come after those of the class.
            let own =
                |parameters: &Parameters<'_>| parameters.requests().contains(&device.request());
            let Some(parameters) = claim.parameters().filter(own).last() else {
                continue;
            };
            let config = read(bounds, parameters.json())
                .map_err(|wrong| Refusal::new(format!("{}: {}", wrong.field, wrong.message)))?;
            plan.actions.push(Action::SetProperty(SetProperty {
                device: device.position(),
                name: "power-limit-milliwatts".to_owned(),
                value: PropertyValue::Int(i64::from(config.watts) * 1_000),
            }));
        }
        Ok(plan)
    }
}

impl Unprepare for VendorSettings {
    fn unprepare(_: &Bounds, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        // The host sets the power limit back by itself; that memory is to be wiped only we know.
        let wipe = |device: configuration::AllocatedDevice<'_>| {
            Action::WriteSysfs(WriteSysfs {
                device: device.position(),
                attribute: "reset".to_owned(),
                value: "1".to_owned(),
            })
        };
        let mut plan = configuration::nothing();
        plan.actions.extend(claim.devices().map(wipe));
        Ok(plan)
    }
}

fn read(bounds: &Bounds, json: &str) -> Result<PowerConfig, Violation> {
    let wrong = |field: &str, message: String| Violation {
        field: field.to_owned(),
        message,
    };
    let config: PowerConfig =
        serde_json::from_str(json).map_err(|error| wrong("", error.to_string()))?;
    let (least, most) = (bounds.least_watts, bounds.most_watts);
    if (least..=most).contains(&config.watts) {
        return Ok(config);
    }
    Err(wrong("watts", format!("must be from {least} to {most}")))
}

supercargo_guest::export!(VendorSettings: validate, prepare, unprepare);
