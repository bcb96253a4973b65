//! The models that every topology may name.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use supercargo_host::objects::plain;
use supercargo_host::quantity::Quantity;

use super::{Fault, Model};

const BUILT_IN: &str = include_str!("../models.yaml");

/// The built-in models, by name.
pub(super) fn built_in() -> Result<BTreeMap<String, Model>, Fault> {
    let fault = |message: String| ("(the built-in models)".to_owned(), message);
    let document = plain("models.yaml", BUILT_IN).map_err(|problem| fault(problem.to_string()))?;
    serde_path_to_error::deserialize(document.value).map_err(|error| fault(error.to_string()))
}

/// A quantity of memory, in bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }
    let bytes = match Written::deserialize(from)? {
        Written::Number(bytes) => Some(bytes),
        Written::Text(text) => Quantity::parse(&text).map_err(de::Error::custom)?.as_int(),
    };
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| de::Error::custom("expected a positive number of bytes, such as 81920Mi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_fits_its_gpu_wherever_it_begins() {
        let models = built_in().unwrap();
        assert_eq!(models.len(), 4);
        for (name, model) in models {
            let slices = model.mig_profiles.iter().map(|p| p.memory_slices).max();
            for profile in &model.mig_profiles {
                for start in &profile.starts {
                    let end = start + profile.memory_slices;
                    assert!(Some(end) <= slices, "{name} {} at {start}", profile.name);
                }
                assert!(profile.memory < model.memory, "{name} {}", profile.name);
            }
        }
    }
}
