//! The limits and formats of the API, as the API server checks them at creation.
//!
//! An object that passes here could be applied to a cluster; one that does not would be refused
//! there, so it is refused here with the same reason. Rules and numbers are those of
//! `k8s.io/api/resource/v1/types.go`. Whether selectors are good CEL is asked elsewhere.

mod claim;
mod class;
mod device;
mod policy;
mod slice;
mod status;
mod terms;
mod workload;

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Object;
use super::path::Path;
use super::problem::{Finding, Severity};
use super::tree::{Tree, shorten};
use crate::names::{self, Checked};
use crate::quantity::Quantity;

/// The version an object is written in, as far as its shape differs from v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    V1,
    /// No `exactly` in requests, and `basic` in devices.
    V1beta1,
}

impl Dialect {
    /// The path of a request's `exactly`, as this version writes it.
    fn exactly<'a>(self, request: &'a Path<'a>) -> Path<'a> {
        match self {
            Self::V1 => request.field("exactly"),
            Self::V1beta1 => request.unwritten(),
        }
    }

    /// The path of what v1 has in the device itself.
    fn basic<'a>(self, device: &'a Path<'a>) -> Path<'a> {
        match self {
            Self::V1 => device.unwritten(),
            Self::V1beta1 => device.field("basic"),
        }
    }
}

/// Checks an object; the tree is what it was read from.
pub(crate) fn object(object: &Object, tree: &Tree, dialect: Dialect) -> Vec<Finding> {
    let mut report = Report {
        tree,
        dialect,
        findings: Vec::new(),
    };
    let root = Path::root();
    match object {
        Object::DeviceClass(class) => class::class(&mut report, class),
        Object::ResourceSlice(slice) => slice::slice(&mut report, slice),
        Object::ResourceClaim(claim) => {
            report.metadata(&claim.metadata, names::dns_subdomain);
            claim::spec(&mut report, &root.field("spec"), claim.spec.as_ref());
            if let Some(status) = &claim.status {
                status::status(&mut report, claim, status);
            }
        }
        Object::ResourceClaimTemplate(template) => {
            report.metadata(&template.metadata, names::dns_subdomain);
            let path = root.field("spec");
            let spec = template.spec.as_ref().and_then(|spec| spec.spec.as_ref());
            claim::spec(&mut report, &path.field("spec"), spec);
        }
        Object::DeviceTaintRule(rule) => class::taint_rule(&mut report, rule),
        Object::Node(node) => report.metadata(&node.metadata, names::dns_subdomain),
        Object::Namespace(namespace) => report.metadata(&namespace.metadata, names::dns_label),
        Object::Pod(pod) => workload::pod(&mut report, pod),
        Object::Job(job) => workload::job(&mut report, job),
        Object::Ignored { .. } => {}
    }
    report.findings
}

/// Findings on their way.
pub(crate) struct Report<'t> {
    tree: &'t Tree,
    dialect: Dialect,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn error(&mut self, path: &Path<'_>, message: impl Into<String>, cure: impl Into<String>) {
        self.add(Severity::Error, path, message.into(), cure.into());
    }

    fn notice(&mut self, path: &Path<'_>, message: impl Into<String>, cure: impl Into<String>) {
        self.add(Severity::Notice, path, message.into(), cure.into());
    }

    fn add(&mut self, severity: Severity, path: &Path<'_>, message: String, cure: String) {
        let line = path.line_in(self.tree);
        self.findings.push(Finding {
            severity,
            line,
            path: path.to_string(),
            message,
            cure,
        });
    }

    fn required(&mut self, path: &Path<'_>, cure: impl Into<String>) {
        self.error(path, "this field is required", cure);
    }

    /// A required name of some format.
    fn name(&mut self, path: &Path<'_>, value: &str, check: fn(&str) -> Checked) {
        if value.is_empty() {
            self.required(path, "");
        } else {
            self.format(path, value, check);
        }
    }

    /// A value of some format.
    fn format(&mut self, path: &Path<'_>, value: &str, check: fn(&str) -> Checked) {
        if let Err(rule) = check(value) {
            self.error(path, format!("'{}' {rule}", shorten(value)), "");
        }
    }

    fn at_most(&mut self, path: &Path<'_>, count: usize, limit: usize, what: &str) {
        if count > limit {
            let message = format!("has {count} {what}, the limit is {limit}");
            self.error(path, message, "");
        }
    }

    fn bytes_at_most(&mut self, path: &Path<'_>, bytes: usize, limit: usize) {
        if bytes > limit {
            self.error(
                path,
                format!("is {bytes} bytes long, the limit is {limit}"),
                "",
            );
        }
    }

    /// The items of a list, none of which may repeat.
    fn unique<'v>(
        &mut self,
        path: &Path<'_>,
        field: Option<&str>,
        items: impl Iterator<Item = &'v str>,
    ) {
        let mut seen = HashSet::new();
        for (index, item) in items.enumerate() {
            if !item.is_empty() && !seen.insert(item) {
                let place = path.index(index);
                let place = field.map_or(place, |field| place.field(field));
                let message = format!("'{}' is there twice", shorten(item));
                self.error(&place, message, "names in this list must differ");
            }
        }
    }

    fn one_of(&mut self, path: &Path<'_>, value: &str, allowed: &[&str]) {
        if value.is_empty() {
            self.required(path, format!("use one of {}", allowed.join(", ")));
        } else if !allowed.contains(&value) {
            let message = format!("'{}' is unknown", shorten(value));
            self.error(path, message, format!("use one of {}", allowed.join(", ")));
        }
    }

    fn quantity(&mut self, path: &Path<'_>, text: &Text) -> Option<Quantity> {
        if text.0.is_empty() {
            self.required(path, "give a quantity like 80Gi, 500m or 4");
            return None;
        }
        match Quantity::parse(&text.0) {
            Ok(quantity) => Some(quantity),
            Err(error) => {
                let message = format!("'{}' is no quantity: {error}", shorten(&text.0));
                self.error(
                    path,
                    message,
                    "write a number with a unit like 80Gi, 500m or 4",
                );
                None
            }
        }
    }

    fn metadata(&mut self, metadata: &ObjectMeta, name: fn(&str) -> Checked) {
        let root = Path::root();
        let path = root.field("metadata");
        let given = metadata.name.as_deref().unwrap_or_default();
        let generated = metadata.generate_name.as_deref().unwrap_or_default();
        if !given.is_empty() {
            self.format(&path.field("name"), given, name);
        } else if generated.is_empty() {
            self.required(
                &path.field("name"),
                "give the object a name under metadata:",
            );
        } else if name(&format!("{generated}x")).is_err() {
            let rule = name(&format!("{generated}x")).err().unwrap_or_default();
            self.error(
                &path.field("generateName"),
                format!("'{generated}' {rule}"),
                "",
            );
        }
        if let Some(namespace) = metadata
            .namespace
            .as_deref()
            .filter(|name| !name.is_empty())
        {
            self.format(&path.field("namespace"), namespace, names::dns_label);
        }
        self.labels(&path.field("labels"), metadata.labels.iter().flatten());
        let annotations = path.field("annotations");
        for key in metadata.annotations.iter().flatten().map(|(key, _)| key) {
            self.format(&annotations.key(key), &key.to_lowercase(), names::label_key);
        }
    }

    fn labels<'v>(
        &mut self,
        path: &Path<'_>,
        labels: impl Iterator<Item = (&'v String, &'v String)>,
    ) {
        for (key, value) in labels {
            self.format(&path.key(key), key, names::label_key);
            self.format(&path.key(key), value, names::label_value);
        }
    }
}
