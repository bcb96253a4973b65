//! What allocated claims hold: the state that the next allocation must respect.
//!
//! As upstream's scheduler derives it: a result with a share id holds one share and the capacity it
//! consumes, any other result holds the whole device, and admin access holds nothing.

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};

use crate::allocator::{AllocatedState, DeviceId};
use crate::quantity::Quantity;

/// The state of all `claims` together.
pub fn in_use<'a>(claims: impl IntoIterator<Item = &'a ResourceClaim>) -> AllocatedState {
    let mut state = AllocatedState::default();
    for claim in claims {
        enter(&mut state, claim);
    }
    state
}

/// Adds what `claim` holds to `state`; an unallocated claim holds nothing.
pub fn enter(state: &mut AllocatedState, claim: &ResourceClaim) {
    enter_where(state, claim, |_| true);
}

/// Removes all that is in use of a pool.
pub fn leave_pool(state: &mut AllocatedState, driver: &str, pool: &str) {
    let stays = |id: &DeviceId| *id.driver != *driver || *id.pool != *pool;
    state.devices.retain(stays);
    state.shared.retain(|(id, _)| stays(id));
    state.capacity.retain(|id, _| stays(id));
    state.holders.retain(|id, _| stays(id));
    state.counters.retain(|id, _| stays(id));
}

/// Adds those of a claim's devices to `state` that are `wanted` there.
pub fn enter_where(
    state: &mut AllocatedState,
    claim: &ResourceClaim,
    wanted: impl Fn(&DeviceRequestAllocationResult) -> bool,
) {
    let Some(allocation) = claim
        .status
        .as_ref()
        .and_then(|status| status.allocation.as_ref())
    else {
        return;
    };
    let holder = super::claim_name(claim);
    let results = allocation
        .devices
        .as_ref()
        .and_then(|devices| devices.results.as_ref());
    for result in results.into_iter().flatten() {
        if result.admin_access == Some(true) || !wanted(result) {
            continue;
        }
        let device = DeviceId {
            driver: result.driver.as_str().into(),
            pool: result.pool.as_str().into(),
            device: result.device.as_str().into(),
        };
        let holders = state.holders.entry(device.clone()).or_default();
        if !holders.is_empty() {
            holders.push_str(", ");
        }
        holders.push_str(&holder);
        let Some(share) = &result.share_id else {
            state.devices.insert(device);
            continue;
        };
        state.shared.insert((device.clone(), share.as_str().into()));
        let used = state.capacity.entry(device).or_default();
        for (name, amount) in result.consumed_capacity.iter().flatten() {
            // An unreadable amount cannot come from an allocation that the API server admitted.
            if let Ok(amount) = Quantity::parse(&amount.0) {
                used.entry(name.clone())
                    .and_modify(|sum| sum.add(&amount))
                    .or_insert(amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(name: &str, results: serde_json::Value) -> ResourceClaim {
        serde_json::from_value(json!({
            "metadata": {"namespace": "default", "name": name},
            "spec": {},
            "status": {"allocation": {"devices": {"results": results}}}
        }))
        .unwrap()
    }

    fn result(device: &str) -> serde_json::Value {
        json!({"request": "r", "driver": "d", "pool": "p", "device": device})
    }

    #[test]
    fn a_device_without_share_id_is_held_whole() {
        let state = in_use([&claim("a", json!([result("gpu-0"), result("gpu-1")]))]);
        assert_eq!(state.devices.len(), 2);
        assert!(state.shared.is_empty() && state.capacity.is_empty());
        assert!(state.holders.values().all(|holder| holder == "default/a"));
    }

    #[test]
    fn admin_access_holds_nothing() {
        let mut admin = result("gpu-0");
        admin["adminAccess"] = json!(true);
        let state = in_use([&claim("a", json!([admin]))]);
        assert!(state.devices.is_empty() && state.holders.is_empty());
    }

    #[test]
    fn shares_add_up_their_capacity() {
        let share = |id: &str, memory: &str| {
            let mut share = result("gpu-0");
            share["shareID"] = json!(id);
            share["consumedCapacity"] = json!({"memory": memory});
            share
        };
        let state = in_use([
            &claim("a", json!([share("1", "1Gi")])),
            &claim("b", json!([share("2", "3Gi")])),
        ]);
        assert!(state.devices.is_empty());
        assert_eq!(state.shared.len(), 2);
        let used = state.capacity.values().next().unwrap();
        assert_eq!(used["memory"], Quantity::parse("4Gi").unwrap());
        assert_eq!(
            state.holders.values().next().unwrap(),
            "default/a, default/b"
        );
    }

    #[test]
    fn a_pool_is_entered_and_left_alone() {
        let mut there = result("gpu-0");
        there["pool"] = json!("q");
        let claim = claim("a", json!([result("gpu-0"), there]));
        let mut state = AllocatedState::default();
        enter_where(&mut state, &claim, |result| result.pool == "q");
        assert_eq!(state.devices.len(), 1);
        enter_where(&mut state, &claim, |result| result.pool == "p");
        leave_pool(&mut state, "d", "q");
        let left: Vec<String> = state.devices.iter().map(ToString::to_string).collect();
        assert_eq!(left, ["d/p/gpu-0"]);
        assert_eq!(state.holders.len(), 1);
    }

    #[test]
    fn a_pending_claim_holds_nothing() {
        let pending: ResourceClaim =
            serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": {}})).unwrap();
        assert!(in_use([&pending]).devices.is_empty());
    }
}
