//! What a policy would be asked about a claim that nobody places: for tests of a policy, which want an
//! answer, often a refusal, where first fit finds nothing and would not ask.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::lower;
use super::rules::{Group, Mapped, asked, devices};
use crate::allocator::{AllocateError, AllocatedState, Allocator, DeviceIndex, RequestIndex};
use crate::journal::Subject;
use crate::policy::{Interests, Situation};
use crate::scheduling::claim_name;

/// The question about all requests of a claim with all their alternatives, and the names in it.
///
/// # Errors
/// A selector or a slice's node selector fails.
pub fn question(
    allocator: &Allocator,
    state: &AllocatedState,
    node: &Node,
    claim: &ResourceClaim,
    interests: &Interests,
) -> Result<(Situation, Subject), AllocateError> {
    let requests = devices(claim).and_then(|devices| devices.requests.as_deref());
    let mut mapped = Vec::new();
    for (request, asked) in requests.unwrap_or_default().iter().enumerate() {
        let alternatives = asked.first_available.as_ref().map_or(0, Vec::len);
        let exactly = asked.exactly.is_some().then_some(None);
        for alternative in exactly.into_iter().chain((0..alternatives).map(Some)) {
            let index = RequestIndex {
                claim: 0,
                request,
                alternative,
            };
            let candidates = allocator.candidates(state, node, &[claim], index)?;
            mapped.push(Mapped { index, candidates });
        }
    }
    let group = Group {
        claim: 0,
        policy: 0,
        requests: mapped,
    };
    let question = lower::Question {
        allocator,
        state,
        node,
        claim,
        group: &group,
        taken: &BTreeSet::new(),
    };
    let (situation, devices) = lower::situation(&question, interests)?;
    let requests = group.requests.iter().map(|mapped| mapped.index);
    let subject = subject(allocator, node, claim, requests, &devices);
    Ok((situation, subject))
}

/// The names in a question.
pub(super) fn subject(
    allocator: &Allocator,
    node: &Node,
    claim: &ResourceClaim,
    requests: impl Iterator<Item = RequestIndex>,
    devices: &[DeviceIndex],
) -> Subject {
    let requests = requests.filter_map(|index| {
        let request = asked(claim, index)?;
        Some(match request.alternative {
            Some(alternative) => format!("{}/{alternative}", request.name),
            None => request.name.to_owned(),
        })
    });
    Subject {
        claim: claim_name(claim),
        node: node.metadata.name.clone().unwrap_or_default(),
        requests: requests.collect(),
        devices: devices
            .iter()
            .map(|&device| allocator.device_id(device).to_string())
            .collect(),
    }
}
