//! Reading claims: what they were given, and what to call them.

use k8s_openapi::api::resource::v1::{
    DeviceRequestAllocationResult, ExactDeviceRequest, ResourceClaim,
};
use supercargo_host::allocator::DeviceId;

use crate::topology::label;

/// What a claim was given.
pub fn results(claim: &ResourceClaim) -> impl Iterator<Item = &DeviceRequestAllocationResult> {
    let allocation = claim
        .status
        .as_ref()
        .and_then(|status| status.allocation.as_ref());
    let devices = allocation.and_then(|allocation| allocation.devices.as_ref());
    devices
        .into_iter()
        .flat_map(|devices| devices.results.iter().flatten())
}

/// The device of a result.
pub fn device_id(result: &DeviceRequestAllocationResult) -> DeviceId {
    DeviceId {
        driver: result.driver.as_str().into(),
        pool: result.pool.as_str().into(),
        device: result.device.as_str().into(),
    }
}

/// A full name (`namespace/name`) for people: namespace `default` goes without saying.
pub fn short(full: &str) -> String {
    full.strip_prefix("default/").unwrap_or(full).to_owned()
}

/// What a claim asks for, like `4 × gpu.nvidia.com, same nvlinkGroup`.
pub fn wants(claim: &ResourceClaim) -> String {
    let amount = |exactly: &ExactDeviceRequest| match exactly.allocation_mode.as_deref() {
        Some("All") => format!("all {}", exactly.device_class_name),
        _ => format!(
            "{} × {}",
            exactly.count.unwrap_or(1),
            exactly.device_class_name
        ),
    };
    let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    let requests = devices
        .into_iter()
        .flat_map(|devices| devices.requests.iter().flatten())
        .map(|request| {
            let alternatives = request.first_available.iter().flatten();
            let alternatives = alternatives
                .map(|sub| format!("{} × {}", sub.count.unwrap_or(1), sub.device_class_name));
            request
                .exactly
                .iter()
                .map(amount)
                .chain(alternatives)
                .collect::<Vec<_>>()
                .join(" or ")
        });
    let mut wants = requests.collect::<Vec<_>>().join(" + ");
    let constraints = devices
        .into_iter()
        .flat_map(|devices| devices.constraints.iter().flatten());
    for attribute in constraints.filter_map(|constraint| constraint.match_attribute.as_deref()) {
        wants.push_str(&format!(", same {}", label(attribute)));
    }
    wants
}
