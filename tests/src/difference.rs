//! Where two answers differ, in a form a person can read.
//!
//! Answers are compared as JSON in a normal form: what has no order is sorted, what upstream draws
//! at random (share ids) is made alike, quantities are written one way, and absent, `null` and
//! empty are one, as they are to upstream's semantic equality.

use serde_json::{Map, Value};

use crate::amount::billionths;

/// A difference list is cut off here: the first few tell what is wrong.
const MOST_SHOWN: usize = 6;

/// Brings a list of `AllocationResult`s into normal form. `ordered`: the order of one claim's
/// device results is significant.
#[must_use]
pub fn normal_results(results: &Value, ordered: bool) -> Value {
    let mut results = prune(results);
    for result in results.as_array_mut().into_iter().flatten() {
        if let Some(devices) = result
            .pointer_mut("/devices/results")
            .and_then(Value::as_array_mut)
        {
            for device in devices.iter_mut().filter_map(Value::as_object_mut) {
                normal_device(device);
            }
            if !ordered {
                devices.sort_by_cached_key(Value::to_string);
            }
        }
        let terms = result.pointer_mut("/nodeSelector/nodeSelectorTerms");
        if let Some(terms) = terms.and_then(Value::as_array_mut) {
            for term in terms.iter_mut() {
                for list in term.as_object_mut().into_iter().flat_map(Map::values_mut) {
                    if let Some(list) = list.as_array_mut() {
                        list.sort_by_cached_key(Value::to_string);
                    }
                }
            }
            terms.sort_by_cached_key(Value::to_string);
        }
    }
    results
}

fn normal_device(device: &mut Map<String, Value>) {
    if let Some(share) = device.get_mut("shareID") {
        *share = Value::from("(any)");
    }
    let consumed = device
        .get_mut("consumedCapacity")
        .and_then(Value::as_object_mut);
    for quantity in consumed.into_iter().flat_map(Map::values_mut) {
        if let Some(amount) = quantity.as_str().and_then(billionths) {
            *quantity = Value::from(format!("{amount}n"));
        }
    }
}

/// Leaves out what is `null` or empty, except inside opaque parameters, which are nobody's to read.
/// Elements of lists stay: their position means something.
fn prune(value: &Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.iter().map(prune).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| match name.as_str() {
                    "parameters" => (name.clone(), field.clone()),
                    _ => (name.clone(), prune(field)),
                })
                .filter(|(_, field)| !is_empty(field))
                .collect(),
        ),
        _ => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The places where `got` is not `want`, one a line; empty when they are equal.
#[must_use]
pub fn differences(what: &str, want: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(what, Some(want), Some(got), &mut found);
    if found.len() > MOST_SHOWN {
        let more = found.len() - MOST_SHOWN;
        found.truncate(MOST_SHOWN);
        found.push(format!("... and {more} more"));
    }
    found
}

fn compare(path: &str, want: Option<&Value>, got: Option<&Value>, found: &mut Vec<String>) {
    match (want, got) {
        (Some(Value::Object(want)), Some(Value::Object(got))) => {
            let added = got.keys().filter(|name| !want.contains_key(*name));
            for name in want.keys().chain(added) {
                compare(
                    &format!("{path}.{name}"),
                    want.get(name),
                    got.get(name),
                    found,
                );
            }
        }
        (Some(Value::Array(want)), Some(Value::Array(got))) => {
            for i in 0..want.len().max(got.len()) {
                compare(&format!("{path}[{i}]"), want.get(i), got.get(i), found);
            }
        }
        (want, got) if want != got => {
            let show = |value: Option<&Value>| {
                value.map_or("nothing".to_owned(), |value| {
                    shortened(&value.to_string(), 1500)
                })
            };
            found.push(format!("{path}: want {}, got {}", show(want), show(got)));
        }
        _ => {}
    }
}

/// The first `most` characters of a text.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(devices: Value) -> Value {
        json!([{"devices": {"results": devices}}])
    }

    #[test]
    fn device_results_are_a_set_unless_their_order_is_significant() {
        let ab = result(json!([{"device": "a"}, {"device": "b"}]));
        let ba = result(json!([{"device": "b"}, {"device": "a"}]));
        assert_eq!(normal_results(&ab, false), normal_results(&ba, false));
        assert_ne!(normal_results(&ab, true), normal_results(&ba, true));
    }

    #[test]
    fn any_share_id_equals_any_other_but_not_none() {
        let zeros = result(json!([{"device": "a", "shareID": "0000"}]));
        let random = result(json!([{"device": "a", "shareID": "1f3c"}]));
        let none = result(json!([{"device": "a"}]));
        assert_eq!(normal_results(&zeros, true), normal_results(&random, true));
        assert_ne!(normal_results(&zeros, true), normal_results(&none, true));
    }

    #[test]
    fn null_and_empty_are_absent_except_in_opaque_parameters() {
        let terse = json!([{"devices": {"results": [{"device": "a"}]}}]);
        let wordy =
            json!([{"devices": {"results": [{"device": "a", "tolerations": null}], "config": []}}]);
        assert_eq!(normal_results(&terse, true), normal_results(&wordy, true));
        let opaque = |parameters: Value| json!([{"devices": {"config": [{"opaque": {"parameters": parameters}}]}}]);
        assert_ne!(
            normal_results(&opaque(json!({"a": null})), true),
            normal_results(&opaque(json!({})), true)
        );
    }

    #[test]
    fn quantities_are_equal_by_value() {
        let consumed =
            |text: &str| result(json!([{"device": "a", "consumedCapacity": {"memory": text}}]));
        assert_eq!(
            normal_results(&consumed("1Gi"), true),
            normal_results(&consumed("1024Mi"), true)
        );
        assert_ne!(
            normal_results(&consumed("1Gi"), true),
            normal_results(&consumed("1G"), true)
        );
    }

    #[test]
    fn selector_terms_are_a_set() {
        let selector = |a: &str, b: &str| json!([{"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [{"key": a}, {"key": b}]}]}}]);
        assert_eq!(
            normal_results(&selector("x", "y"), true),
            normal_results(&selector("y", "x"), true)
        );
    }

    #[test]
    fn a_difference_names_its_path_and_both_values() {
        let want = json!([{"device": "a", "pool": "p"}]);
        let got = json!([{"device": "b"}, {"device": "c"}]);
        assert_eq!(
            differences("results", &want, &got),
            [
                r#"results[0].device: want "a", got "b""#,
                r#"results[0].pool: want "p", got nothing"#,
                r#"results[1]: want nothing, got {"device":"c"}"#,
            ]
        );
    }
}
