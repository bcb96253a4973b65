//! `"...".format([...])`, as cel-go's strings extension did it before its version 4.
//!
//! Its `%f` and `%e` go through a locale-aware printer: thousands are grouped, exponents are
//! superscripts, and the number after the point of `%e` is, by an old mistake, a width.

use std::fmt::Write;

use super::convert::{text_of, timestamp_text};
use crate::cel::evaluate::{Failure, Frame, TEXT_LIMIT};
use crate::cel::value::{List, Value};

/// The digits after the point where none are asked for.
const PRECISION: usize = 6;

/// Widths and precisions beyond this are refused; upstream computes with them.
const MAX_PRECISION: usize = 10_000;

/// How deeply lists and maps may nest in what is formatted.
const MAX_DEPTH: u32 = 200;

fn clause_error(problem: &str, value: &Value<'_>) -> Failure {
    Failure::argument(format!(
        "error during formatting: {problem}, was given {}",
        value.type_name()
    ))
}

fn parse_error(problem: &str) -> Failure {
    Failure::argument(format!("could not parse formatting clause: {problem}"))
}

/// Fills the clauses of a template with the elements of a list.
pub(super) fn format<'a>(
    template: &str,
    args: &List<'a>,
    frame: &mut Frame<'a>,
) -> Result<String, Failure> {
    let mut out = String::new();
    let mut rest = template;
    let mut used = 0;
    while let Some(percent) = rest.find('%') {
        let (before, clause) = rest.split_at(percent);
        out.push_str(before);
        let clause = clause.get(1..).unwrap_or_default();
        if let Some(after) = clause.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let Some(value) = args.get(used) else {
            return Err(Failure::argument(format!("index {used} out of range")));
        };
        if clause.is_empty() {
            return Err(Failure::argument("unexpected end of string"));
        }
        used += 1;
        rest = clause_with(clause, &value, &mut out, frame)?;
        frame.room_for(out.len())?;
    }
    out.push_str(rest);
    frame.room_for(out.len())?;
    Ok(out)
}

/// Formats one clause and gives what follows it.
fn clause_with<'t, 'a>(
    clause: &'t str,
    value: &Value<'a>,
    out: &mut String,
    frame: &mut Frame<'a>,
) -> Result<&'t str, Failure> {
    let mut rest = clause;
    let mut precision = None;
    if let Some(after) = clause.strip_prefix('.') {
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(|| parse_error("error while parsing precision: could not find end of precision specifier"))?;
        let (digits, after) = after.split_at(end);
        let number: usize = digits
            .parse()
            .ok()
            .filter(|number| *number <= MAX_PRECISION)
            .ok_or_else(|| {
                parse_error(
                    "error while parsing precision: error while converting precision to integer",
                )
            })?;
        precision = Some(number);
        rest = after;
    }
    let verb = rest.chars().next().unwrap_or_default();
    rest = rest.get(verb.len_utf8()..).unwrap_or_default();
    match verb {
        's' => write_string(out, value, frame, 0)?,
        'd' => match value {
            Value::Int(value) => write(out, format_args!("{value}")),
            Value::Uint(value) => write(out, format_args!("{value}")),
            _ => {
                return Err(clause_error(
                    "decimal clause can only be used on integers",
                    value,
                ));
            }
        },
        'f' => {
            let number = float("fixed-point", value)?;
            write_fixed(out, number, precision.unwrap_or(PRECISION));
        }
        'e' => {
            let number = float("scientific", value)?;
            write_scientific(out, number, precision.unwrap_or(PRECISION));
        }
        'b' => match value {
            Value::Int(value) => signed(out, *value, |out, value| {
                write(out, format_args!("{value:b}"));
            }),
            Value::Uint(value) => write(out, format_args!("{value:b}")),
            Value::Bool(value) => out.push(if *value { '1' } else { '0' }),
            _ => {
                return Err(clause_error(
                    "only integers and bools can be formatted as binary",
                    value,
                ));
            }
        },
        'x' | 'X' => {
            let start = out.len();
            match value {
                Value::Int(value) => signed(out, *value, |out, value| {
                    write(out, format_args!("{value:x}"));
                }),
                Value::Uint(value) => write(out, format_args!("{value:x}")),
                Value::String(text) => write_hex(out, text.as_str().as_bytes(), frame)?,
                Value::Bytes(bytes) => write_hex(out, bytes, frame)?,
                _ => {
                    return Err(clause_error(
                        "only integers, byte buffers, and strings can be formatted as hex",
                        value,
                    ));
                }
            }
            if verb == 'X'
                && let Some(written) = out.get_mut(start..)
            {
                written.make_ascii_uppercase();
            }
        }
        'o' => match value {
            Value::Int(value) => signed(out, *value, |out, value| {
                write(out, format_args!("{value:o}"));
            }),
            Value::Uint(value) => write(out, format_args!("{value:o}")),
            _ => {
                return Err(clause_error(
                    "octal clause can only be used on integers",
                    value,
                ));
            }
        },
        other => {
            return Err(parse_error(&format!(
                "unrecognized formatting clause \"{other}\""
            )));
        }
    }
    Ok(rest)
}

/// Writing to a string does not fail.
fn write(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(arguments);
    debug_assert!(written.is_ok());
}

fn signed(out: &mut String, value: i64, write_digits: impl Fn(&mut String, u64)) {
    if value < 0 {
        out.push('-');
    }
    write_digits(out, value.unsigned_abs());
}

fn write_hex(out: &mut String, bytes: &[u8], frame: &mut Frame<'_>) -> Result<(), Failure> {
    frame.room_for(out.len().saturating_add(bytes.len().saturating_mul(2)))?;
    for byte in bytes {
        write(out, format_args!("{byte:02x}"));
    }
    Ok(())
}

