//! Answers to hooks other than `select`, a line for each thing that they say.
//!
//! Their records are many and grow, and whoever reads them knows the WIT; so they are told field by field
//! under their own names, without what is empty.

use serde::Serialize;
use serde_json::Value;
use supercargo_host::journal::{Reply, Subject};
use supercargo_host::policy::configuration::Plan;
use supercargo_host::policy::inventory::Announcement;

use super::last;
use crate::render::devices::fold;

/// The lines; none for an answer to `select`, and for none.
pub(super) fn told(reply: &Reply, subject: &Subject) -> Vec<String> {
    let each = |verb: &str, all: &[Value], nothing: &str| -> Vec<String> {
        if all.is_empty() {
            return vec![nothing.to_owned()];
        }
        let words = all.iter().map(|one| words(one, subject));
        words.map(|words| format!("{verb} {words}")).collect()
    };
    match reply {
        Reply::NodeSets(sets) => each("proposes", &values(sets), "sees no way"),
        Reply::Violations(all) => each("finds wrong:", &values(all), "finds nothing wrong"),
        Reply::Changes(all) => each("taints:", &values(all), "changes nothing"),
        Reply::Plan(plan) => each("plans", &parts(plan), "plans nothing"),
        Reply::Announcement(announced) => vec![format!("announces {}", names(announced))],
        Reply::Proposals(_) | Reply::Refused(_) | Reply::Failed(_) => Vec::new(),
    }
}

fn values<T: Serialize>(all: &[T]) -> Vec<Value> {
    let value = |one| serde_json::to_value(one).unwrap_or_default();
    all.iter().map(value).collect()
}

/// Steps as they are, edits and statuses under their names.
fn parts(plan: &Plan) -> Vec<Value> {
    let named = |name: &str, all: Vec<Value>| -> Vec<Value> {
        let named = |one| Value::Object([(name.to_owned(), one)].into_iter().collect());
        all.into_iter().map(named).collect()
    };
    let mut parts = values(&plan.actions);
    parts.extend(named("edits", values(&plan.edits)));
    parts.extend(named("status", values(&plan.statuses)));
    parts
}

fn names(announced: &Announcement) -> String {
    let text = |at: u32| announced.strings.get(at as usize).map(String::as_str);
    let names = announced.devices.iter().filter_map(|one| text(one.name));
    if announced.devices.is_empty() {
        return "nothing".to_owned();
    }
    fold(names)
}

/// `setTimeSlice: device gpu-0, interval long`.
fn words(value: &Value, subject: &Subject) -> String {
    match value {
        Value::Object(fields) => {
            let told = fields.iter().filter_map(|(name, value)| {
                if name == "device" {
                    let position = value.as_u64().and_then(|at| usize::try_from(at).ok());
                    let device = position.and_then(|at| subject.devices.get(at));
                    if let Some(device) = device {
                        return Some(format!("device {}", last(device)));
                    }
                }
                let words = words(value, subject);
                let colon = if value.is_object() { ":" } else { "" };
                (!words.is_empty()).then(|| format!("{name}{colon} {words}"))
            });
            told.collect::<Vec<_>>().join(", ")
        }
        Value::Array(entries) => {
            let told: Vec<String> = entries.iter().map(|one| words(one, subject)).collect();
            told.join(if entries.iter().any(Value::is_object) {
                "; "
            } else {
                " "
            })
        }
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_step_is_told_with_the_name_of_its_device_and_without_what_is_empty() {
        let subject = Subject {
            devices: vec!["gpu.nvidia.com/node/gpu-7".to_owned()],
            ..Subject::default()
        };
        let step =
            json!({"createGpuInstance": {"device": 0, "profile": "1g.10gb", "placement": null}});
        assert_eq!(
            words(&step, &subject),
            "createGpuInstance: device gpu-7, profile 1g.10gb"
        );
        let edits = json!({"edits": {"device": 1, "mounts": [], "madeBy": [1, 2]}});
        assert_eq!(words(&edits, &subject), "edits: device 1, madeBy 1 2");
        assert_eq!(
            told(&Reply::Violations(Vec::new()), &subject),
            ["finds nothing wrong"]
        );
    }
}
