//! What the API server fills in when an object is created.
//!
//! The allocator upstream refuses a request without allocation mode, for no such request ever
//! reaches it: creation has set the mode, the count and the tolerations' operator. Manifests have
//! not been through creation, so it is done here.

use k8s_openapi::api::resource::v1::{
    DeviceToleration, ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate,
};

/// Fills in a claim.
pub fn claim(claim: &mut ResourceClaim) {
    claim_spec(claim.spec.as_mut());
}

/// Fills in a template's claim.
pub fn template(template: &mut ResourceClaimTemplate) {
    claim_spec(template.spec.as_mut().and_then(|spec| spec.spec.as_mut()));
}

fn claim_spec(spec: Option<&mut ResourceClaimSpec>) {
    let devices = spec.and_then(|spec| spec.devices.as_mut());
    let requests = devices
        .and_then(|devices| devices.requests.as_mut())
        .into_iter()
        .flatten();
    for request in requests {
        if let Some(exactly) = &mut request.exactly {
            mode_and_count(&mut exactly.allocation_mode, &mut exactly.count);
            operators(&mut exactly.tolerations);
        }
        for alternative in request.first_available.iter_mut().flatten() {
            mode_and_count(&mut alternative.allocation_mode, &mut alternative.count);
            operators(&mut alternative.tolerations);
        }
    }
}

fn mode_and_count(mode: &mut Option<String>, count: &mut Option<i64>) {
    let mode = mode.get_or_insert_default();
    if mode.is_empty() {
        "ExactCount".clone_into(mode);
    }
    if mode == "ExactCount" && count.unwrap_or_default() == 0 {
        *count = Some(1);
    }
}

fn operators(tolerations: &mut Option<Vec<DeviceToleration>>) {
    for toleration in tolerations.iter_mut().flatten() {
        let operator = toleration.operator.get_or_insert_default();
        if operator.is_empty() {
            "Equal".clone_into(operator);
        }
    }
}
