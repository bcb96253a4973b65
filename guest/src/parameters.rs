//! Opaque parameters that users and administrators write for a driver.

use serde::de::DeserializeOwned;

use crate::bindings::exports::supercargo::policy::types;

pub use crate::bindings::exports::supercargo::policy::types::ParameterSource as Source;

/// Opaque parameters (`config[].opaque`) of one driver.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::serde_json::Value;
///
/// fn wants_sharing(situation: Situation<'_>) -> bool {
///     situation.parameters().any(|parameters| {
///         parameters.parse::<Value>().is_ok_and(|value| value["sharing"].is_object())
///     })
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    raw: &'a types::Parameters,
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(raw: &'a types::Parameters) -> Self {
        Self { raw }
    }

    /// The positions of the requests they are for.
    ///
    /// ```
    /// # use supercargo_guest::Parameters;
    /// fn is_for_the_first(parameters: Parameters<'_>) -> bool {
    ///     parameters.requests().contains(&0)
    /// }
    /// ```
    #[must_use]
    pub fn requests(self) -> &'a [u32] {
        &self.raw.requests
    }

    /// The driver they are meant for.
    ///
    /// ```
    /// # use supercargo_guest::Parameters;
    /// fn is_for_gpus(parameters: Parameters<'_>) -> bool {
    ///     parameters.driver() == "gpu.nvidia.com"
    /// }
    /// ```
    #[must_use]
    pub fn driver(self) -> &'a str {
        &self.raw.driver
    }

    /// Who wrote them: a user's are not to be trusted.
    ///
    /// ```
    /// # use supercargo_guest::{Parameters, Source};
    /// fn is_trusted(parameters: Parameters<'_>) -> bool {
    ///     parameters.source() == Source::DeviceClass
    /// }
    /// ```
    #[must_use]
    pub fn source(self) -> Source {
        self.raw.source
    }

    /// The JSON object as it was written.
    ///
    /// ```
    /// # use supercargo_guest::Parameters;
    /// fn is_empty(parameters: Parameters<'_>) -> bool {
    ///     parameters.json() == "{}"
    /// }
    /// ```
    #[must_use]
    pub fn json(self) -> &'a str {
        &self.raw.json
    }

    /// Reads the JSON object into a type of one's own.
    ///
    /// # Errors
    /// Says what is wrong with it and where.
    ///
    /// ```
    /// # use supercargo_guest::Parameters;
    /// fn limits(parameters: Parameters<'_>) -> Result<Vec<u32>, String> {
    ///     parameters.parse()
    /// }
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, String> {
        serde_json::from_str(&self.raw.json).map_err(|error| error.to_string())
    }
}
