//! Values as messages show them: Go's `%v`.

use std::fmt::Write;

use super::Value;
use crate::cel::library::convert::{double_text, duration_text, timestamp_text};

/// No message needs more of a value than this many bytes.
const ENOUGH: usize = 256;

/// The value as text for a message, cut where it gets long.
pub(crate) fn show(value: &Value<'_>) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 4);
    text
}

fn write_value(out: &mut String, value: &Value<'_>, depth: u32) {
    if out.len() > ENOUGH || depth == 0 {
        out.push_str("...");
        return;
    }
    let written = match value {
        Value::Null => write!(out, "0"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}"),
        Value::Double(value) => write!(out, "{}", double_text(*value)),
        Value::String(text) | Value::Semver(text) => write!(out, "{}", shorten(text.as_str())),
        Value::Bytes(bytes) => write!(out, "{:?}", bytes.get(..ENOUGH).unwrap_or(bytes)),
        Value::Timestamp(time) => write!(out, "{}", timestamp_text(*time)),
        Value::Duration(nanos) => write!(out, "{}", duration_text(*nanos)),
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                if out.len() > ENOUGH {
                    out.push_str("...");
                    break;
                }
                write_value(out, &item, depth - 1);
            }
            out.push(']');
            Ok(())
        }
        Value::Optional(Some(value)) => {
            out.push_str("optional(");
            write_value(out, value, depth - 1);
            out.push(')');
            Ok(())
        }
        Value::Optional(None) => write!(out, "optional.none()"),
        Value::Type(name) => write!(out, "{name}"),
        Value::Capacity(text) => write!(out, "{}", shorten(text)),
        Value::Ip(address) => write!(out, "{address}"),
        other => write!(out, "{}", other.type_name()),
    };
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
}

/// The beginning of a text, for a message.
fn shorten(text: &str) -> &str {
    text.get(..text.floor_char_boundary(ENOUGH)).unwrap_or(text)
}
