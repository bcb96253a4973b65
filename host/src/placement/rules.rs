//! Which requests of the claims are whose.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{DeviceClaim, DeviceRequest, ResourceClaim};

use crate::allocator::{Allocation, DeviceIndex, RequestIndex};
use crate::configuration::Rule;

/// The requests of one claim that one policy serves, with the devices they may get.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) claim: usize,
    /// The position of the policy.
    pub(super) policy: usize,
    pub(super) requests: Vec<Mapped>,
}

/// A request that a policy is asked about.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) index: RequestIndex,
    pub(super) candidates: Vec<DeviceIndex>,
}

/// What a request asks for: its own fields, or those of the alternative that is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The request's name, and the alternative's.
    pub(super) name: &'a str,
    pub(super) alternative: Option<&'a str>,
    pub(super) class: &'a str,
    pub(super) all: bool,
    pub(super) count: i64,
    pub(super) admin_access: bool,
    pub(super) capacity: Option<&'a k8s_openapi::api::resource::v1::CapacityRequirements>,
}

impl Asked<'_> {
    /// Whether a list of request names, as constraints and configurations have, speaks of this one.
    pub(super) fn is_named_in(&self, names: Option<&Vec<String>>) -> bool {
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            return true;
        };
        names.iter().any(|name| match name.split_once('/') {
            None => name == self.name,
            Some((request, alternative)) => {
                request == self.name && Some(alternative) == self.alternative
            }
        })
    }
}

/// What a claim asks for.
pub(super) fn devices(claim: &ResourceClaim) -> Option<&DeviceClaim> {
    claim.spec.as_ref()?.devices.as_ref()
}

/// The request at `index`.
pub(super) fn asked(claim: &ResourceClaim, index: RequestIndex) -> Option<Asked<'_>> {
    let request: &DeviceRequest = devices(claim)?.requests.as_ref()?.get(index.request)?;
    let all = |mode: &Option<String>| mode.as_deref() == Some("All");
    match (&request.exactly, index.alternative) {
        (Some(exactly), None) => Some(Asked {
            name: &request.name,
            alternative: None,
            class: &exactly.device_class_name,
            all: all(&exactly.allocation_mode),
            count: exactly.count.unwrap_or(1),
            admin_access: exactly.admin_access.unwrap_or(false),
            capacity: exactly.capacity.as_ref(),
        }),
        (_, Some(alternative)) => {
            let sub = request.first_available.as_ref()?.get(alternative)?;
            Some(Asked {
                name: &request.name,
                alternative: Some(&sub.name),
                class: &sub.device_class_name,
                all: all(&sub.allocation_mode),
                count: sub.count.unwrap_or(1),
                admin_access: false,
                capacity: sub.capacity.as_ref(),
            })
        }
        (None, None) => None,
    }
}

/// Sorts the requests that `served` allocates by claim and policy, in the order of the claims and
/// of each policy's first request. Requests that no rule matches are in no group.
pub(super) fn group<E>(
    rules: &[(usize, Rule)],
    claims: &[&ResourceClaim],
    served: &Allocation,
    driver_of: impl Fn(DeviceIndex) -> String,
    mut candidates: impl FnMut(RequestIndex) -> Result<Vec<DeviceIndex>, E>,
) -> Result<Vec<Group>, E> {
    let mut groups: Vec<Group> = Vec::new();
    for &index in served.devices.keys() {
        let Some(claim) = claims.get(index.claim) else {
            continue;
        };
        let Some(asked) = asked(claim, index) else {
            continue;
        };
        let namespace = claim.metadata.namespace.as_deref().unwrap_or("default");
        let labels = claim.metadata.labels.as_ref();
        let mut eligible = None;
        let mut drivers = BTreeSet::new();
        let mut policy = None;
        for (position, rule) in rules {
            if !rule.drivers.is_empty() && eligible.is_none() {
                let devices = candidates(index)?;
                drivers = devices.iter().map(|&device| driver_of(device)).collect();
                eligible = Some(devices);
            }
            if rule.matches(
                asked.class,
                namespace,
                labels,
                drivers.iter().map(String::as_str),
            ) {
                policy = Some(*position);
                break;
            }
        }
        let Some(policy) = policy else { continue };
        let candidates = match eligible {
            Some(devices) => devices,
            None => candidates(index)?,
        };
        let mapped = Mapped { index, candidates };
        match groups
            .iter_mut()
            .find(|group| group.claim == index.claim && group.policy == policy)
        {
            Some(group) => group.requests.push(mapped),
            None => groups.push(Group {
                claim: index.claim,
                policy,
                requests: vec![mapped],
            }),
        }
    }
    Ok(groups)
}
