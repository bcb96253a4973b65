//! What claims, classes and slices have in common: selectors, configuration, taints, tolerations.

use k8s_openapi::api::core::v1::NodeSelector;
use k8s_openapi::api::resource::v1::{
    CapacityRequirements, DeviceSelector, DeviceTaint, DeviceToleration, OpaqueDeviceConfiguration,
};

use super::Report;
use crate::names;
use crate::node_selector::NodeTerms;
use crate::objects::path::Path;

const SELECTORS_MAX: usize = 32;
const EXPRESSION_BYTES_MAX: usize = 10 << 10;
const PARAMETERS_BYTES_MAX: usize = 10 << 10;
const TAINTS_MAX: usize = 16;
const CONDITIONS_MAX: usize = 4;

pub(super) fn selectors(report: &mut Report<'_>, path: &Path<'_>, list: Option<&[DeviceSelector]>) {
    let list = list.unwrap_or_default();
    report.at_most(path, list.len(), SELECTORS_MAX, "selectors");
    for (index, selector) in list.iter().enumerate() {
        let path = path.index(index);
        let cel = path.field("cel");
        match &selector.cel {
            None => report.required(&cel, "write - cel: {expression: ...}"),
            Some(given) => expression(report, &cel.field("expression"), &given.expression),
        }
    }
}

pub(super) fn expression(report: &mut Report<'_>, path: &Path<'_>, text: &str) {
    if text.is_empty() {
        report.required(
            path,
            "write a CEL expression like device.driver == \"gpu.example.com\"",
        );
    }
    report.bytes_at_most(path, text.len(), EXPRESSION_BYTES_MAX);
}

pub(super) fn opaque(
    report: &mut Report<'_>,
    path: &Path<'_>,
    given: Option<&OpaqueDeviceConfiguration>,
) {
    let path = path.field("opaque");
    let Some(opaque) = given else {
        report.required(&path, "write opaque: {driver: ..., parameters: {...}}");
        return;
    };
    report.name(&path.field("driver"), &opaque.driver, names::driver);
    let parameters = path.field("parameters");
    match &opaque.parameters.0 {
        serde_json::Value::Null => {
            report.required(&parameters, "give the driver's parameters as a mapping");
        }
        value @ serde_json::Value::Object(_) => {
            report.bytes_at_most(&parameters, value.to_string().len(), PARAMETERS_BYTES_MAX);
        }
        _ => report.error(
            &parameters,
            "must be a mapping",
            "give the driver's parameters as a mapping with apiVersion and kind",
        ),
    }
}

pub(super) fn taints(report: &mut Report<'_>, path: &Path<'_>, list: Option<&[DeviceTaint]>) {
    let list = list.unwrap_or_default();
    report.at_most(path, list.len(), TAINTS_MAX, "taints");
    for (index, taint) in list.iter().enumerate() {
        self::taint(report, &path.index(index), taint);
    }
}

pub(super) fn taint(report: &mut Report<'_>, path: &Path<'_>, taint: &DeviceTaint) {
    report.name(&path.field("key"), &taint.key, names::label_key);
    report.format(
        &path.field("value"),
        taint.value.as_deref().unwrap_or_default(),
        names::label_value,
    );
    report.one_of(
        &path.field("effect"),
        &taint.effect,
        &["None", "NoSchedule", "NoExecute"],
    );
}

pub(super) fn tolerations(
    report: &mut Report<'_>,
    path: &Path<'_>,
    list: Option<&[DeviceToleration]>,
) {
    let list = list.unwrap_or_default();
    report.at_most(path, list.len(), TAINTS_MAX, "tolerations");
    for (index, toleration) in list.iter().enumerate() {
        let path = path.index(index);
        let key = toleration.key.as_deref().unwrap_or_default();
        let value = toleration.value.as_deref().unwrap_or_default();
        let operator = toleration.operator.as_deref().unwrap_or("Equal");
        report.one_of(&path.field("operator"), operator, &["Equal", "Exists"]);
        match operator {
            "Exists" if !value.is_empty() => report.error(
                &path.field("value"),
                format!("operator Exists takes no value, found '{value}'"),
                "remove the value, or use operator: Equal",
            ),
            "Exists" => {}
            _ => {
                report.format(&path.field("value"), value, names::label_value);
                if key.is_empty() {
                    report.required(
                        &path.field("key"),
                        "name the taint's key, or use operator: Exists to tolerate every taint",
                    );
                }
            }
        }
        if !key.is_empty() {
            report.format(&path.field("key"), key, names::label_key);
        }
        if let Some(effect) = toleration
            .effect
            .as_deref()
            .filter(|effect| !effect.is_empty())
        {
            report.one_of(&path.field("effect"), effect, &["NoSchedule", "NoExecute"]);
        }
    }
}

pub(super) fn capacity(
    report: &mut Report<'_>,
    path: &Path<'_>,
    given: Option<&CapacityRequirements>,
) {
    let path = path.field("requests");
    for (name, quantity) in given
        .and_then(|given| given.requests.as_ref())
        .into_iter()
        .flatten()
    {
        let path = path.key(name);
        report.format(&path, name, names::qualified_device_name);
        report.quantity(&path, quantity);
    }
}

/// Lists of condition types, as devices and results have them.
pub(super) fn conditions(report: &mut Report<'_>, path: &Path<'_>, list: Option<&[String]>) {
    let list = list.unwrap_or_default();
    report.at_most(path, list.len(), CONDITIONS_MAX, "conditions");
    for (index, condition) in list.iter().enumerate() {
        report.name(&path.index(index), condition, names::label_key);
    }
}

/// A node selector of a slice or device: exactly one term.
pub(super) fn node_selector(report: &mut Report<'_>, path: &Path<'_>, selector: &NodeSelector) {
    let terms = path.field("nodeSelectorTerms");
    if selector.node_selector_terms.len() != 1 {
        let found = selector.node_selector_terms.len();
        report.error(
            &terms,
            format!("must have exactly one term, has {found}"),
            "put all requirements into one term",
        );
    }
    malformed(report, path, selector);
}

/// Requirements that Kubernetes cannot read.
pub(super) fn malformed(report: &mut Report<'_>, path: &Path<'_>, selector: &NodeSelector) {
    if let Some(error) = NodeTerms::lenient(selector).first_error() {
        let list = path.field("nodeSelectorTerms");
        report.error(
            &list.index(error.term).field(&error.field),
            error.message.clone(),
            "",
        );
    }
}

pub(super) fn skip_node_operations(
    report: &mut Report<'_>,
    path: &Path<'_>,
    list: Option<&[String]>,
) {
    let list = list.unwrap_or_default();
    let allowed = ["NodePrepareResources", "NodeUnprepareResources", "*"];
    for (index, operation) in list.iter().enumerate() {
        report.one_of(&path.index(index), operation, &allowed);
    }
    report.unique(path, None, list.iter().map(String::as_str));
    let has = |name: &str| list.iter().any(|operation| operation == name);
    if has("NodePrepareResources") && !has("NodeUnprepareResources") {
        report.error(
            path,
            "NodePrepareResources can only be skipped together with NodeUnprepareResources",
            "add NodeUnprepareResources, or use \"*\"",
        );
    }
}
