//! What has been decided about a claim: allocation, reservations, device status.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    AllocationResult, DeviceRequestAllocationResult, ResourceClaim, ResourceClaimStatus,
};

use super::{Report, claim, terms};
use crate::names;
use crate::objects::path::Path;

const RESERVED_FOR_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONFIG_MAX: usize = 64;
const DATA_BYTES_MAX: usize = 10 << 10;

pub(super) fn status(report: &mut Report<'_>, claim: &ResourceClaim, status: &ResourceClaimStatus) {
    let root = Path::root();
    let path = root.field("status");
    let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    let known = devices.map(claim::known_requests).unwrap_or_default();
    if let Some(allocation) = &status.allocation {
        self::allocation(report, &path.field("allocation"), allocation, &known);
    }
    let list = path.field("reservedFor");
    let consumers = status.reserved_for.as_deref().unwrap_or_default();
    report.at_most(&list, consumers.len(), RESERVED_FOR_MAX, "consumers");
    report.unique(
        &list,
        Some("uid"),
        consumers.iter().map(|consumer| consumer.uid.as_str()),
    );
    for (index, consumer) in consumers.iter().enumerate() {
        let path = list.index(index);
        for (field, value) in [
            ("resource", &consumer.resource),
            ("name", &consumer.name),
            ("uid", &consumer.uid),
        ] {
            if value.is_empty() {
                report.required(&path.field(field), "");
            }
        }
    }
    let list = path.field("devices");
    for (index, device) in status.devices.iter().flatten().enumerate() {
        let path = list.index(index);
        identity(report, &path, &device.driver, &device.pool, &device.device);
        if let Some(data) = &device.data {
            report.bytes_at_most(
                &path.field("data"),
                data.0.to_string().len(),
                DATA_BYTES_MAX,
            );
        }
    }
}

fn allocation(
    report: &mut Report<'_>,
    path: &Path<'_>,
    allocation: &AllocationResult,
    known: &BTreeSet<String>,
) {
    if let Some(selector) = &allocation.node_selector {
        terms::malformed(report, &path.field("nodeSelector"), selector);
    }
    let Some(devices) = &allocation.devices else {
        return;
    };
    let path = path.field("devices");
    let list = path.field("results");
    let results = devices.results.as_deref().unwrap_or_default();
    report.at_most(&list, results.len(), RESULTS_MAX, "results");
    for (index, result) in results.iter().enumerate() {
        self::result(report, &list.index(index), result, known);
    }
    let list = path.field("config");
    let config = devices.config.as_deref().unwrap_or_default();
    report.at_most(&list, config.len(), CONFIG_MAX, "entries");
    for (index, entry) in config.iter().enumerate() {
        let path = list.index(index);
        report.one_of(
            &path.field("source"),
            &entry.source,
            &["FromClass", "FromClaim"],
        );
        claim::scope(report, &path, entry.requests.as_deref(), known);
        terms::opaque(report, &path, entry.opaque.as_ref());
    }
}

fn result(
    report: &mut Report<'_>,
    path: &Path<'_>,
    result: &DeviceRequestAllocationResult,
    known: &BTreeSet<String>,
) {
    if !known.contains(&result.request) {
        report.error(
            &path.field("request"),
            format!("the claim has no request '{}'", result.request),
            "a result belongs to a request of this claim's spec: `request` or `request/alternative`",
        );
    }
    identity(report, path, &result.driver, &result.pool, &result.device);
    if let Some(share) = &result.share_id
        && !is_uuid(share)
    {
        report.error(&path.field("shareID"), format!("'{share}' is no UUID"), "");
    }
    let consumed = path.field("consumedCapacity");
    for (name, quantity) in result.consumed_capacity.iter().flatten() {
        report.quantity(&consumed.key(name), quantity);
    }
    let [before, failure] = ["bindingConditions", "bindingFailureConditions"];
    terms::conditions(
        report,
        &path.field(before),
        result.binding_conditions.as_deref(),
    );
    terms::conditions(
        report,
        &path.field(failure),
        result.binding_failure_conditions.as_deref(),
    );
    terms::tolerations(
        report,
        &path.field("tolerations"),
        result.tolerations.as_deref(),
    );
    let operations = path.field("skipNodeOperations");
    terms::skip_node_operations(report, &operations, result.skip_node_operations.as_deref());
}

fn identity(report: &mut Report<'_>, path: &Path<'_>, driver: &str, pool: &str, device: &str) {
    report.name(&path.field("driver"), driver, names::driver);
    report.name(&path.field("pool"), pool, names::pool);
    report.name(&path.field("device"), device, names::dns_label);
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
