//! Reading claims: what they were given, and what to call them.

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};
use supercargo_host::allocator::DeviceId;

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
