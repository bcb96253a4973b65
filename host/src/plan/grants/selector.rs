//! Which devices a grant is about.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::DeviceAttribute;
use serde::{Deserialize, Serialize};

use super::{Name, Scalar};
use crate::allocator::qualified;
use crate::plan::DeviceOfClaim;

/// Devices by what they are. All that is written must hold; of several entries in a list any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeviceSelector {
    /// Drivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<String>,
    /// Names of devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Name>,
    /// Attributes, `domain/name` or a name in the driver's own domain, and the value each must have. A
    /// list has the value when it holds it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Scalar>,
}

impl DeviceSelector {
    /// Whether a device is meant.
    #[must_use]
    pub fn matches(&self, device: &DeviceOfClaim) -> bool {
        let mut names = self.names.iter();
        let has = |(name, value): (&String, &Scalar)| {
            let found = qualified(&device.driver, name, |name| device.attributes.get(name));
            found.is_some_and(|attribute| holds(attribute, value))
        };
        (self.drivers.is_empty() || self.drivers.contains(&device.driver))
            && (self.names.is_empty() || names.any(|name| name.admits(&device.device, false)))
            && self.attributes.iter().all(has)
    }
}

fn holds(attribute: &DeviceAttribute, value: &Scalar) -> bool {
    let DeviceAttribute {
        bool,
        bools,
        int,
        ints,
        string,
        strings,
        version,
        versions,
    } = attribute;
    match value {
        Scalar::Bool(value) => bool
            .iter()
            .chain(bools.iter().flatten())
            .any(|v| v == value),
        Scalar::Int(value) => int.iter().chain(ints.iter().flatten()).any(|v| v == value),
        Scalar::Text(value) => string
            .iter()
            .chain(strings.iter().flatten())
            .chain(version)
            .chain(versions.iter().flatten())
            .any(|v| v == value),
    }
}
