//! `matchAttribute` and `distinctAttribute`, over the devices that a claim got in the end.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute, DeviceConstraint};

use super::{Grant, Situation};

/// The values of an attribute as a set; the order of the variants means nothing.
type Values = BTreeSet<Value>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Int(i64),
    Bool(bool),
    String(String),
    Version(String),
}

pub(super) fn check(situation: &Situation<'_>, grants: &[Grant<'_>], wrong: &mut Vec<String>) {
    for (index, claim) in situation.claims.iter().enumerate() {
        let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
        for (number, constraint) in devices
            .iter()
            .flat_map(|d| d.constraints.iter().flatten())
            .enumerate()
        {
            let names = constraint.requests.as_deref().unwrap_or_default();
            let bound: Vec<&Grant<'_>> = grants
                .iter()
                .filter(|grant| {
                    grant.claim == index && (names.is_empty() || grant.ask.is_among(names))
                })
                .collect();
            if let Err(text) = holds(situation.features.list_type_attributes, constraint, &bound) {
                wrong.push(format!("claim #{index}, constraint #{number}: {text}"));
            }
        }
    }
}

fn holds(lists: bool, constraint: &DeviceConstraint, bound: &[&Grant<'_>]) -> Result<(), String> {
    let (attribute, distinct) = match (&constraint.match_attribute, &constraint.distinct_attribute)
    {
        (Some(attribute), _) => (attribute, false),
        (None, Some(attribute)) => (attribute, true),
        (None, None) => {
            return Err("an allocation despite an unknown kind of constraint".to_owned());
        }
    };
    let mut found: Vec<(&&Grant<'_>, Values)> = Vec::new();
    for grant in bound {
        let value = attribute_of(&grant.slice.spec.driver, grant.device, attribute)
            .ok_or_else(|| format!("{grant}: has no attribute {attribute}"))?;
        found.push((grant, values(lists, value)));
    }
    // Without the gate a list is a value like no other; alone, it may stand.
    if found.len() > 1 || lists {
        for (grant, values) in &found {
            if values.is_empty() {
                return Err(format!("{grant}: {attribute} has no value to compare"));
            }
        }
    }
    if distinct {
        for (i, (a, first)) in found.iter().enumerate() {
            for (b, second) in found.iter().skip(i + 1) {
                if !first.is_disjoint(second) {
                    return Err(format!("{attribute} is not distinct: {a}; {b}"));
                }
            }
        }
    } else if let Some(((_, first), rest)) = found.split_first() {
        let common = rest
            .iter()
            .fold(first.clone(), |common, (_, values)| &common & values);
        if common.is_empty() && !rest.is_empty() {
            let places: Vec<String> = bound.iter().map(ToString::to_string).collect();
            return Err(format!("{attribute} does not match: {}", places.join("; ")));
        }
    }
    Ok(())
}

/// The attribute under its full name, or under the bare one if the domain is the driver's.
fn attribute_of<'a>(driver: &str, device: &'a Device, name: &str) -> Option<&'a DeviceAttribute> {
    let attributes = device.attributes.as_ref()?;
    attributes.get(name).or_else(|| {
        let (domain, bare) = name.split_once('/')?;
        attributes.get(bare).filter(|_| domain == driver)
    })
}

fn values(lists: bool, attribute: &DeviceAttribute) -> Values {
    let scalars = (attribute.int.map(Value::Int).into_iter())
        .chain(attribute.bool.map(Value::Bool))
        .chain(attribute.string.clone().map(Value::String))
        .chain(attribute.version.clone().map(Value::Version));
    if !lists {
        return scalars.collect();
    }
    scalars
        .chain(attribute.ints.iter().flatten().copied().map(Value::Int))
        .chain(attribute.bools.iter().flatten().copied().map(Value::Bool))
        .chain(
            attribute
                .strings
                .iter()
                .flatten()
                .cloned()
                .map(Value::String),
        )
        .chain(
            attribute
                .versions
                .iter()
                .flatten()
                .cloned()
                .map(Value::Version),
        )
        .collect()
}
