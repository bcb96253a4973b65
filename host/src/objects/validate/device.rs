//! One device of a slice.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{Counter, Device, DeviceAttribute};

use super::{Report, policy, slice, terms};
use crate::names;
use crate::objects::path::Path;
use crate::objects::tree::shorten;

const ATTRIBUTES_AND_CAPACITIES_MAX: usize = 32;
const ATTRIBUTE_VALUES_MAX: usize = 48;
const VALUE_BYTES_MAX: usize = 64;
const CONSUMED_SETS_MAX: usize = 2;
const COMPATIBILITY_GROUPS_MAX: usize = 2;

/// Whether a device has one of the features that halve the size of its slice.
pub(super) fn is_advanced(device: &Device) -> bool {
    let some = |list: usize| list > 0;
    some(device.taints.as_ref().map_or(0, Vec::len))
        || some(device.consumes_counters.as_ref().map_or(0, Vec::len))
        || device
            .attributes
            .iter()
            .flatten()
            .any(|(_, attribute)| is_list(attribute))
}

fn is_list(attribute: &DeviceAttribute) -> bool {
    attribute.ints.is_some()
        || attribute.bools.is_some()
        || attribute.strings.is_some()
        || attribute.versions.is_some()
}

pub(super) fn device(report: &mut Report<'_>, path: &Path<'_>, device: &Device, per_device: bool) {
    report.name(&path.field("name"), &device.name, names::dns_label);
    let dialect = report.dialect;
    let path = &dialect.basic(path);
    attributes(report, path, device);
    nodes(report, path, device, per_device);
    let consumed = device.consumes_counters.as_deref().unwrap_or_default();
    let list = path.field("consumesCounters");
    report.at_most(&list, consumed.len(), CONSUMED_SETS_MAX, "counter sets");
    let sets = consumed.iter().map(|entry| entry.counter_set.as_str());
    report.unique(&list, Some("counterSet"), sets);
    for (index, entry) in consumed.iter().enumerate() {
        let path = list.index(index);
        report.name(
            &path.field("counterSet"),
            &entry.counter_set,
            names::dns_label,
        );
        counters(report, &path.field("counters"), &entry.counters);
        let groups = entry.compatibility_groups.as_deref().unwrap_or_default();
        let path = path.field("compatibilityGroups");
        report.at_most(&path, groups.len(), COMPATIBILITY_GROUPS_MAX, "groups");
        report.unique(&path, None, groups.iter().map(String::as_str));
        for (index, group) in groups.iter().enumerate() {
            report.name(&path.index(index), group, names::dns_label);
        }
    }
    terms::taints(report, &path.field("taints"), device.taints.as_deref());
    conditions(report, path, device);
    node_allocatable(report, path, device);
}

fn attributes(report: &mut Report<'_>, path: &Path<'_>, device: &Device) {
    let attributes = device.attributes.iter().flatten();
    let capacities = device.capacity.iter().flatten();
    let entries = attributes.clone().count() + capacities.clone().count();
    let what = "attributes and capacities";
    report.at_most(path, entries, ATTRIBUTES_AND_CAPACITIES_MAX, what);
    let list = path.field("attributes");
    let mut values = 0;
    for (name, attribute) in attributes {
        let path = list.key(name);
        report.format(&path, name, names::qualified_device_name);
        values += self::attribute(report, &path, attribute);
    }
    report.at_most(&list, values, ATTRIBUTE_VALUES_MAX, "attribute values");
    let list = path.field("capacity");
    let shared = device.allow_multiple_allocations == Some(true);
    for (name, capacity) in capacities {
        let path = list.key(name);
        report.format(&path, name, names::qualified_device_name);
        let value = report.quantity(&path.field("value"), &capacity.value);
        if let Some(policy) = &capacity.request_policy {
            let path = path.field("requestPolicy");
            if !shared {
                report.error(
                    &path,
                    "only a device with allowMultipleAllocations: true can have a request policy",
                    "set allowMultipleAllocations: true, or remove the policy",
                );
            }
            policy::policy(report, &path, policy, value.as_ref());
        }
    }
}

/// Checks an attribute and counts its values.
fn attribute(report: &mut Report<'_>, path: &Path<'_>, attribute: &DeviceAttribute) -> usize {
    let one = |given: bool| given.then_some(1);
    let kinds = [
        ("int", one(attribute.int.is_some())),
        ("bool", one(attribute.bool.is_some())),
        ("string", one(attribute.string.is_some())),
        ("version", one(attribute.version.is_some())),
        ("ints", attribute.ints.as_ref().map(Vec::len)),
        ("bools", attribute.bools.as_ref().map(Vec::len)),
        ("strings", attribute.strings.as_ref().map(Vec::len)),
        ("versions", attribute.versions.as_ref().map(Vec::len)),
    ];
    let given: Vec<(&str, usize)> = kinds
        .iter()
        .filter_map(|(kind, count)| count.map(|count| (*kind, count)))
        .collect();
    if given.len() != 1 {
        let found: Vec<&str> = given.iter().map(|(kind, _)| *kind).collect();
        let found = if found.is_empty() {
            "none".to_owned()
        } else {
            found.join(" and ")
        };
        report.error(
            path,
            format!("must have exactly one kind of value, has {found}"),
            "use one of int, bool, string, version, ints, bools, strings, versions",
        );
    }
    for (kind, count) in &given {
        if *count == 0 {
            report.error(
                &path.field(kind),
                "is an empty list",
                "give a value or remove it",
            );
        }
    }
    let strings = [
        ("string", attribute.string.as_slice()),
        ("strings", list(&attribute.strings)),
    ];
    for (field, values) in strings {
        for value in values {
            report.bytes_at_most(&path.field(field), value.len(), VALUE_BYTES_MAX);
        }
    }
    let versions = [
        ("version", attribute.version.as_slice()),
        ("versions", list(&attribute.versions)),
    ];
    for (field, values) in versions {
        for value in values {
            version(report, &path.field(field), value);
        }
    }
    given.iter().map(|(_, count)| count).sum()
}

