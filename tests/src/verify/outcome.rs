//! What an allocation says beyond devices: configuration and the nodes it is good for.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement};
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceAllocationConfiguration};

use super::{Grant, Situation, devices};

pub(super) fn check(
    situation: &Situation<'_>,
    claim: usize,
    grants: &[&Grant<'_>],
    result: &AllocationResult,
    wrong: &mut Vec<String>,
) {
    let config = result
        .devices
        .as_ref()
        .and_then(|devices| devices.config.clone())
        .unwrap_or_default();
    let want = configuration(situation, claim, grants);
    if normal(&config) != normal(&want) {
        wrong.push(format!(
            "claim #{claim}: want configuration {want:?}, got {config:?}"
        ));
    }
    let want = requirements(situation, grants);
    let got = requirement_set(result.node_selector.as_ref());
    if got.as_ref() != Ok(&want) {
        wrong.push(format!(
            "claim #{claim}: want node requirements {want:?}, got {got:?}"
        ));
    }
}

/// No list of requests and an empty one are the same.
fn normal(config: &[DeviceAllocationConfiguration]) -> Vec<DeviceAllocationConfiguration> {
    let mut config = config.to_vec();
    for entry in &mut config {
        entry.requests = entry
            .requests
            .take()
            .filter(|requests| !requests.is_empty());
    }
    config
}

/// Every class's configuration once, with the requests of that class; then the claim's own, as far
/// as it is for a request that was served. What is for all requests names none.
fn configuration(
    situation: &Situation<'_>,
    claim: usize,
    grants: &[&Grant<'_>],
) -> Vec<DeviceAllocationConfiguration> {
    let spec = situation
        .claims
        .get(claim)
        .and_then(|claim| claim.spec.as_ref());
    let Some(spec) = spec.and_then(|spec| spec.devices.as_ref()) else {
        return Vec::new();
    };
    let mut served: Vec<&Grant<'_>> = Vec::new();
    for grant in grants {
        if !served
            .iter()
            .any(|other| other.ask.index == grant.ask.index)
        {
            served.push(grant);
        }
    }
    let mut config = Vec::new();
    let mut classes: Vec<&str> = Vec::new();
    for class in served.iter().map(|grant| grant.ask.class) {
        if classes.contains(&class) {
            continue;
        }
        classes.push(class);
        let requests: Vec<String> = served
            .iter()
            .filter(|grant| grant.ask.class == class)
            .map(|grant| grant.ask.name())
            .collect();
        let spec = devices::class(situation, class).and_then(|class| class.spec.as_ref());
        for entry in spec.iter().flat_map(|spec| spec.config.iter().flatten()) {
            config.push(DeviceAllocationConfiguration {
                opaque: entry.opaque.clone(),
                requests: Some(requests.clone()),
                source: "FromClass".to_owned(),
            });
        }
    }
    for entry in spec.config.iter().flatten() {
        let requests = entry.requests.clone().unwrap_or_default();
        if requests.is_empty() || served.iter().any(|grant| grant.ask.is_among(&requests)) {
            config.push(DeviceAllocationConfiguration {
                opaque: entry.opaque.clone(),
                requests: Some(requests),
                source: "FromClaim".to_owned(),
            });
        }
    }
    for entry in &mut config {
        let requests = entry.requests.clone().unwrap_or_default();
        let all = served.len() == spec.requests.as_ref().map_or(0, Vec::len);
        if all && served.iter().all(|grant| grant.ask.is_among(&requests)) {
            entry.requests = None;
        }
    }
    config
}

/// Whether by field or by label, the key, the operator and the values.
type Requirement = (bool, String, String, BTreeSet<String>);

/// A device of one node ties the claim to that node; devices of many tie it to what all require.
fn requirements(situation: &Situation<'_>, grants: &[&Grant<'_>]) -> BTreeSet<Requirement> {
    let mut all = BTreeSet::new();
    for grant in grants {
        let per_device = grant.slice.spec.per_device_node_selection == Some(true);
        let (name, selector) = if per_device {
            (&grant.device.node_name, &grant.device.node_selector)
        } else {
            (&grant.slice.spec.node_name, &grant.slice.spec.node_selector)
        };
        if name.is_some() || grant.device.binds_to_node == Some(true) {
            let node = situation.node.metadata.name.clone().unwrap_or_default();
            return BTreeSet::from([(
                true,
                "metadata.name".into(),
                "In".into(),
                BTreeSet::from([node]),
            )]);
        }
        all.extend(requirement_set(selector.as_ref()).unwrap_or_default());
    }
    all
}

fn requirement_set(selector: Option<&NodeSelector>) -> Result<BTreeSet<Requirement>, String> {
    let Some(selector) = selector else {
        return Ok(BTreeSet::new());
    };
    let [term] = selector.node_selector_terms.as_slice() else {
        return Err(format!("{} terms", selector.node_selector_terms.len()));
    };
    let requirement = |field: bool| {
        move |r: &NodeSelectorRequirement| {
            (
                field,
                r.key.clone(),
                r.operator.clone(),
                r.values.iter().flatten().cloned().collect(),
            )
        }
    };
    let fields = term.match_fields.iter().flatten().map(requirement(true));
    Ok(fields
        .chain(
            term.match_expressions
                .iter()
                .flatten()
                .map(requirement(false)),
        )
        .collect())
}
