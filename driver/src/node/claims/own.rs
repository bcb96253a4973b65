//! What the host does for a claim of its own accord, whatever policies plan: the devices are made to be
//! there where no policy does it, and shown to containers. None of it needs a grant.

use k8s_openapi::api::resource::v1::{Device, DeviceCapacity};
use supercargo_host::plan::{ClaimOnNode, DeviceOfClaim, Step};

use crate::devices::{Announced, DeviceError, Exposure, Source};

/// What the hardware needs so that the claim's devices are there. With administrative access one looks at
/// what is there, and makes or changes nothing.
///
/// # Errors
/// The hardware cannot be asked.
pub fn built_in_steps(
    source: &dyn Source,
    claim: &ClaimOnNode,
    announced: &Announced,
) -> Result<Vec<Step>, DeviceError> {
    let mut devices = Vec::new();
    for announced in &announced.devices {
        let mut held = claim.devices.iter();
        if held.any(|held| held.device == announced.device.name && !held.admin_access) {
            devices.push(announced.clone());
        }
    }
    source.built_in_steps(&devices)
}

/// What makes a device visible to the claim's containers, after the claim's steps ran.
///
/// # Errors
/// The device is not there. With administrative access that is no error but nothing to see: who looks at
/// all devices is not refused the others because one is not there now.
pub fn expose(
    source: &dyn Source,
    device: &DeviceOfClaim,
    announced: &Announced,
) -> Result<Exposure, DeviceError> {
    match source.expose(&device.unit, &as_announced(device, announced)) {
        Err(DeviceError::Refused { .. }) if device.admin_access => Ok(Exposure::default()),
        other => other,
    }
}

/// The device as it is announced, or as it was when the claim got it.
fn as_announced(device: &DeviceOfClaim, announced: &Announced) -> Device {
    let mut now = announced.devices.iter();
    if let Some(now) = now.find(|announced| announced.device.name == device.device) {
        return now.device.clone();
    }
    let capacity = device.capacity.iter().map(|(name, value)| {
        let value = value.clone();
        let capacity = DeviceCapacity {
            value,
            ..DeviceCapacity::default()
        };
        (name.clone(), capacity)
    });
    Device {
        name: device.device.clone(),
        attributes: Some(device.attributes.clone()),
        capacity: Some(capacity.collect()),
        ..Device::default()
    }
}
