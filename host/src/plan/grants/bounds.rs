//! Values that may be set: the properties of a device and its attributes in sysfs.

use serde::{Deserialize, Serialize};

use super::{Below, Name};
use crate::policy::configuration::PropertyValue;

/// A value as YAML writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// As it is written to a file.
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl From<&PropertyValue> for Scalar {
    fn from(value: &PropertyValue) -> Self {
        match value {
            PropertyValue::Bool(value) => Self::Bool(*value),
            PropertyValue::Int(value) => Self::Int(*value),
            PropertyValue::String(value) => Self::Text(value.clone()),
        }
    }
}

/// A property, and the values it may be set to: one of `values`, or a number from `min` to `max`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyGrant {
    /// The property's name, in full.
    pub name: String,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Values that are admitted as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Scalar>,
}

impl PropertyGrant {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if Name::just(&self.name).is_none() {
            return Err(("name", format!("{:?} is no name in full", self.name)));
        }
        bounded(self.min, self.max, &self.values)
    }

    /// Whether the property may be set to that.
    #[must_use]
    pub fn admits(&self, name: &str, value: &PropertyValue) -> bool {
        let number = match value {
            PropertyValue::Int(number) => Some(*number),
            PropertyValue::Bool(_) | PropertyValue::String(_) => None,
        };
        let within = number.is_some_and(|number| within(self.min, self.max, number));
        self.name == name && (within || self.values.contains(&Scalar::from(value)))
    }
}

/// An attribute of a device in sysfs, and what may be written to it: one of `values`, or a number from
/// `min` to `max`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SysfsGrant {
    /// The file, relative to the device's own folder.
    pub attribute: Below,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Values that are admitted as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Scalar>,
}

impl SysfsGrant {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        bounded(self.min, self.max, &self.values)
    }

    /// Whether that may be written.
    #[must_use]
    pub fn admits_value(&self, value: &str) -> bool {
        admits_text(self.min, self.max, &self.values, value)
    }
}

/// Whether text is one of the values, or a number in the bounds. A number counts as one only in its
/// plainest form, so that what is compared is what the kernel or a daemon reads.
pub(super) fn admits_text(
    min: Option<i64>,
    max: Option<i64>,
    values: &[Scalar],
    text: &str,
) -> bool {
    let number = text.parse::<i64>().ok();
    let number = number.filter(|number| number.to_string() == text);
    number.is_some_and(|number| within(min, max, number))
        || values.iter().any(|admitted| admitted.text() == text)
}

/// Whether a number lies in bounds, of which at least one must be given.
fn within(min: Option<i64>, max: Option<i64>, number: i64) -> bool {
    (min.is_some() || max.is_some())
        && min.is_none_or(|min| min <= number)
        && max.is_none_or(|max| number <= max)
}

pub(super) fn bounded(
    min: Option<i64>,
    max: Option<i64>,
    values: &[Scalar],
) -> Result<(), (&'static str, String)> {
    match (min, max) {
        (None, None) if values.is_empty() => {
            let problem = "is missing: say which values are granted, or `min` and `max`";
            Err(("values", problem.to_owned()))
        }
        (Some(min), Some(max)) if min > max => {
            Err(("max", format!("{max} is less than min {min}")))
        }
        _ => Ok(()),
    }
}
