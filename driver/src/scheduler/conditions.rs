//! Devices that get ready late: a pod is bound when they are.
//!
//! A device may name conditions (`bindingConditions`) that its driver sets in `status.devices` of the claim
//! once the device can be used from the node, and others that say that it never will be. The rules are
//! upstream's: all conditions true means ready, any failure condition true means that the allocation is
//! given up, and so does waiting longer than ten minutes after the allocation.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};
use supercargo_host::scheduling::claim_name;

use crate::claims::results;

/// How long the conditions may take (upstream's `bindingTimeout`).
const TIMEOUT: Duration = Duration::from_secs(600);

/// How devices stand to their conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditions {
    /// All are ready.
    Met,
    /// Some are not ready yet.
    Waiting(String),
    /// Some will not get ready.
    Failed(String),
}

/// How the devices of some claims stand.
pub fn of(claims: impl Iterator<Item = Arc<ResourceClaim>>, now: Timestamp) -> Conditions {
    let mut waiting = None;
    for claim in claims {
        for result in results(&claim) {
            let is_true = |wanted: &String| is_true(&claim, result, wanted);
            let device = || format!("{}/{}/{}", result.driver, result.pool, result.device);
            let failures = result.binding_failure_conditions.iter().flatten();
            if let Some(failure) = failures.into_iter().find(|it| is_true(it)) {
                return Conditions::Failed(format!("{}: condition {failure}", device()));
            }
            let mut conditions = result.binding_conditions.iter().flatten();
            let Some(missing) = conditions.find(|it| !is_true(it)) else {
                continue;
            };
            let status = claim.status.as_ref();
            let since = status
                .and_then(|status| status.allocation.as_ref())
                .and_then(|allocation| allocation.allocation_timestamp.as_ref())
                .map_or(now, |time| time.0);
            let waited = now.duration_since(since);
            if waited.unsigned_abs() > TIMEOUT && waited.is_positive() {
                return Conditions::Failed(format!(
                    "{}: no condition {missing} within {} s of the allocation",
                    device(),
                    TIMEOUT.as_secs()
                ));
            }
            waiting = Some(format!(
                "ResourceClaim {}: waiting for condition {missing} of {}, for {} s so far",
                claim_name(&claim),
                device(),
                waited.as_secs()
            ));
        }
    }
    waiting.map_or(Conditions::Met, Conditions::Waiting)
}

fn is_true(claim: &ResourceClaim, result: &DeviceRequestAllocationResult, wanted: &str) -> bool {
    let devices = claim.status.as_ref().and_then(|it| it.devices.as_ref());
    let mut of_device = devices.into_iter().flatten().filter(|device| {
        device.driver == result.driver
            && device.pool == result.pool
            && device.device == result.device
            && device.share_id == result.share_id
    });
    of_device.any(|device| {
        let mut conditions = device.conditions.iter().flatten();
        conditions.any(|condition| condition.type_ == wanted && condition.status == "True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(conditions: serde_json::Value, seconds: i64) -> Conditions {
        let claim: ResourceClaim = serde_json::from_value(json!({
            "metadata": {"namespace": "n", "name": "c"}, "spec": {},
            "status": {
                "allocation": {"allocationTimestamp": "2026-01-01T00:00:00Z", "devices": {"results": [{
                    "request": "r", "driver": "d", "pool": "p", "device": "x",
                    "bindingConditions": ["attached"], "bindingFailureConditions": ["broken"]}]}},
                "devices": [{"driver": "d", "pool": "p", "device": "x", "conditions": conditions}]},
        }))
        .unwrap();
        let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = begun + jiff::SignedDuration::from_secs(seconds);
        of([Arc::new(claim)].into_iter(), now)
    }

    fn condition(name: &str, status: &str) -> serde_json::Value {
        json!({"type": name, "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn a_device_is_ready_when_all_its_conditions_are_true() {
        assert_eq!(
            ask(json!([condition("attached", "True")]), 5),
            Conditions::Met
        );
        for not_yet in [json!([]), json!([condition("attached", "False")])] {
            assert!(matches!(ask(not_yet, 5), Conditions::Waiting(_)));
        }
    }

    #[test]
    fn a_failure_condition_or_ten_minutes_end_the_wait() {
        let broken = json!([condition("attached", "True"), condition("broken", "True")]);
        assert!(matches!(ask(broken, 5), Conditions::Failed(_)));
        assert!(matches!(ask(json!([]), 601), Conditions::Failed(_)));
        assert!(matches!(ask(json!([]), 599), Conditions::Waiting(_)));
    }
}
