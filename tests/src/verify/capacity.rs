//! Consumable capacity: what is asked keeps the device's policy, and shares fit into the whole.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{CapacityRequestPolicy, Device, DeviceCapacity};

use super::requests::Ask;
use super::{Grant, Situation};
use crate::amount::billionths;

const ONE: i128 = 1_000_000_000;

pub(super) fn check(situation: &Situation<'_>, grants: &[Grant<'_>], wrong: &mut Vec<String>) {
    let mut shares = BTreeSet::new();
    for (i, grant) in grants.iter().enumerate() {
        let mut say = |text: String| wrong.push(format!("{grant}: {text}"));
        let result = grant.result;
        let shareable = grant.shareable(situation.features);
        if !shareable && (result.share_id.is_some() || result.consumed_capacity.is_some()) {
            say("has a share of a device that cannot be shared".to_owned());
        }
        if !situation.features.consumable_capacity || grant.ask.admin() {
            continue;
        }
        if !could_ever_hold(&grant.ask, grant.device) {
            say("the device's capacity or its policy cannot give what is asked".to_owned());
        }
        if !shareable {
            continue;
        }
        match result.share_id.as_deref() {
            Some(share) => {
                let taken = situation
                    .state
                    .shared
                    .iter()
                    .any(|(id, other)| *id == grant.id() && **other == *share);
                if taken || !shares.insert((grant.id(), share)) {
                    say(format!("share {share} is taken"));
                }
            }
            None => say("has no share id".to_owned()),
        }
        for (name, capacity) in grant.device.capacity.iter().flatten() {
            let expected = consumed(&grant.ask, name, capacity);
            let recorded = result.consumed_capacity.as_ref().and_then(|c| c.get(name));
            if recorded.and_then(|recorded| billionths(&recorded.0)) != expected {
                say(format!(
                    "consumes {expected:?}n of {name}, but the result says {recorded:?}"
                ));
            }
            // Each grant stands for the sum up to itself.
            let given: i128 = grants
                .iter()
                .take(i + 1)
                .filter(|other| other.id() == grant.id() && !other.ask.admin())
                .filter_map(|other| consumed(&other.ask, name, capacity))
                .sum();
            let in_use = situation
                .state
                .capacity
                .get(&grant.id())
                .and_then(|in_use| in_use.get(name));
            let in_use = in_use
                .and_then(|in_use| billionths(&in_use.to_string()))
                .unwrap_or_default();
            if billionths(&capacity.value.0).is_none_or(|whole| in_use + given > whole) {
                say(format!(
                    "{name} is {}, {in_use}n is in use and {given}n was given",
                    capacity.value.0
                ));
            }
        }
    }
}

/// Whether the device, with nothing of it in use, could serve the request.
pub(super) fn could_ever_hold(ask: &Ask<'_>, device: &Device) -> bool {
    let mut asked = ask
        .capacity
        .iter()
        .flat_map(|capacity| capacity.requests.iter().flatten());
    let published = device.capacity.as_ref();
    asked.all(|(name, _)| published.is_some_and(|published| published.contains_key(name)))
        && published.into_iter().flatten().all(|(name, capacity)| {
            consumed(ask, name, capacity).is_some_and(|amount| {
                keeps_policy(amount, capacity.request_policy.as_ref())
                    && billionths(&capacity.value.0).is_some_and(|whole| amount <= whole)
            })
        })
}

/// What a request consumes of a capacity: what it asks, rounded up as the policy wants; else the
/// policy's default; else everything.
fn consumed(ask: &Ask<'_>, name: &str, capacity: &DeviceCapacity) -> Option<i128> {
    let policy = capacity.request_policy.as_ref();
    let requests = ask.capacity.and_then(|capacity| capacity.requests.as_ref());
    let Some(asked) = requests.and_then(|requests| requests.get(name)) else {
        let default = policy.and_then(|policy| policy.default.as_ref());
        return billionths(&default.unwrap_or(&capacity.value).0);
    };
    let asked = billionths(&asked.0)?;
    let Some(policy) = policy else {
        return Some(asked);
    };
    if let Some(range) = &policy.valid_range {
        let Some(min) = billionths(&range.min.0) else {
            return Some(asked);
        };
        return match &range.step {
            _ if asked < min => Some(min),
            None => Some(asked),
            Some(step) => {
                let (asked, min, step) = (whole(asked), whole(min), whole(billionths(&step.0)?));
                let beyond = (asked - min).checked_rem_euclid(step)?;
                Some(
                    (if beyond == 0 {
                        asked
                    } else {
                        asked - beyond + step
                    }) * ONE,
                )
            }
        };
    }
    let mut valid = policy
        .valid_values
        .iter()
        .flatten()
        .filter_map(|value| billionths(&value.0));
    Some(valid.find(|value| asked <= *value).unwrap_or(asked))
}

/// Integers upwards, as the API counts in ranges with a step.
fn whole(billionths: i128) -> i128 {
    billionths.div_euclid(ONE) + i128::from(billionths.rem_euclid(ONE) > 0)
}

fn keeps_policy(amount: i128, policy: Option<&CapacityRequestPolicy>) -> bool {
    let Some(policy) = policy else { return true };
    if policy
        .default
        .as_ref()
        .and_then(|default| billionths(&default.0))
        == Some(amount)
    {
        return true;
    }
    if let Some(range) = &policy.valid_range {
        let in_range = range
            .max
            .as_ref()
            .is_none_or(|max| billionths(&max.0).is_some_and(|max| amount <= max));
        let min = billionths(&range.min.0).unwrap_or_default();
        let step = range
            .step
            .as_ref()
            .and_then(|step| billionths(&step.0))
            .map(whole);
        return in_range
            && step.is_none_or(|step| step != 0 && (whole(amount) - whole(min)) % step == 0);
    }
    match policy.valid_values.as_deref() {
        None | Some([]) => true,
        Some(values) => values
            .iter()
            .any(|value| billionths(&value.0) == Some(amount)),
    }
}
