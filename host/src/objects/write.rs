//! Objects as text that kubectl and [`read`](super::read) take.
//!
//! YAML is written by a few lines of our own rather than a library, for one property: a string is
//! left unquoted only when every YAML reader, of 1.1 or 1.2, must take it for that string. The rest
//! is written as JSON strings, which are YAML.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::Object;
use super::scalar;

/// Objects as YAML documents, separated by `---`.
pub fn yaml(objects: &[Object]) -> String {
    yaml_values(&objects.iter().map(value).collect::<Vec<_>>())
}

/// Objects as one JSON `List`, indented.
pub fn json(objects: &[Object]) -> String {
    json_values(objects.iter().map(value).collect())
}

/// Any values as YAML documents.
pub fn yaml_values(values: &[Value]) -> String {
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        match value {
            Value::Object(map) if !map.is_empty() => mapping(&mut text, map, 0),
            Value::Array(items) if !items.is_empty() => list(&mut text, items, 0),
            other => line(&mut text, other, 0),
        }
    }
    text
}

/// Any values as one JSON `List`, indented.
pub fn json_values(values: Vec<Value>) -> String {
    let list = json!({"apiVersion": "v1", "items": values, "kind": "List"});
    let mut text = format!("{list:#}");
    text.push('\n');
    text
}

/// An object as JSON, with its `apiVersion` and `kind`.
pub fn value(object: &Object) -> Value {
    match object {
        Object::DeviceClass(object) => to_value(object),
        Object::ResourceSlice(object) => to_value(object),
        Object::ResourceClaim(object) => to_value(object),
        Object::ResourceClaimTemplate(object) => to_value(object),
        Object::DeviceTaintRule(object) => to_value(object),
        Object::Node(object) => to_value(object),
        Object::Namespace(object) => to_value(object),
        Object::Pod(object) => to_value(object),
        Object::Job(object) => to_value(object),
        Object::Ignored {
            api_version,
            kind,
            name,
        } => {
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}})
        }
    }
}

fn to_value(object: &impl Serialize) -> Value {
    // Kubernetes' types hold nothing that JSON cannot: keys are strings, numbers are finite.
    serde_json::to_value(object).unwrap_or_default()
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn mapping(text: &mut String, map: &serde_json::Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first line of a list item stands behind its dash.
        if index > 0 || depth == 0 || text.ends_with('\n') {
            indent(text, depth);
        }
        text.push_str(&quoted(key));
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                mapping(text, map, depth + 1);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                list(text, items, depth);
            }
            other => {
                text.push(' ');
                line(text, other, depth + 1);
            }
        }
    }
}

fn list(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        indent(text, depth);
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(text, map, depth + 1),
            // A list in a list: written in line, for it needs no care then.
            other => line(text, other, depth + 1),
        }
    }
}

fn line(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(string) if is_block(string) => {
            let end = if string.ends_with('\n') { "" } else { "-" };
            let _ = writeln!(text, "|{end}");
            for line in string.lines() {
                if !line.is_empty() {
                    indent(text, depth);
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        Value::String(string) => {
            text.push_str(&quoted(string));
            text.push('\n');
        }
        other => {
            let _ = writeln!(text, "{other}");
        }
    }
}

/// Whether a string reads best, and exactly, as a literal block.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with("\n\n")
        && text.lines().all(|line| line.trim_end() == line)
        && text
            .chars()
            .all(|letter| letter == '\n' || (!letter.is_control() && letter != '\u{feff}'))
        && !text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

/// A string on one line: bare where nobody could misread it.
fn quoted(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let safe = text.bytes().all(plain)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && scalar::resolve(text) == super::tree::Value::String(text.to_owned())
        // A date is a date for some readers, and a number for others.
        && !(text.starts_with(|first: char| first.is_ascii_digit()) && text.contains(['-', '_']));
    if safe {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