fn float(clause: &str, value: &Value<'_>) -> Result<f64, Failure> {
    match value {
        Value::Double(value) => Ok(*value),
        Value::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(clause_error(
                &format!("{clause} clause can only be used on doubles"),
                value,
            )),
        },
        _ => Err(clause_error(
            &format!("{clause} clause can only be used on doubles"),
            value,
        )),
    }
}

/// What the locale's printer writes for numbers without digits.
fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("∞")
    } else if value == f64::NEG_INFINITY {
        Some("-∞")
    } else {
        None
    }
}

/// A number with grouped thousands. Zero has no sign.
fn write_fixed(out: &mut String, value: f64, precision: usize) {
    if let Some(text) = special(value) {
        out.push_str(text);
        return;
    }
    if value < 0.0 {
        out.push('-');
    }
    let digits = format!("{:.precision$}", value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

/// A number as `1.234568×10⁰⁴`, at least `width` characters wide.
fn write_scientific(out: &mut String, value: f64, width: usize) {
    let text = special(value).map_or_else(
        || {
            let sign = if value < 0.0 { "-" } else { "" };
            let digits = format!("{:.PRECISION$e}", value.abs());
            let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let minus = if exponent < 0 { "⁻" } else { "" };
            let raised: String = format!("{:02}", exponent.abs())
                .chars()
                .map(superscript)
                .collect();
            format!("{sign}{mantissa}×10{minus}{raised}")
        },
        str::to_owned,
    );
    for _ in text.chars().count()..width {
        out.push(' ');
    }
    out.push_str(&text);
}

fn superscript(digit: char) -> char {
    match digit {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    }
}

/// `%s`.
fn write_string<'a>(
    out: &mut String,
    value: &Value<'a>,
    frame: &mut Frame<'a>,
    depth: u32,
) -> Result<(), Failure> {
    match value {
        Value::List(_) | Value::Map(_) => write_element(out, value, frame, depth),
        Value::Null => {
            out.push_str("null");
            Ok(())
        }
        Value::Type(name) => {
            out.push_str(name);
            Ok(())
        }
        Value::Ip(_) | Value::Cidr(_) => Err(string_clause(value)),
        _ => match text_of(value) {
            Some(Ok(text)) => {
                frame.room_for(out.len().saturating_add(text.as_str().len()))?;
                out.push_str(text.as_str());
                Ok(())
            }
            Some(Err(failure)) => Err(Failure::argument(format!(
                "error during formatting: could not convert argument {:?} to string",
                failure.message()
            ))),
            None => Err(string_clause(value)),
        },
    }
}

fn string_clause(value: &Value<'_>) -> Failure {
    clause_error(
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, \
         types, durations, and timestamps",
        value,
    )
}

/// A value inside of a list or map: as a literal of the language.
fn write_element<'a>(
    out: &mut String,
    value: &Value<'a>,
    frame: &mut Frame<'a>,
    depth: u32,
) -> Result<(), Failure> {
    frame.work(1)?;
    if depth > MAX_DEPTH || out.len() > TEXT_LIMIT {
        return Err(Failure::cost_exceeded());
    }
    match value {
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_element(out, &item, frame, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries = Vec::new();
            for (key, value) in map.to_vec(&frame.domains) {
                let mut name = String::new();
                match key {
                    Value::String(_) | Value::Bool(_) | Value::Int(_) | Value::Uint(_) => {
                        write_element(&mut name, &key, frame, depth + 1)?;
                    }
                    _ => {
                        return Err(Failure::argument(format!(
                            "error during formatting: no formatting function for map key of type \
                             {}",
                            key.type_name()
                        )));
                    }
                }
                let mut text = String::new();
                write_element(&mut text, &value, frame, depth + 1)?;
                entries.push((name, text));
            }
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (index, (name, text)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                frame.room_for(out.len().saturating_add(name.len() + text.len()))?;
                out.push_str(name);
                out.push(':');
                out.push_str(text);
            }
            out.push('}');
        }
        Value::String(text) => {
            frame.room_for(out.len().saturating_add(text.as_str().len()))?;
            out.push_str(&quoted(text.as_str()));
        }
        Value::Bytes(_) => {
            let mut text = String::new();
            write_string(&mut text, value, frame, depth)?;
            out.push('b');
            out.push_str(&quoted(&text));
        }
        Value::Double(number) if number.is_nan() => out.push_str("\"NaN\""),
        Value::Double(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" });
        }
        Value::Double(number) => write(out, format_args!("{number:.PRECISION$}")),
        Value::Timestamp(time) => {
            write(out, format_args!("timestamp(\"{}\")", timestamp_text(*time)));
        }
        Value::Duration(_) => {
            out.push_str("duration(\"");
            write_string(out, value, frame, depth)?;
            out.push_str("\")");
        }
        Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Null | Value::Type(_) => {
            write_string(out, value, frame, depth)?;
        }
        other => {
            return Err(Failure::argument(format!(
                "error during formatting: no formatting function for {}",
                other.type_name()
            )));
        }
    }
    Ok(())
}

/// Go's `%q`.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c if c < ' ' || c == '\u{7f}' => write(&mut out, format_args!("\\x{:02x}", u32::from(c))),
            c if c.is_ascii() || is_printable(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => {
                write(&mut out, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => write(&mut out, format_args!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Whether Go prints a character as it is; the tables of the two languages agree but for marks.
fn is_printable(c: char) -> bool {
    !matches!(c.escape_debug().nth(1), Some('u')) || c.is_alphanumeric()
}
