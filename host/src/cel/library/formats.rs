//! Named formats: what Kubernetes calls a DNS label, a qualified name, a date, and so on.
//!
//! The texts of the violations are values that a selector can look at, so they are upstream's.

use super::{Function, mismatch, time, url};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::Value;

/// A format.
#[derive(Debug)]
pub(crate) struct NamedFormat {
    pub(crate) name: &'static str,
    /// The length of the regular expression that upstream charges for.
    pub(crate) regex_size: u64,
    violations: fn(&str) -> Vec<String>,
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const DNS1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const DATE_TIME_SIZE: u64 = 71;

/// The formats by the name that `format.named` takes.
static FORMATS: [(&str, NamedFormat); 13] = [
    ("dns1123Label", NamedFormat { name: "DNS1123Label", regex_size: 30, violations: label }),
    ("dns1123Subdomain", NamedFormat { name: "DNS1123Subdomain", regex_size: 60, violations: subdomain }),
    ("dns1035Label", NamedFormat { name: "DNS1035Label", regex_size: 30, violations: dns1035 }),
    ("qualifiedName", NamedFormat { name: "QualifiedName", regex_size: 60, violations: qualified_name }),
    ("dns1123LabelPrefix", NamedFormat { name: "DNS1123LabelPrefix", regex_size: 30, violations: |text| label(&mask(text)) }),
    ("dns1123SubdomainPrefix", NamedFormat { name: "DNS1123SubdomainPrefix", regex_size: 60, violations: |text| subdomain(&mask(text)) }),
    ("dns1035LabelPrefix", NamedFormat { name: "DNS1035LabelPrefix", regex_size: 30, violations: |text| dns1035(&mask(text)) }),
    ("labelValue", NamedFormat { name: "LabelValue", regex_size: 40, violations: label_value }),
    ("uri", NamedFormat { name: "URI", regex_size: 1103, violations: |text| url::request_problem(text).into_iter().collect() }),
    ("uuid", NamedFormat { name: "uuid", regex_size: 70, violations: |text| one(is_uuid(text), "does not match the UUID format") }),
    ("byte", NamedFormat { name: "byte", regex_size: 84, violations: |text| one(is_base64(text), "invalid base64") }),
    ("date", NamedFormat { name: "date", regex_size: DATE_TIME_SIZE, violations: |text| one(time::is_date(text), "invalid date") }),
    ("datetime", NamedFormat { name: "datetime", regex_size: DATE_TIME_SIZE, violations: |text| one(is_date_time(text), "invalid datetime") }),
];

fn named(name: &str) -> Option<&'static NamedFormat> {
    FORMATS
        .iter()
        .find_map(|(found, format)| (*found == name).then_some(format))
}

fn one(valid: bool, problem: &str) -> Vec<String> {
    if valid {
        Vec::new()
    } else {
        vec![problem.to_owned()]
    }
}

/// What a name that something will be appended to is judged as.
fn mask(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            // Upstream drops two bytes here, the dash and the one before it.
            let mut bytes = rest.as_bytes().to_vec();
            bytes.pop();
            bytes.push(b'a');
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => text.to_owned(),
    }
}

fn pattern(message: &str, regex: &str, examples: [&str; 2]) -> String {
    let [a, b] = examples;
    format!("{message} (e.g. '{a}',  or '{b}', regex used for validation is '{regex}')")
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn is_label(text: &str) -> bool {
    let inside = |byte: u8| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn label(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if text.len() > 63 {
        violations.push(too_long(63));
    }
    if !is_label(text) {
        violations.push(if text.split('.').all(is_label) {
            "must not contain dots".to_owned()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
                 '-', and must start and end with an alphanumeric character",
                LABEL,
                ["my-name", "123-abc"],
            )
        });
    }
    violations
}

fn subdomain(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if text.len() > 253 {
        violations.push(too_long(253));
    }
    if !text.split('.').all(is_label) {
        violations.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. \
             'example.com', regex used for validation is '{SUBDOMAIN}')"
        ));
    }
    violations
}

fn dns1035(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if text.len() > 63 {
        violations.push(too_long(63));
    }
    if !is_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        violations.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, and end with an alphanumeric character",
            DNS1035,
            ["my-name", "abc-123"],
        ));
    }
    violations
}

