//! What binding a claim writes: the finalizer, the allocation, and who uses it.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{
    AllocationResult, ResourceClaim, ResourceClaimConsumerReference, ResourceClaimStatus,
};
use sha2::{Digest as _, Sha256};

/// Keeps an allocated claim from vanishing while its devices are prepared somewhere.
pub const FINALIZER: &str = "resource.kubernetes.io/delete-protection";

/// The most pods that may use one claim (`ResourceClaimReservedForMaxSize`).
pub const MAX_CONSUMERS: usize = 256;

/// Enters the allocation and the finalizer that goes with it.
///
/// Shares of devices get ids that follow from the claim, its devices and their order: the same
/// input gives the same output, and two claims never have the same share.
pub fn allocate(claim: &mut ResourceClaim, mut allocation: AllocationResult) {
    let uid = claim.metadata.uid.clone().unwrap_or_default();
    let devices = allocation.devices.as_mut();
    let results = devices.and_then(|devices| devices.results.as_mut());
    for (at, result) in results.into_iter().flatten().enumerate() {
        if let Some(id) = &mut result.share_id {
            let position = at.to_string();
            let parts = [
                &uid,
                &result.driver,
                &result.pool,
                &result.device,
                &position,
            ];
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part.len().to_le_bytes());
                hash.update(part.as_bytes());
            }
            let mut bytes = [0; 16];
            bytes
                .iter_mut()
                .zip(hash.finalize())
                .for_each(|(byte, hashed)| *byte = hashed);
            *id = uuid::Builder::from_custom_bytes(bytes)
                .into_uuid()
                .to_string();
        }
    }
    let finalizers = claim.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    claim
        .status
        .get_or_insert_with(ResourceClaimStatus::default)
        .allocation = Some(allocation);
}

/// Whether `pod` already is one of the claim's users.
pub fn is_reserved_for(claim: &ResourceClaim, pod: &Pod) -> bool {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    consumers(claim)
        .iter()
        .any(|consumer| consumer.uid == uid && consumer.resource == "pods")
}

/// Whether one more pod may use the claim.
pub fn has_room(claim: &ResourceClaim) -> bool {
    consumers(claim).len() < MAX_CONSUMERS
}

/// Enters `pod` as a user of the claim, once.
pub fn reserve(claim: &mut ResourceClaim, pod: &Pod) {
    if is_reserved_for(claim, pod) {
        return;
    }
    let status = claim
        .status
        .get_or_insert_with(ResourceClaimStatus::default);
    status
        .reserved_for
        .get_or_insert_default()
        .push(ResourceClaimConsumerReference {
            api_group: None,
            resource: "pods".to_owned(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
        });
}

fn consumers(claim: &ResourceClaim) -> &[ResourceClaimConsumerReference] {
    claim
        .status
        .as_ref()
        .and_then(|status| status.reserved_for.as_deref())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_reserved_once_a_pod_and_protected_once() {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p", "uid": "1"}})).unwrap();
        let mut claim = ResourceClaim::default();
        for _ in 0..2 {
            allocate(&mut claim, AllocationResult::default());
            reserve(&mut claim, &pod);
        }
        assert_eq!(
            claim.metadata.finalizers.as_deref(),
            Some(&[FINALIZER.to_owned()][..])
        );
        assert_eq!(
            serde_json::to_value(claim.status.unwrap().reserved_for).unwrap(),
            json!([{"name": "p", "resource": "pods", "uid": "1"}])
        );
    }

    #[test]
    fn the_last_place_is_the_256th() {
        let mut claim = ResourceClaim::default();
        for uid in 0..MAX_CONSUMERS {
            assert!(has_room(&claim));
            let pod: Pod =
                serde_json::from_value(json!({"metadata": {"name": "p", "uid": uid.to_string()}}))
                    .unwrap();
            reserve(&mut claim, &pod);
        }
        assert!(!has_room(&claim));
    }
}
