//! Kubernetes' values in the words of the contract.

use k8s_openapi::api::resource::v1::DeviceAttribute;

use super::{Quantity, Texts, Value};
use crate::quantity;

/// The value of an attribute; texts go into `texts`.
pub(crate) fn value(attribute: &DeviceAttribute, texts: &mut Texts) -> Value {
    let text = |text: &String, texts: &mut Texts| texts.position(&text.as_str().into());
    match attribute {
        DeviceAttribute { int: Some(int), .. } => Value::Int(*int),
        DeviceAttribute {
            bool: Some(truth), ..
        } => Value::Bool(*truth),
        DeviceAttribute {
            string: Some(string),
            ..
        } => Value::String(text(string, texts)),
        DeviceAttribute {
            version: Some(version),
            ..
        } => Value::Version(text(version, texts)),
        DeviceAttribute {
            ints: Some(ints), ..
        } => Value::Ints(ints.clone()),
        DeviceAttribute {
            bools: Some(bools), ..
        } => Value::Bools(bools.clone()),
        DeviceAttribute {
            strings: Some(strings),
            ..
        } => Value::Strings(strings.iter().map(|string| text(string, texts)).collect()),
        DeviceAttribute {
            versions: Some(versions),
            ..
        } => Value::Versions(
            versions
                .iter()
                .map(|version| text(version, texts))
                .collect(),
        ),
        _ => Value::Absent,
    }
}

/// A quantity, capped as the API caps it.
pub(crate) fn exact(quantity: &quantity::Quantity) -> Quantity {
    let cap = if quantity.sign() < 0 {
        i128::MIN
    } else {
        i128::MAX
    };
    Quantity::from_nanos(quantity.nanos().unwrap_or(cap))
}

/// A position. Questions are bounded far below 2^32 of anything by the limits of the API.
pub(crate) fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