fn is_qualified(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let at_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| inside(*byte)) && at_end(bytes.first()) && at_end(bytes.last())
}

fn qualified_name(text: &str) -> Vec<String> {
    let problem = || {
        format!(
            "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
             an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used \
             for validation is '{QUALIFIED}')"
        )
    };
    let mut violations = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                violations.push("prefix part must be non-empty".to_owned());
            } else {
                violations.extend(
                    subdomain(prefix)
                        .into_iter()
                        .map(|problem| format!("prefix part {problem}")),
                );
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')",
                problem()
            )];
        }
    };
    if name.is_empty() {
        violations.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        violations.push(format!("name part {}", too_long(63)));
    }
    if !is_qualified(name) {
        violations.push(format!("name part {}", problem()));
    }
    violations
}

fn label_value(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if text.len() > 63 {
        violations.push(too_long(63));
    }
    if !text.is_empty() && !is_qualified(text) {
        violations.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', \
             '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  \
             or 'my_value',  or '12345', regex used for validation is '({QUALIFIED})?')"
        ));
    }
    violations
}

/// 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12; the dashes between may be missing.
fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (index, len) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        let Some((digits, after)) = rest.split_at_checked(len) else {
            return false;
        };
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Standard base64 with padding; nothing at all is not base64.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// A date, `t`, a time and an offset, in either case.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(clock)) = (parts.next(), parts.next()) else {
        return false;
    };
    text.len() >= 4 && time::is_date(date) && is_clock(clock)
}

/// `15:04:05`, a fraction after any character, and `z` or an offset.
fn is_clock(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((clock, rest)) = text.split_at_checked(8) else {
        return false;
    };
    let mut fields = clock.split(':');
    let (Some(hour), Some(minute), Some(second), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let in_range = [(hour, "23"), (minute, "59"), (second, "59")]
        .into_iter()
        .all(|(field, most)| field.len() == 2 && digits(field) && field <= most);
    in_range && (is_offset(rest) || fraction_then_offset(rest))
}

fn fraction_then_offset(text: &str) -> bool {
    let mut chars = text.chars();
    if chars.next().is_none_or(|c| c == '\n') {
        return false;
    }
    let after = chars.as_str();
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < after.len() && is_offset(rest)
}

fn is_offset(text: &str) -> bool {
    text == "z"
        || matches!(
            text.as_bytes(),
            [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].into_iter().all(u8::is_ascii_digit)
        )
}

fn validate<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::Format(format), Value::String(text)] = args else {
        return Err(mismatch("validate", args));
    };
    let violations = (format.violations)(text.as_str());
    if violations.is_empty() {
        return Ok(Value::Optional(None));
    }
    Ok(Value::list(violations.into_iter().map(Value::string).collect()).some())
}

fn by_name<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(name)] => Ok(named(name.as_str())
            .map_or(Value::Optional(None), |format| {
                Value::Format(format).some()
            })),
        _ => Err(mismatch("format.named", args)),
    }
}

macro_rules! constant_format {
    ($name:literal) => {{
        fn constant<'a>(_: &mut Frame<'a>, _: &[Value<'a>]) -> Result<Value<'a>, Failure> {
            named($name)
                .map(Value::Format)
                .ok_or_else(Failure::no_such_overload)
        }
        constant
    }};
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "validate" => validate,
        "format.named" => by_name,
        "format.dns1123Label" => constant_format!("dns1123Label"),
        "format.dns1123Subdomain" => constant_format!("dns1123Subdomain"),
        "format.dns1035Label" => constant_format!("dns1035Label"),
        "format.qualifiedName" => constant_format!("qualifiedName"),
        "format.dns1123LabelPrefix" => constant_format!("dns1123LabelPrefix"),
        "format.dns1123SubdomainPrefix" => constant_format!("dns1123SubdomainPrefix"),
        "format.dns1035LabelPrefix" => constant_format!("dns1035LabelPrefix"),
        "format.labelValue" => constant_format!("labelValue"),
        "format.uri" => constant_format!("uri"),
        "format.uuid" => constant_format!("uuid"),
        "format.byte" => constant_format!("byte"),
        "format.date" => constant_format!("date"),
        "format.datetime" => constant_format!("datetime"),
        _ => return None,
    })
}
