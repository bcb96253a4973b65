//! What a claim asks for.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    DeviceClaim, DeviceDerivedAttribute, DeviceRequest, ResourceClaimSpec,
};

use super::{Report, terms};
use crate::names;
use crate::objects::path::Path;
use crate::objects::tree::shorten;

const REQUESTS_MAX: usize = 32;
const CONSTRAINTS_MAX: usize = 32;
pub(super) const CONFIG_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const DERIVED_MAX: usize = 32;

pub(super) fn spec(report: &mut Report<'_>, path: &Path<'_>, spec: Option<&ResourceClaimSpec>) {
    let Some(spec) = spec else {
        report.required(
            path,
            "say what the claim asks for: devices: {requests: [...]}",
        );
        return;
    };
    let path = path.field("devices");
    let Some(devices) = &spec.devices else { return };
    let requests = devices.requests.as_deref().unwrap_or_default();
    let list = path.field("requests");
    report.at_most(&list, requests.len(), REQUESTS_MAX, "requests");
    report.unique(
        &list,
        Some("name"),
        requests.iter().map(|request| request.name.as_str()),
    );
    for (index, request) in requests.iter().enumerate() {
        self::request(report, &list.index(index), request);
    }
    let known = known_requests(devices);
    constraints(report, &path.field("constraints"), devices, &known);
    let config = path.field("config");
    let given = devices.config.as_deref().unwrap_or_default();
    report.at_most(&config, given.len(), CONFIG_MAX, "entries");
    for (index, entry) in given.iter().enumerate() {
        let path = config.index(index);
        scope(report, &path, entry.requests.as_deref(), &known);
        terms::opaque(report, &path, entry.opaque.as_ref());
    }
}

/// The names that constraints, configuration and results may use: `request` and `request/sub`.
pub(super) fn known_requests(devices: &DeviceClaim) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for request in devices.requests.iter().flatten() {
        known.insert(request.name.clone());
        for alternative in request.first_available.iter().flatten() {
            known.insert(format!("{}/{}", request.name, alternative.name));
        }
    }
    known
}

/// A list of requests something applies to.
pub(super) fn scope(
    report: &mut Report<'_>,
    path: &Path<'_>,
    requests: Option<&[String]>,
    known: &BTreeSet<String>,
) {
    let path = path.field("requests");
    let requests = requests.unwrap_or_default();
    report.at_most(&path, requests.len(), REQUESTS_MAX, "requests");
    report.unique(&path, None, requests.iter().map(String::as_str));
    for (index, request) in requests.iter().enumerate() {
        if !known.contains(request) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            report.error(
                &path.index(index),
                format!("the claim has no request '{}'", shorten(request)),
                format!("use one of: {}", names.join(", ")),
            );
        }
    }
}

fn constraints(
    report: &mut Report<'_>,
    path: &Path<'_>,
    devices: &DeviceClaim,
    known: &BTreeSet<String>,
) {
    let list = devices.constraints.as_deref().unwrap_or_default();
    report.at_most(path, list.len(), CONSTRAINTS_MAX, "constraints");
    for (index, constraint) in list.iter().enumerate() {
        let path = path.index(index);
        scope(report, &path, constraint.requests.as_deref(), known);
        let kinds = [
            ("matchAttribute", &constraint.match_attribute),
            ("distinctAttribute", &constraint.distinct_attribute),
        ];
        if kinds.iter().filter(|(_, name)| name.is_some()).count() != 1 {
            report.error(
                &path,
                "must have exactly one of matchAttribute and distinctAttribute",
                "write matchAttribute for devices that share a value, distinctAttribute for \
                 devices that differ; one constraint each",
            );
        }
        for (field, name) in kinds {
            if let Some(name) = name {
                report.name(&path.field(field), name, names::fully_qualified_device_name);
            }
        }
    }
}

