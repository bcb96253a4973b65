//! `policies[].limits`: what an administrator grants one policy beyond the defaults.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ConfigurationError;
use crate::policy::Limits;
use crate::quantity::Quantity;

/// As written: sizes are quantities (`16Mi`), the deadline is a duration (`50ms`, `2s`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Written {
    component: Option<Value>,
    memory: Option<Value>,
    answer: Option<Value>,
    memories: Option<u32>,
    tables: Option<u32>,
    table_elements: Option<u64>,
    core_instances: Option<u32>,
    proposals: Option<u32>,
    deadline: Option<String>,
}

/// The default limits with those of `written` in their place. `at` is the path of the mapping.
pub(super) fn limits(written: &Map<String, Value>, at: &str) -> Result<Limits, ConfigurationError> {
    let wrong = |field: &str, message: String| ConfigurationError {
        path: if field.is_empty() {
            at.to_owned()
        } else {
            format!("{at}.{field}")
        },
        message,
    };
    let written: Written = serde_path_to_error::deserialize(Value::Object(written.clone()))
        .map_err(|error| {
            let field = error.path().to_string();
            wrong(
                field.trim_start_matches('.'),
                error.into_inner().to_string(),
            )
        })?;
    let bytes = |field: &str, value: &Option<Value>, default: u64| match value {
        None => Ok(default),
        Some(value) => size(value).ok_or_else(|| {
            wrong(
                field,
                format!("{value} is no size; write a quantity like 16Mi"),
            )
        }),
    };
    let default = Limits::default();
    let limits = Limits {
        component_bytes: bytes("component", &written.component, default.component_bytes)?,
        memory_bytes: bytes("memory", &written.memory, default.memory_bytes)?,
        answer_bytes: bytes("answer", &written.answer, default.answer_bytes)?,
        memories: written.memories.unwrap_or(default.memories),
        tables: written.tables.unwrap_or(default.tables),
        table_elements: written.table_elements.unwrap_or(default.table_elements),
        core_instances: written.core_instances.unwrap_or(default.core_instances),
        proposals: written.proposals.unwrap_or(default.proposals),
        deadline: match &written.deadline {
            None => default.deadline,
            Some(text) => duration(text).ok_or_else(|| {
                wrong(
                    "deadline",
                    format!("{text:?} is no duration; write it like 50ms or 2s"),
                )
            })?,
        },
    };
    if limits != limits.capped() {
        let most = Limits::MOST;
        return Err(wrong(
            "",
            format!(
                "more than any policy may have; the most are component {}Mi, memory {}Mi, answer {}Mi, \
                 memories {}, tables {}, tableElements {}, coreInstances {}, proposals {}, deadline {}s",
                most.component_bytes >> 20,
                most.memory_bytes >> 20,
                most.answer_bytes >> 20,
                most.memories,
                most.tables,
                most.table_elements,
                most.core_instances,
                most.proposals,
                most.deadline.as_secs(),
            ),
        ));
    }
    Ok(limits)
}

fn size(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    u64::try_from(Quantity::parse(&text).ok()?.as_int()?).ok()
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Limits, String> {
        let Value::Object(map) = value else {
            unreachable!()
        };
        limits(&map, "policies[0].limits").map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_written_stays_as_it_is() {
        assert_eq!(read(json!({})), Ok(Limits::default()));
        let limits =
            read(json!({"memory": "32Mi", "deadline": "200ms", "coreInstances": 38})).unwrap();
        assert_eq!(limits.memory_bytes, 32 << 20);
        assert_eq!(limits.deadline, Duration::from_millis(200));
        assert_eq!(limits.core_instances, 38);
        assert_eq!(limits.tables, Limits::default().tables);
    }

    #[test]
    fn mistakes_name_their_field() {
        for (value, start) in [
            (
                json!({"memory": "much"}),
                "policies[0].limits.memory: \"much\" is no size",
            ),
            (
                json!({"deadline": "soon"}),
                "policies[0].limits.deadline: \"soon\" is no duration",
            ),
            (json!({"tables": -1}), "policies[0].limits.tables: "),
            (json!({"ram": 1}), "policies[0].limits.ram: unknown field"),
            (
                json!({"memory": "1Gi"}),
                "policies[0].limits: more than any policy may have",
            ),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
