//! Shared counters: what is in use and what was given draw no more than a set holds.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::Device;
use supercargo_host::allocator::DeviceId;

use super::pools::Pool;
use super::{Grant, Situation, device_id};
use crate::amount::billionths;

pub(super) fn check(
    situation: &Situation<'_>,
    pools: &[Pool<'_>],
    grants: &[Grant<'_>],
    wrong: &mut Vec<String>,
) {
    for pool in pools {
        // Admin access consumes nothing, and a shared device draws once however often it is given.
        let given: BTreeSet<DeviceId> = grants
            .iter()
            .filter(|grant| !grant.ask.admin())
            .filter(|grant| grant.result.driver == pool.driver && grant.result.pool == pool.name)
            .map(Grant::id)
            .collect();
        let in_use = in_use(situation);
        for set in pool.counter_sets() {
            for (name, counter) in &set.counters {
                let draws = |device: &Device| draw(device, &set.name, name);
                let (mut used, mut new) = (0, 0);
                for (slice, device) in pool.all_devices() {
                    let id = device_id(slice, device);
                    if in_use.contains(&id) {
                        used += draws(device);
                    } else if given.contains(&id) {
                        new += draws(device);
                    }
                }
                // What is in use may overdraw a set already; then nothing more may come of it.
                if new > 0 && billionths(&counter.value.0).is_none_or(|total| used + new > total) {
                    wrong.push(format!(
                        "pool {}/{}: counter {name} of {} holds {}, {used}n is in use and {new}n was given",
                        pool.driver, pool.name, set.name, counter.value.0
                    ));
                }
            }
        }
    }
}

fn in_use(situation: &Situation<'_>) -> BTreeSet<DeviceId> {
    let state = situation.state;
    let shared = state.shared.iter().map(|(device, _)| device);
    state
        .devices
        .iter()
        .chain(shared)
        .chain(state.capacity.keys())
        .cloned()
        .collect()
}

fn draw(device: &Device, set: &str, counter: &str) -> i128 {
    let consumed = device
        .consumes_counters
        .iter()
        .flatten()
        .filter(|consumed| consumed.counter_set == set);
    consumed
        .filter_map(|consumed| billionths(&consumed.counters.get(counter)?.value.0))
        .sum()
}
