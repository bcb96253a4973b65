//! How requests may consume the capacity of a shared device.

use k8s_openapi::api::resource::v1::{CapacityRequestPolicy, CapacityRequestPolicyRange};

use super::Report;
use crate::objects::path::Path;
use crate::quantity::Quantity;

const VALID_VALUES_MAX: usize = 10;

pub(super) fn policy(
    report: &mut Report<'_>,
    path: &Path<'_>,
    policy: &CapacityRequestPolicy,
    capacity: Option<&Quantity>,
) {
    let values = policy.valid_values.as_deref().unwrap_or_default();
    if !values.is_empty() && policy.valid_range.is_some() {
        report.error(
            path,
            "has both validValues and validRange",
            "keep one of them",
        );
    }
    let at = path.field("default");
    let default = policy
        .default
        .as_ref()
        .and_then(|default| report.quantity(&at, default));
    if policy.default.is_none() && (!values.is_empty() || policy.valid_range.is_some()) {
        report.required(
            &at,
            "say what a request gets that does not ask for this capacity",
        );
    }
    below(report, &at, default.as_ref(), capacity);
    let list = path.field("validValues");
    report.at_most(&list, values.len(), VALID_VALUES_MAX, "values");
    let mut parsed: Vec<Quantity> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let Some(value) = report.quantity(&list.index(index), value) else {
            continue;
        };
        below(report, &list.index(index), Some(&value), capacity);
        if parsed.last().is_some_and(|before| *before >= value) {
            report.error(
                &list.index(index),
                "is not greater than the one before",
                "sort the values",
            );
        }
        parsed.push(value);
    }
    if let Some(default) = &default
        && !parsed.is_empty()
        && !parsed.contains(default)
    {
        report.error(&at, "is none of validValues", "add it to validValues");
    }
    if let Some(given) = &policy.valid_range {
        range(
            report,
            &path.field("validRange"),
            given,
            default.as_ref(),
            capacity,
        );
    }
}

fn range(
    report: &mut Report<'_>,
    path: &Path<'_>,
    given: &CapacityRequestPolicyRange,
    default: Option<&Quantity>,
    capacity: Option<&Quantity>,
) {
    let min = report.quantity(&path.field("min"), &given.min);
    let at = path.field("max");
    let max = given.max.as_ref().and_then(|max| report.quantity(&at, max));
    below(report, &at, max.as_ref(), capacity);
    below(
        report,
        &path.field("min"),
        min.as_ref(),
        max.as_ref().or(capacity),
    );
    if min.as_ref().is_some_and(|min| min.sign() < 0) {
        report.error(&path.field("min"), "must not be negative", "");
    }
    let outside = |bound: &Option<Quantity>, wrong: fn(&Quantity, &Quantity) -> bool| {
        default
            .zip(bound.as_ref())
            .is_some_and(|(default, bound)| wrong(default, bound))
    };
    if outside(&min, |default, min| default < min) || outside(&max, |default, max| default > max) {
        report.error(path, "the policy's default is outside of the range", "");
    }
    let at = path.field("step");
    let step = given
        .step
        .as_ref()
        .and_then(|step| report.quantity(&at, step));
    let (Some(step), Some(min)) = (step, min) else {
        return;
    };
    if step.sign() <= 0 {
        report.error(&at, "must be greater than zero", "");
        return;
    }
    for (name, value) in [("the policy's default", default), ("max", max.as_ref())] {
        if value.is_some_and(|value| !on_step(value, &min, &step)) {
            report.error(
                &at,
                format!("{name} is not min plus a multiple of step"),
                "",
            );
        }
    }
}

/// Upper bounds: nothing exceeds what the device has.
fn below(
    report: &mut Report<'_>,
    path: &Path<'_>,
    value: Option<&Quantity>,
    limit: Option<&Quantity>,
) {
    if let (Some(value), Some(limit)) = (value, limit)
        && value > limit
    {
        report.error(path, format!("{value} exceeds its limit {limit}"), "");
    }
}

fn on_step(value: &Quantity, min: &Quantity, step: &Quantity) -> bool {
    let fractional = [value, min, step]
        .iter()
        .any(|quantity| quantity.as_int().is_none());
    let number = |quantity: &Quantity| match fractional {
        true => quantity.milli_value(),
        false => quantity.value(),
    };
    let distance = number(value).saturating_sub(number(min));
    distance
        .checked_rem(number(step))
        .is_none_or(|rest| rest == 0)
}
