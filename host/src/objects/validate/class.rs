//! Device classes and taint rules: what the administrator of a cluster writes.

use k8s_openapi::api::resource::v1::{DeviceClass, DeviceTaintRule};

use super::{Report, claim, terms};
use crate::names::{self, Checked};
use crate::objects::path::Path;

pub(super) fn class(report: &mut Report<'_>, class: &DeviceClass) {
    report.metadata(&class.metadata, names::dns_subdomain);
    let root = Path::root();
    let path = root.field("spec");
    let Some(spec) = &class.spec else { return };
    terms::selectors(report, &path.field("selectors"), spec.selectors.as_deref());
    let config = path.field("config");
    let given = spec.config.as_deref().unwrap_or_default();
    report.at_most(&config, given.len(), claim::CONFIG_MAX, "entries");
    for (index, entry) in given.iter().enumerate() {
        terms::opaque(report, &config.index(index), entry.opaque.as_ref());
    }
    if let Some(name) = &spec.extended_resource_name {
        report.name(&path.field("extendedResourceName"), name, extended_resource);
    }
}

fn extended_resource(name: &str) -> Checked {
    if !name.contains('/') || name.contains("kubernetes.io/") || name.starts_with("requests.") {
        return Err(
            "must be domain/resource (like 'example.com/gpu'), not in kubernetes.io and not \
                    beginning with 'requests.'"
                .to_owned(),
        );
    }
    names::label_key(&format!("requests.{name}"))
}

pub(super) fn taint_rule(report: &mut Report<'_>, rule: &DeviceTaintRule) {
    report.metadata(&rule.metadata, names::dns_subdomain);
    let root = Path::root();
    let path = root.field("spec");
    terms::taint(report, &path.field("taint"), &rule.spec.taint);
    let selector = path.field("deviceSelector");
    let Some(given) = &rule.spec.device_selector else {
        report.notice(
            &selector,
            "a rule without deviceSelector taints nothing",
            "select devices by driver, pool or device; deviceSelector: {} selects all",
        );
        return;
    };
    if let Some(driver) = &given.driver {
        report.name(&selector.field("driver"), driver, names::driver);
    }
    if let Some(pool) = &given.pool {
        report.name(&selector.field("pool"), pool, names::pool);
    }
    if let Some(device) = &given.device {
        report.name(&selector.field("device"), device, names::dns_label);
    }
}
