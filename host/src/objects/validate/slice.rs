//! What a driver publishes.

use k8s_openapi::api::resource::v1::{CounterSet, ResourceSlice, ResourceSliceSpec};

use super::{Report, device, terms};
use crate::names;
use crate::objects::path::Path;

const DEVICES_MAX: usize = 128;
const DEVICES_ADVANCED_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
pub(super) const COUNTERS_MAX: usize = 32;

pub(super) fn slice(report: &mut Report<'_>, slice: &ResourceSlice) {
    report.metadata(&slice.metadata, names::dns_subdomain);
    let spec = &slice.spec;
    let root = Path::root();
    let path = root.field("spec");
    report.name(&path.field("driver"), &spec.driver, names::driver);
    let pool = path.field("pool");
    report.name(&pool.field("name"), &spec.pool.name, names::pool);
    if spec.pool.generation < 0 {
        let message = format!("must not be negative, found {}", spec.pool.generation);
        report.error(&pool.field("generation"), message, "");
    }
    if spec.pool.resource_slice_count <= 0 {
        report.error(
            &pool.field("resourceSliceCount"),
            format!(
                "must be greater than zero, found {}",
                spec.pool.resource_slice_count
            ),
            "give the number of ResourceSlices that make up the pool; 1 when this is all",
        );
    }
    nodes(report, &path, spec);
    contents(report, &path, spec);
    if let Some(name) = &spec.partition_type_attribute {
        let place = path.field("partitionTypeAttribute");
        report.name(&place, name, names::fully_qualified_device_name);
    }
    terms::skip_node_operations(
        report,
        &path.field("skipNodeOperations"),
        spec.skip_node_operations.as_deref(),
    );
}

fn nodes(report: &mut Report<'_>, path: &Path<'_>, spec: &ResourceSliceSpec) {
    for (field, value) in [
        ("allNodes", spec.all_nodes),
        ("perDeviceNodeSelection", spec.per_device_node_selection),
    ] {
        if value == Some(false) {
            report.error(
                &path.field(field),
                "is either true or not there",
                "remove the field",
            );
        }
    }
    let given = [
        spec.node_name.is_some(),
        spec.node_selector.is_some(),
        spec.all_nodes.is_some(),
        spec.per_device_node_selection.is_some(),
    ];
    let count = given.iter().filter(|given| **given).count();
    if count != 1 {
        report.error(
            path,
            format!(
                "must have exactly one of nodeName, nodeSelector, allNodes and \
                 perDeviceNodeSelection, has {count}"
            ),
            "say where the devices are: nodeName for local devices, nodeSelector or allNodes for \
             devices reached over a network",
        );
    }
    if let Some(name) = &spec.node_name {
        report.name(&path.field("nodeName"), name, names::dns_subdomain);
    }
    if let Some(selector) = &spec.node_selector {
        terms::node_selector(report, &path.field("nodeSelector"), selector);
    }
}

fn contents(report: &mut Report<'_>, path: &Path<'_>, spec: &ResourceSliceSpec) {
    let devices = spec.devices.as_deref().unwrap_or_default();
    let counters = spec.shared_counters.as_deref().unwrap_or_default();
    if !devices.is_empty() && !counters.is_empty() {
        report.error(
            path,
            "has both devices and sharedCounters",
            "put the counters into a ResourceSlice of their own in the same pool and count both in \
             pool.resourceSliceCount",
        );
    }
    let list = path.field("devices");
    let advanced = devices.iter().any(device::is_advanced);
    let limit = if advanced {
        DEVICES_ADVANCED_MAX
    } else {
        DEVICES_MAX
    };
    if devices.len() > limit {
        let with = if advanced {
            " with taints, counters or list attributes"
        } else {
            ""
        };
        report.error(
            &list,
            format!(
                "has {} devices, the limit is {limit} in a slice{with}",
                devices.len()
            ),
            "spread the pool over several ResourceSlices",
        );
    }
    report.unique(
        &list,
        Some("name"),
        devices.iter().map(|device| device.name.as_str()),
    );
    let per_device = spec.per_device_node_selection == Some(true);
    for (index, device) in devices.iter().enumerate() {
        device::device(report, &list.index(index), device, per_device);
    }
    counter_sets(report, &path.field("sharedCounters"), counters);
}

fn counter_sets(report: &mut Report<'_>, path: &Path<'_>, sets: &[CounterSet]) {
    report.at_most(path, sets.len(), COUNTER_SETS_MAX, "counter sets");
    report.unique(path, Some("name"), sets.iter().map(|set| set.name.as_str()));
    for (index, set) in sets.iter().enumerate() {
        let path = path.index(index);
        report.name(&path.field("name"), &set.name, names::dns_label);
        device::counters(report, &path.field("counters"), &set.counters);
    }
}