fn list(values: &Option<Vec<String>>) -> &[String] {
    values.as_deref().unwrap_or_default()
}

fn version(report: &mut Report<'_>, path: &Path<'_>, value: &str) {
    report.bytes_at_most(path, value.len(), VALUE_BYTES_MAX);
    if let Err(error) = semver::Version::parse(value) {
        report.error(
            path,
            format!("'{}' is no semantic version: {error}", shorten(value)),
            "write major.minor.patch without leading zeros, like 580.95.5, or use `string`",
        );
    }
}

fn nodes(report: &mut Report<'_>, path: &Path<'_>, device: &Device, per_device: bool) {
    let given = [
        device.node_name.is_some(),
        device.node_selector.is_some(),
        device.all_nodes.is_some(),
    ];
    let count = given.iter().filter(|given| **given).count();
    if per_device && count != 1 {
        report.error(
            path,
            format!("must have exactly one of nodeName, nodeSelector and allNodes, has {count}"),
            "the slice has perDeviceNodeSelection: say for each device where it is",
        );
    }
    if !per_device && count > 0 {
        report.error(
            path,
            "has a node of its own",
            "set perDeviceNodeSelection: true in the slice's spec, or say the node there",
        );
    }
    if device.all_nodes == Some(false) {
        report.error(
            &path.field("allNodes"),
            "is either true or not there",
            "remove the field",
        );
    }
    if let Some(name) = &device.node_name {
        report.name(&path.field("nodeName"), name, names::dns_subdomain);
    }
    if let Some(selector) = &device.node_selector {
        terms::node_selector(report, &path.field("nodeSelector"), selector);
    }
}

fn conditions(report: &mut Report<'_>, path: &Path<'_>, device: &Device) {
    let [before, failure] = ["bindingConditions", "bindingFailureConditions"];
    let binding = device.binding_conditions.as_deref();
    let failing = device.binding_failure_conditions.as_deref();
    terms::conditions(report, &path.field(before), binding);
    terms::conditions(report, &path.field(failure), failing);
    let none = |list: Option<&[String]>| list.is_none_or(<[String]>::is_empty);
    if none(binding) != none(failing) {
        let (there, missing) = if none(binding) {
            (failure, before)
        } else {
            (before, failure)
        };
        report.error(
            &path.field(there),
            format!("needs {missing} as well"),
            format!("add {missing}"),
        );
    }
    for condition in failing.unwrap_or_default() {
        if binding.unwrap_or_default().contains(condition) {
            let message = format!("'{condition}' is a binding condition as well");
            report.error(
                &path.field(failure),
                message,
                "a condition means one or the other",
            );
        }
    }
}

fn node_allocatable(report: &mut Report<'_>, path: &Path<'_>, device: &Device) {
    let list = path.field("nodeAllocatableResources");
    for (name, resource) in device.node_allocatable_resources.iter().flatten() {
        let path = list.key(name);
        report.format(&path, name, names::label_key);
        if resource.mapping.is_none() && resource.overhead.is_none() {
            report.error(
                &path,
                "has neither mapping nor overhead",
                "give at least one of them",
            );
        }
        if let Some(mapping) = &resource.mapping {
            let path = path.field("mapping");
            if mapping.capacity_key.is_some() == mapping.device_multiplier.is_some() {
                report.error(
                    &path,
                    "must have exactly one of capacityKey and deviceMultiplier",
                    "",
                );
            }
            if mapping.capacity_key.is_some() != mapping.capacity_multiplier.is_some() {
                report.error(&path, "capacityKey and capacityMultiplier go together", "");
            }
        }
    }
}

/// Counters of a set, or taken from one.
pub(super) fn counters(
    report: &mut Report<'_>,
    path: &Path<'_>,
    counters: &BTreeMap<String, Counter>,
) {
    if counters.is_empty() {
        report.required(
            path,
            "name at least one counter, like memory: {value: 40Gi}",
        );
    }
    report.at_most(path, counters.len(), slice::COUNTERS_MAX, "counters");
    for (name, counter) in counters {
        let path = path.key(name);
        report.format(&path, name, names::dns_label);
        report.quantity(&path.field("value"), &counter.value);
    }
}
