//! Values as the API writes them.

use k8s_openapi::api::resource::v1::{Counter, DeviceAttribute, DeviceCapacity};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub(super) fn text(value: &str) -> DeviceAttribute {
    DeviceAttribute {
        string: Some(value.to_owned()),
        ..DeviceAttribute::default()
    }
}

pub(super) fn number(value: i64) -> DeviceAttribute {
    DeviceAttribute {
        int: Some(value),
        ..DeviceAttribute::default()
    }
}

pub(super) fn version(value: &str) -> DeviceAttribute {
    DeviceAttribute {
        version: Some(value.to_owned()),
        ..DeviceAttribute::default()
    }
}

pub(super) fn capacity(resource: &str, amount: i64) -> DeviceCapacity {
    DeviceCapacity {
        value: quantity(resource, amount),
        request_policy: None,
    }
}

pub(super) fn counter(resource: &str, amount: i64) -> Counter {
    Counter {
        value: quantity(resource, amount),
    }
}

/// Memory in mebibytes where it is a whole number of them, everything else as it is.
fn quantity(resource: &str, amount: i64) -> Quantity {
    const MEBIBYTE: i64 = 1 << 20;
    Quantity(if resource == "memory" && amount % MEBIBYTE == 0 {
        format!("{}Mi", amount / MEBIBYTE)
    } else {
        amount.to_string()
    })
}
