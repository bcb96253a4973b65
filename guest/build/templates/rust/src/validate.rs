//! Are opaque parameters right? `{"label": "..."}` is all there is to write.

use supercargo_guest::configuration::{CandidateParameters, Violation};
use supercargo_guest::prelude::*;
use supercargo_guest::serde_json::{self, Map, Value};

use crate::MyPolicy;

impl Validate for MyPolicy {
    fn validate(_: &NoSettings, candidate: &CandidateParameters) -> Vec<Violation> {
        let violation = |field: &str, message: String| Violation {
            field: field.to_owned(),
            message,
        };
        let fields: Map<String, Value> = match serde_json::from_str(&candidate.json) {
            Ok(fields) => fields,
            Err(error) => return vec![violation("", error.to_string())],
        };
        let wrong = |(name, value): (&String, &Value)| match (name.as_str(), value) {
            ("label", Value::String(_)) => None,
            ("label", _) => Some(violation(name, "must be text".to_owned())),
            _ => Some(violation(name, "unknown field; there is `label`".to_owned())),
        };
        fields.iter().filter_map(wrong).collect()
    }
}
