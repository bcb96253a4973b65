//! Does every request get what it asks for: as many devices, all of them, exactly one alternative.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    CapacityRequirements, DeviceRequest, DeviceSelector, DeviceToleration, ResourceClaim,
};

use super::pools::Pool;
use super::{Grant, Situation, capacity, devices, pools};

/// A request, or one alternative of one, with the fields both have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Position in the claim.
    pub(super) index: usize,
    pub(super) request: &'a DeviceRequest,
    /// Position among the request's alternatives.
    pub(super) alternative: Option<usize>,
    pub(super) class: &'a str,
    mode: &'a str,
    count: i64,
    /// What the field says; it must not be set at all while the gate is off.
    admin: Option<bool>,
    pub(super) selectors: &'a [DeviceSelector],
    pub(super) tolerations: &'a [DeviceToleration],
    pub(super) capacity: Option<&'a CapacityRequirements>,
}

impl<'a> Ask<'a> {
    pub(super) fn admin(&self) -> bool {
        self.admin == Some(true)
    }

    /// The name under which results, constraints and configurations know it.
    pub(super) fn name(&self) -> String {
        let alternatives = self.request.first_available.as_deref().unwrap_or_default();
        match self.alternative.and_then(|i| alternatives.get(i)) {
            Some(alternative) => format!("{}/{}", self.request.name, alternative.name),
            None => self.request.name.clone(),
        }
    }

    /// Whether a list of names means this request: by its own name or its alternative's.
    pub(super) fn is_among(&self, names: &[String]) -> bool {
        names
            .iter()
            .any(|name| *name == self.request.name || *name == self.name())
    }

    fn all(index: usize, request: &'a DeviceRequest) -> Vec<Ask<'a>> {
        let exactly = request.exactly.iter().map(|exact| Ask {
            index,
            request,
            alternative: None,
            class: &exact.device_class_name,
            mode: exact.allocation_mode.as_deref().unwrap_or("ExactCount"),
            count: exact.count.unwrap_or(1),
            admin: exact.admin_access,
            selectors: exact.selectors.as_deref().unwrap_or_default(),
            tolerations: exact.tolerations.as_deref().unwrap_or_default(),
            capacity: exact.capacity.as_ref(),
        });
        let alternatives = request
            .first_available
            .iter()
            .flatten()
            .enumerate()
            .map(|(i, sub)| Ask {
                index,
                request,
                alternative: Some(i),
                class: &sub.device_class_name,
                mode: sub.allocation_mode.as_deref().unwrap_or("ExactCount"),
                count: sub.count.unwrap_or(1),
                admin: None,
                selectors: sub.selectors.as_deref().unwrap_or_default(),
                tolerations: sub.tolerations.as_deref().unwrap_or_default(),
                capacity: sub.capacity.as_ref(),
            });
        let has_alternatives = request
            .first_available
            .as_ref()
            .is_some_and(|list| !list.is_empty());
        if has_alternatives {
            alternatives.collect()
        } else {
            exactly.collect()
        }
    }
}

fn requests(claim: &ResourceClaim) -> &[DeviceRequest] {
    let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    devices
        .and_then(|devices| devices.requests.as_deref())
        .unwrap_or_default()
}

/// The request or alternative of that name.
pub(super) fn named<'a>(claim: &'a ResourceClaim, name: &str) -> Option<Ask<'a>> {
    requests(claim)
        .iter()
        .enumerate()
        .flat_map(|(index, request)| Ask::all(index, request))
        .find(|ask| ask.name() == name)
}

pub(super) fn check(
    situation: &Situation<'_>,
    pools: &[Pool<'_>],
    grants: &[Grant<'_>],
    wrong: &mut Vec<String>,
) {
    for (index, claim) in situation.claims.iter().enumerate() {
        let of_claim: Vec<&Grant<'_>> =
            grants.iter().filter(|grant| grant.claim == index).collect();
        if !of_claim.is_sorted_by_key(|grant| grant.ask.index) {
            wrong.push(format!(
                "claim #{index}: results are not in the order of the requests"
            ));
        }
        for (position, request) in requests(claim).iter().enumerate() {
            let place = format!("claim #{index}, request {}", request.name);
            let given: Vec<&Grant<'_>> = of_claim
                .iter()
                .copied()
                .filter(|grant| grant.ask.index == position)
                .collect();
            let used: BTreeSet<Option<usize>> =
                given.iter().map(|grant| grant.ask.alternative).collect();
            match used.len() {
                0 => {
                    if !Ask::all(position, request)
                        .iter()
                        .any(|ask| ask.mode == "ExactCount" && ask.count == 0)
                    {
                        wrong.push(format!("{place}: got no device"));
                    }
                }
                1 => check_one(situation, pools, &place, &given, wrong),
                _ => wrong.push(format!("{place}: devices for several alternatives")),
            }
        }
    }
}

fn check_one(
    situation: &Situation<'_>,
    pools: &[Pool<'_>],
    place: &str,
    given: &[&Grant<'_>],
    wrong: &mut Vec<String>,
) {
    let Some(Grant { ask, .. }) = given.first() else {
        return;
    };
    let features = situation.features;
    if ask.alternative.is_some() && !features.prioritized_list {
        wrong.push(format!("{place}: alternatives while their gate is off"));
    }
    if ask.admin.is_some() && !features.admin_access {
        wrong.push(format!("{place}: admin access while its gate is off"));
    }
    if ask.capacity.is_some() && !features.consumable_capacity {
        wrong.push(format!("{place}: asks for capacity while its gate is off"));
    }
    let names: Vec<&str> = given
        .iter()
        .map(|grant| grant.result.device.as_str())
        .collect();
    match ask.mode {
        "ExactCount" if i64::try_from(given.len()) != Ok(ask.count) => {
            wrong.push(format!(
                "{place}: asks for {} devices and got {names:?}",
                ask.count
            ));
        }
        "ExactCount" => {}
        "All" => {
            if pools::any_unusable(situation) {
                wrong.push(format!(
                    "{place}: all devices of an incomplete or invalid pool are not known"
                ));
            }
            let given: BTreeSet<_> = given.iter().map(|grant| grant.id()).collect();
            let all: BTreeSet<_> = pools
                .iter()
                .flat_map(|pool| pool.devices(situation))
                .filter(|(slice, device)| {
                    devices::selected(situation, ask, slice, device) == Ok(true)
                        && (!features.consumable_capacity || capacity::could_ever_hold(ask, device))
                })
                .map(|(slice, device)| super::device_id(slice, device))
                .collect();
            if given != all {
                wrong.push(format!(
                    "{place}: asks for all devices and got {given:?} of {all:?}"
                ));
            }
        }
        other => wrong.push(format!(
            "{place}: got devices for the unknown mode {other:?}"
        )),
    }
}
