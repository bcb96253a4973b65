//! Checks an allocation against every rule of Dynamic Resource Allocation, one rule at a time.
//!
//! Written from the rules and not from the search: nothing is indexed, remembered or pruned, sums are
//! added up afresh, and quantities are read a second way ([`crate::amount`]). Only the selectors'
//! language is shared with the host. What it cannot say is whether a *better* allocation exists, or
//! whether one exists where the search found none.

use std::fmt;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{
    AllocationResult, Device, DeviceClass, DeviceRequestAllocationResult, ResourceClaim,
    ResourceSlice,
};
use supercargo_host::allocator::{AllocatedState, DeviceId, Features};

mod capacity;
mod constraints;
mod counters;
mod devices;
mod outcome;
mod pools;
mod requests;

use pools::Pool;
use requests::Ask;

/// `AllocationResultsMaxSize` of the API.
const MOST_RESULTS: usize = 32;

/// What was asked, of what, while what was in use.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The gates that are on.
    pub features: Features,
    /// Everything published.
    pub slices: &'a [ResourceSlice],
    /// The device classes.
    pub classes: &'a [DeviceClass],
    /// What is in use.
    pub state: &'a AllocatedState,
    /// Where the pod is to run.
    pub node: &'a Node,
    /// The claims that were allocated together.
    pub claims: &'a [&'a ResourceClaim],
}

/// One device given to one request: the result and everything it stands for.
#[derive(Debug, Clone, Copy)]
struct Grant<'a> {
    claim: usize,
    ask: Ask<'a>,
    result: &'a DeviceRequestAllocationResult,
    slice: &'a ResourceSlice,
    device: &'a Device,
}

impl Grant<'_> {
    fn id(&self) -> DeviceId {
        device_id(self.slice, self.device)
    }

    /// Whether the device may be given out more than once at a time.
    fn shareable(&self, features: Features) -> bool {
        features.consumable_capacity && self.device.allow_multiple_allocations == Some(true)
    }
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceRequestAllocationResult {
            request,
            driver,
            pool,
            device,
            ..
        } = self.result;
        write!(
            f,
            "claim #{}, request {request}, device {driver}/{pool}/{device}",
            self.claim
        )
    }
}

fn device_id(slice: &ResourceSlice, device: &Device) -> DeviceId {
    DeviceId {
        driver: slice.spec.driver.as_str().into(),
        pool: slice.spec.pool.name.as_str().into(),
        device: device.name.as_str().into(),
    }
}

/// The rules that `results` break, in words; none when the allocation is right.
#[must_use]
pub fn violations(situation: &Situation<'_>, results: &[AllocationResult]) -> Vec<String> {
    let mut wrong = Vec::new();
    if results.len() != situation.claims.len() {
        wrong.push(format!(
            "{} results for {} claims",
            results.len(),
            situation.claims.len()
        ));
        return wrong;
    }
    let pools = pools::usable(situation);
    let grants = grants(situation, &pools, results, &mut wrong);
    requests::check(situation, &pools, &grants, &mut wrong);
    devices::check(situation, &grants, &mut wrong);
    constraints::check(situation, &grants, &mut wrong);
    if situation.features.partitionable_devices {
        counters::check(situation, &pools, &grants, &mut wrong);
    }
    capacity::check(situation, &grants, &mut wrong);
    for (claim, result) in results.iter().enumerate() {
        let granted = device_results(result);
        if granted.len() > MOST_RESULTS {
            wrong.push(format!(
                "claim #{claim}: {} results exceed the limit of {MOST_RESULTS}",
                granted.len()
            ));
        }
        let of_claim: Vec<&Grant<'_>> =
            grants.iter().filter(|grant| grant.claim == claim).collect();
        outcome::check(situation, claim, &of_claim, result, &mut wrong);
    }
    wrong
}

fn device_results(result: &AllocationResult) -> &[DeviceRequestAllocationResult] {
    result
        .devices
        .as_ref()
        .and_then(|devices| devices.results.as_deref())
        .unwrap_or_default()
}

/// Finds, for every device result, the request it names and the device that is published.
fn grants<'a>(
    situation: &Situation<'a>,
    pools: &[Pool<'a>],
    results: &'a [AllocationResult],
    wrong: &mut Vec<String>,
) -> Vec<Grant<'a>> {
    let mut grants = Vec::new();
    for (claim, (result, spec)) in results.iter().zip(situation.claims).enumerate() {
        for result in device_results(result) {
            let place = format!(
                "claim #{claim}, {}: {}/{}/{}",
                result.request, result.driver, result.pool, result.device
            );
            let Some(ask) = requests::named(spec, &result.request) else {
                wrong.push(format!("{place}: the claim has no such request"));
                continue;
            };
            let pool = pools
                .iter()
                .find(|pool| pool.driver == result.driver && pool.name == result.pool);
            let found = pool.and_then(|pool| {
                pool.devices(situation)
                    .into_iter()
                    .find(|(_, device)| device.name == result.device)
            });
            match found {
                Some((slice, device)) => grants.push(Grant {
                    claim,
                    ask,
                    result,
                    slice,
                    device,
                }),
                None => wrong.push(format!(
                    "{place}: not a device of a current, complete, valid pool of this node"
                )),
            }
        }
    }
    grants
}
