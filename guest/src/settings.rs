//! The administrator's settings for a policy: read by serde, described by JSON Schema.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// What a policy takes as its settings.
///
/// Every type that serde reads and schemars describes will do. The host checks the administrator's
/// YAML against the schema before it loads the policy, so that a typing error is found at once and
/// with its path.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::schemars::{self, JsonSchema};
/// use supercargo_guest::serde::{self, Deserialize};
///
/// /// How to choose.
/// #[derive(Debug, Deserialize, JsonSchema, Default)]
/// #[serde(crate = "supercargo_guest::serde", default, deny_unknown_fields)]
/// #[schemars(crate = "supercargo_guest::schemars")]
/// pub struct Tuning {
///     /// How many devices to leave free.
///     reserve: u32,
/// }
///
/// assert_eq!(Tuning::read(r#"{"reserve": 2}"#).unwrap().reserve, 2);
/// assert!(Tuning::read(r#"{"reserved": 2}"#).unwrap_err().contains("unknown field"));
/// assert!(Tuning::schema().unwrap().contains("How many devices to leave free."));
/// ```
pub trait Settings: Sized {
    /// Reads the JSON object that the administrator wrote.
    ///
    /// # Errors
    /// Says what is wrong with it and where.
    fn read(json: &str) -> Result<Self, String>;

    /// The JSON Schema; none where there is nothing to set.
    fn schema() -> Option<String>;
}

impl<T: DeserializeOwned + JsonSchema> Settings for T {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn schema() -> Option<String> {
        serde_json::to_string(schemars::schema_for!(T).as_value()).ok()
    }
}

/// For policies with nothing to set. Keeps the JSON reader out of the component.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// assert!(NoSettings::read("{}").is_ok());
/// assert_eq!(NoSettings::schema(), None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoSettings;

impl Settings for NoSettings {
    fn read(_: &str) -> Result<Self, String> {
        Ok(Self)
    }

    fn schema() -> Option<String> {
        None
    }
}
