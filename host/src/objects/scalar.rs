//! Which value a plain YAML scalar is.
//!
//! kubectl reads YAML 1.1's words (`yes`, `off`, `0o17`, `0x1F`, `1_000`) as what they meant there,
//! so a plain `on` is a boolean here too and not a name: otherwise a manifest would work here and
//! fail in the cluster.

use super::tree::Value;

/// The value of an unquoted, untagged scalar.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// The number a scalar is, in JSON's writing.
fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let negative = text.starts_with('-');
    let plain = digits.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Some(if negative {
            format!("-{integer}")
        } else {
            integer
        });
    }
    let float = plain.bytes().any(|byte| byte.is_ascii_digit())
        && plain
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value = plain
        .parse::<f64>()
        .ok()
        .filter(|value| float && value.is_finite())?;
    serde_json::Number::from_f64(if negative { -value } else { value })
        .map(|number| number.to_string())
}

/// An unsigned integer in any of YAML 1.1's bases.
fn integer(digits: &str) -> Option<String> {
    let bases = [
        ("0x", 16),
        ("0X", 16),
        ("0b", 2),
        ("0B", 2),
        ("0o", 8),
        ("0O", 8),
    ];
    for (prefix, base) in bases {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return unsigned(rest, base);
        }
    }
    match digits.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => unsigned(rest, 8),
        _ if digits.len() > 19 => {
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| digits.to_owned())
        }
        _ => unsigned(digits, 10),
    }
}

fn unsigned(digits: &str, base: u32) -> Option<String> {
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    u64::from_str_radix(digits, base)
        .ok()
        .map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_what_kubectl_takes_them_for() {
        for (text, value) in [
            ("~", Value::Null),
            ("", Value::Null),
            ("yes", Value::Bool(true)),
            ("off", Value::Bool(false)),
            ("42", Value::Number("42".into())),
            ("-42", Value::Number("-42".into())),
            ("0x1F", Value::Number("31".into())),
            ("0o17", Value::Number("15".into())),
            ("017", Value::Number("15".into())),
            ("1_000", Value::Number("1000".into())),
            ("1.5", Value::Number("1.5".into())),
            ("1e3", Value::Number("1000.0".into())),
            ("7.5.0", Value::String("7.5.0".into())),
            ("15Gi", Value::String("15Gi".into())),
            ("gpu-0", Value::String("gpu-0".into())),
            ("-", Value::String("-".into())),
            (".", Value::String(".".into())),
            ("2024-01-02", Value::String("2024-01-02".into())),
            ("08", Value::Number("8.0".into())),
            (
                "99999999999999999999",
                Value::Number("99999999999999999999".into()),
            ),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
