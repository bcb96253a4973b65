//! Opaque parameters by precedence.
//!
//! The allocation holds a copy of what device classes and the claim wrote, each with the requests it is
//! for. What a class wrote stands below what the claim wrote wherever it stands in the list, and within
//! one hand the later stands above the earlier: a policy that looks from the end finds what holds
//! first. Nothing is merged here, because only the policy knows what its parameters mean.
//!
//! Parameters for a request are for each of its alternatives too (`gpu` holds for `gpu/big`), as
//! upstream's own rule has it.

use k8s_openapi::api::resource::v1::{AllocationResult, DeviceAllocationConfiguration};

use super::{DeviceOfClaim, ResolvedParameters};

/// The parameters for `driver` that hold for any of the requests that `devices` serve.
pub(super) fn resolve(
    allocation: &AllocationResult,
    driver: &str,
    devices: &[DeviceOfClaim],
) -> Vec<ResolvedParameters> {
    let requests = requests(devices);
    let configs = allocation.devices.iter();
    let configs: Vec<&DeviceAllocationConfiguration> = configs
        .flat_map(|devices| devices.config.iter().flatten())
        .collect();
    let of = |from_class: bool| {
        let requests = &requests;
        configs
            .iter()
            .filter(move |config| (config.source == "FromClass") == from_class)
            .filter_map(move |config| {
                let opaque = config.opaque.as_ref()?;
                let requests: Vec<String> = requests
                    .iter()
                    .filter(|request| holds_for(config.requests.as_deref(), request))
                    .map(|request| (*request).to_owned())
                    .collect();
                let ours = opaque.driver == driver && !requests.is_empty();
                ours.then(|| ResolvedParameters {
                    requests,
                    driver: opaque.driver.clone(),
                    from_class,
                    json: opaque.parameters.0.to_string(),
                })
            })
    };
    of(true).chain(of(false)).collect()
}

/// The requests that devices serve, each once, in order.
pub(in crate::plan) fn requests(devices: &[DeviceOfClaim]) -> Vec<&str> {
    let mut requests = Vec::new();
    for device in devices {
        if !requests.contains(&device.request.as_str()) {
            requests.push(device.request.as_str());
        }
    }
    requests
}

/// Whether a list of request names, empty for all, speaks of `request`.
fn holds_for(names: Option<&[String]>, request: &str) -> bool {
    let names = names.unwrap_or_default();
    let parent = request.split('/').next();
    names.is_empty()
        || names
            .iter()
            .any(|name| name == request || Some(name.as_str()) == parent)
}