fn request(report: &mut Report<'_>, path: &Path<'_>, request: &DeviceRequest) {
    report.name(&path.field("name"), &request.name, names::dns_label);
    let alternatives = request.first_available.as_deref();
    let (one, several) = match report.dialect {
        super::Dialect::V1 => ("exactly", "firstAvailable"),
        super::Dialect::V1beta1 => ("deviceClassName", "firstAvailable"),
    };
    match (&request.exactly, alternatives) {
        (Some(_), Some(_)) => report.error(
            path,
            format!("has both {one} and {several}"),
            format!("keep one: {one} for one kind of device, {several} for alternatives"),
        ),
        (None, None) => report.error(
            path,
            format!("asks for nothing: it has neither {one} nor {several}"),
            match report.dialect {
                super::Dialect::V1 => {
                    "write exactly: {deviceClassName: ...}, with the fields indented below exactly"
                }
                super::Dialect::V1beta1 => "write deviceClassName: ...",
            },
        ),
        _ => {}
    }
    if let Some(exactly) = &request.exactly {
        let dialect = report.dialect;
        let path = dialect.exactly(path);
        body(
            report,
            &path,
            &Body {
                class: &exactly.device_class_name,
                mode: exactly.allocation_mode.as_deref(),
                count: exactly.count,
                derived: exactly.derived_attributes.as_deref(),
            },
        );
        terms::selectors(
            report,
            &path.field("selectors"),
            exactly.selectors.as_deref(),
        );
        terms::tolerations(
            report,
            &path.field("tolerations"),
            exactly.tolerations.as_deref(),
        );
        terms::capacity(report, &path.field("capacity"), exactly.capacity.as_ref());
    }
    let list = path.field("firstAvailable");
    let alternatives = alternatives.unwrap_or_default();
    report.at_most(&list, alternatives.len(), ALTERNATIVES_MAX, "alternatives");
    if request.first_available.is_some() && alternatives.is_empty() {
        report.error(
            &list,
            "is empty",
            "list at least one alternative, or use exactly",
        );
    }
    report.unique(
        &list,
        Some("name"),
        alternatives.iter().map(|given| given.name.as_str()),
    );
    for (index, given) in alternatives.iter().enumerate() {
        let path = list.index(index);
        report.name(&path.field("name"), &given.name, names::dns_label);
        body(
            report,
            &path,
            &Body {
                class: &given.device_class_name,
                mode: given.allocation_mode.as_deref(),
                count: given.count,
                derived: given.derived_attributes.as_deref(),
            },
        );
        terms::selectors(report, &path.field("selectors"), given.selectors.as_deref());
        terms::tolerations(
            report,
            &path.field("tolerations"),
            given.tolerations.as_deref(),
        );
        terms::capacity(report, &path.field("capacity"), given.capacity.as_ref());
    }
}

/// What requests and their alternatives have in common.
struct Body<'a> {
    class: &'a str,
    mode: Option<&'a str>,
    count: Option<i64>,
    derived: Option<&'a [DeviceDerivedAttribute]>,
}

fn body(report: &mut Report<'_>, path: &Path<'_>, body: &Body<'_>) {
    let class = path.field("deviceClassName");
    if body.class.is_empty() {
        report.required(
            &class,
            "name a DeviceClass (kubectl get deviceclasses lists them)",
        );
    } else {
        report.format(&class, body.class, names::dns_subdomain);
    }
    let mode = body
        .mode
        .filter(|mode| !mode.is_empty())
        .unwrap_or("ExactCount");
    report.one_of(&path.field("allocationMode"), mode, &["ExactCount", "All"]);
    let count = body.count.unwrap_or_default();
    let place = path.field("count");
    if mode == "All" && count != 0 {
        report.error(
            &place,
            format!("allocationMode All takes no count, found {count}"),
            "remove the count, or use allocationMode: ExactCount",
        );
    } else if count < 0 {
        report.error(
            &place,
            format!("must be greater than zero, found {count}"),
            "",
        );
    }
    let derived = body.derived.unwrap_or_default();
    let list = path.field("derivedAttributes");
    report.at_most(&list, derived.len(), DERIVED_MAX, "derived attributes");
    report.unique(
        &list,
        Some("name"),
        derived.iter().map(|given| given.name.as_str()),
    );
    for (index, given) in derived.iter().enumerate() {
        let path = list.index(index);
        report.name(
            &path.field("name"),
            &given.name,
            names::fully_qualified_device_name,
        );
        terms::expression(report, &path.field("expression"), &given.expression);
    }
}
