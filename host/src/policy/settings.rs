//! Checks an administrator's settings against the schema that a policy describes.
//!
//! The schema comes from whoever built the policy, so it is bounded first: references stay within the
//! document and do not recurse, and what they expand to is counted. Without that a schema of a
//! kilobyte can describe more work than there is time for. Patterns are matched in linear time.

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions};
use serde_json::Value;

/// Subschemas that a schema may expand to.
const MOST_SUBSCHEMAS: u64 = 10_000;

/// How deep a schema may go, references followed.
const DEEPEST: usize = 256;

/// Faults of the settings that are told at once.
const MOST_FAULTS: usize = 20;

/// A fault of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFault {
    /// Where: a JSON pointer into the settings, empty for the whole.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

impl std::fmt::Display for SettingsFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = if self.at.is_empty() {
            "settings"
        } else {
            &self.at
        };
        write!(out, "{at}: {}", self.problem)
    }
}

/// Why settings were not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingsError {
    /// The policy's schema is of no use.
    Schema(String),
    /// The settings are wrong.
    Faults(Vec<SettingsFault>),
}

/// Checks settings, which must be a JSON object, against a schema, if there is one.
pub(super) fn check(schema: Option<&str>, settings: &str) -> Result<(), SettingsError> {
    let fault = |problem: String| {
        SettingsError::Faults(vec![SettingsFault {
            at: String::new(),
            problem,
        }])
    };
    let settings: Value =
        serde_json::from_str(settings).map_err(|error| fault(format!("not JSON: {error}")))?;
    let Value::Object(fields) = &settings else {
        return Err(fault("must be an object".to_owned()));
    };
    let Some(schema) = schema else {
        return match fields.keys().next() {
            Some(field) => Err(fault(format!(
                "the policy takes no settings; remove `{field}`"
            ))),
            None => Ok(()),
        };
    };
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| SettingsError::Schema(format!("not JSON: {error}")))?;
    Bounds::check(&schema).map_err(SettingsError::Schema)?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| SettingsError::Schema(error.to_string()))?;
    let faults: Vec<_> = validator
        .iter_errors(&settings)
        .take(MOST_FAULTS)
        .map(|error| SettingsFault {
            at: error.instance_path().to_string(),
            problem: error.to_string(),
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(SettingsError::Faults(faults))
    }
}

/// Counts what a schema expands to.
struct Bounds<'s> {
    root: &'s Value,
    /// What a target of references expands to; none while it is being counted.
    targets: BTreeMap<&'s str, Option<u64>>,
    depth: usize,
}

impl<'s> Bounds<'s> {
    fn check(root: &'s Value) -> Result<(), String> {
        let count = Bounds {
            root,
            targets: BTreeMap::new(),
            depth: 0,
        }
        .count(root)?;
        if count > MOST_SUBSCHEMAS {
            return Err(format!(
                "it expands to more than {MOST_SUBSCHEMAS} subschemas"
            ));
        }
        Ok(())
    }

    /// Every value counts as one, whether or not it is a schema: the count is a bound.
    fn count(&mut self, value: &'s Value) -> Result<u64, String> {
        if self.depth == DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} levels deep"));
        }
        self.depth += 1;
        let count = self.count_below(value);
        self.depth -= 1;
        count
    }

    fn count_below(&mut self, value: &'s Value) -> Result<u64, String> {
        let mut count = 1_u64;
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    let more = match (key.as_str(), field) {
                        ("$dynamicRef" | "$recursiveRef" | "$id" | "$schema", _)
                            if !is_2020(key, field) =>
                        {
                            return Err(format!(
                                "it uses `{key}`; only `$ref` within the document is read"
                            ));
                        }
                        ("$ref", Value::String(target)) => self.reference(target)?,
                        _ => self.count(field)?,
                    };
                    count = count.saturating_add(more);
                }
            }
            Value::Array(items) => {
                for item in items {
                    count = count.saturating_add(self.count(item)?);
                }
            }
            _ => {}
        }
        Ok(count)
    }

    fn reference(&mut self, target: &'s str) -> Result<u64, String> {
        match self.targets.get(target) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => {
                return Err(format!(
                    "`$ref: {target}` leads back to itself; settings are finite"
                ));
            }
            None => {}
        }
        let pointer = target
            .strip_prefix('#')
            .filter(|pointer| pointer.starts_with('/'))
            .ok_or_else(|| format!("`$ref: {target}` is not of the form `#/$defs/name`"))?;
        let value = self
            .root
            .pointer(pointer)
            .ok_or_else(|| format!("`$ref: {target}` leads nowhere"))?;
        self.targets.insert(target, None);
        let count = self.count(value)?;
        self.targets.insert(target, Some(count));
        Ok(count)
    }
}

/// Whether a key that changes how a schema is read is one that every generator writes at the top.
fn is_2020(key: &str, value: &Value) -> bool {
    key == "$schema" && value == "https://json-schema.org/draft/2020-12/schema"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "group": { "$ref": "#/$defs/group" }, "spread": { "type": "boolean" } },
        "additionalProperties": false,
        "$defs": { "group": { "type": "integer", "minimum": 1 } }
    }"##;

    fn faults(settings: &str) -> Vec<String> {
        match check(Some(SCHEMA), settings) {
            Err(SettingsError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_that_fit_the_schema_are_accepted() {
        assert_eq!(
            check(Some(SCHEMA), r#"{"group": 4, "spread": true}"#),
            Ok(())
        );
        assert_eq!(check(None, "{}"), Ok(()));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        assert_eq!(
            faults(r#"{"group": 0, "spread": 1}"#),
            [
                "/group: 0 is less than the minimum of 1",
                "/spread: 1 is not of type \"boolean\"",
            ]
        );
        assert!(faults(r#"{"grop": 1}"#)[0].contains("'grop' was unexpected"));
        assert!(faults("[]")[0].contains("must be an object"));
        assert!(faults("{").first().unwrap().contains("not JSON"));
    }

    #[test]
    fn a_policy_without_a_schema_takes_no_settings() {
        assert!(matches!(
            check(None, r#"{"a": 1}"#),
            Err(SettingsError::Faults(_))
        ));
    }

    #[test]
    fn schemas_that_recurse_explode_or_reach_out_are_refused() {
        let refused = |schema: &str| match check(Some(schema), "{}") {
            Err(SettingsError::Schema(problem)) => problem,
            other => panic!("{schema}: {other:?}"),
        };
        assert!(
            refused(r##"{"properties": {"a": {"$ref": "#/properties/a"}}}"##)
                .contains("leads back")
        );
        assert!(refused(r##"{"$ref": "http://example.com/x"}"##).contains("not of the form"));
        assert!(refused(r##"{"$ref": "#/$defs/x"}"##).contains("leads nowhere"));
        assert!(refused(r##"{"$dynamicRef": "#x"}"##).contains("$dynamicRef"));
        assert!(refused(r#"{"type": "nonsense"}"#).contains("nonsense"));
        assert!(refused("[").contains("not JSON"));
        let doubling: Vec<_> = (0..60)
            .map(|n| format!(r##""d{n}": {{"allOf": [{{"$ref": "#/$defs/d{}"}}, {{"$ref": "#/$defs/d{}"}}]}}"##, n + 1, n + 1))
            .collect();
        let bomb = format!(
            r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d60": {{"type": "object"}}}}}}"##,
            doubling.join(", ")
        );
        assert!(refused(&bomb).contains("expands"));
    }
}
