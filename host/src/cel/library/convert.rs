//! Conversions between types, and values as text.

use super::convert_double::{double_from_text, general};
use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::library::time::{parse_duration, parse_timestamp};
use crate::cel::value::{Text, Timestamp, Value};

const MIN_SECONDS: i64 = -62_135_596_800;
const MAX_SECONDS: i64 = 253_402_300_799;

/// Whether a point in time lies in the years 1 to 9999.
pub(crate) fn is_representable(seconds: i64) -> bool {
    (MIN_SECONDS..=MAX_SECONDS).contains(&seconds)
}

/// A double as `string()` writes it.
pub(crate) fn double_text(value: f64) -> String {
    general(value)
}

/// A duration as `string()` writes it: seconds.
#[expect(clippy::cast_precision_loss, reason = "upstream goes through a float too")]
pub(crate) fn duration_text(nanos: i64) -> String {
    let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
    format!("{seconds}s")
}

/// A point in time as `string()` writes it: RFC 3339 with the offset it was written with.
pub(crate) fn timestamp_text(time: Timestamp) -> String {
    let local = super::time::Civil::of(time, i64::from(time.offset));
    let mut text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        local.year, local.month, local.day, local.hour, local.minute, local.second
    );
    if time.nanos > 0 {
        let fraction = format!("{:09}", time.nanos);
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    if time.offset == 0 {
        text.push('Z');
    } else {
        let minutes = time.offset.abs() / 60;
        let sign = if time.offset < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    text
}

fn impossible(value: &Value<'_>, target: &str) -> Failure {
    Failure::argument(format!(
        "type conversion error from '{}' to '{target}'",
        value.type_name()
    ))
}

fn to_int<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let overflow = || Failure::overflow("integer overflow");
    match args {
        [Value::Int(value)] => Ok(Value::Int(*value)),
        [Value::Uint(value)] => i64::try_from(*value)
            .map(Value::Int)
            .map_err(|_| overflow()),
        [Value::Double(value)] => super::convert_double::to_int(*value)
            .map(Value::Int)
            .ok_or_else(overflow),
        [value @ Value::String(text)] => text
            .as_str()
            .parse()
            .map(Value::Int)
            .map_err(|_| impossible(value, "int")),
        [Value::Timestamp(time)] => Ok(Value::Int(time.seconds)),
        [Value::Duration(nanos)] => Ok(Value::Int(*nanos)),
        _ => Err(mismatch("int", args)),
    }
}

fn to_uint<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let overflow = || Failure::overflow("unsigned integer overflow");
    match args {
        [Value::Uint(value)] => Ok(Value::Uint(*value)),
        [Value::Int(value)] => u64::try_from(*value)
            .map(Value::Uint)
            .map_err(|_| overflow()),
        [Value::Double(value)] => super::convert_double::to_uint(*value)
            .map(Value::Uint)
            .ok_or_else(overflow),
        [value @ Value::String(text)] => {
            let text = text.as_str();
            // Unlike Rust, Go takes no sign here.
            (!text.starts_with('+'))
                .then(|| text.parse().ok())
                .flatten()
                .map(Value::Uint)
                .ok_or_else(|| impossible(value, "uint"))
        }
        _ => Err(mismatch("uint", args)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what the conversion does")]
fn to_double<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Double(value)] => Ok(Value::Double(*value)),
        [Value::Int(value)] => Ok(Value::Double(*value as f64)),
        [Value::Uint(value)] => Ok(Value::Double(*value as f64)),
        [value @ Value::String(text)] => double_from_text(text.as_str())
            .map(Value::Double)
            .ok_or_else(|| impossible(value, "double")),
        _ => Err(mismatch("double", args)),
    }
}

fn to_bool<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [value @ Value::String(text)] => match text.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(impossible(value, "bool")),
        },
        _ => Err(mismatch("bool", args)),
    }
}

/// The text of a value that has one.
pub(crate) fn text_of<'a>(value: &Value<'a>) -> Option<Result<Text<'a>, Failure>> {
    Some(Ok(match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => Text::Borrowed(if *value { "true" } else { "false" }),
        Value::Int(value) => value.to_string().into(),
        Value::Uint(value) => value.to_string().into(),
        Value::Double(value) => double_text(*value).into(),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned().into(),
            Err(_) => {
                return Some(Err(Failure::argument(
                    "invalid UTF-8 in bytes, cannot convert to string",
                )));
            }
        },
        Value::Timestamp(time) => timestamp_text(*time).into(),
        Value::Duration(nanos) => duration_text(*nanos).into(),
        Value::Ip(address) => address.to_string().into(),
        Value::Cidr(cidr) => format!("{}/{}", cidr.address, cidr.bits).into(),
        _ => return None,
    }))
}

fn to_string<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    if let [Value::Bytes(bytes)] = args {
        frame.room_for(bytes.len())?;
    }
    match args {
        [value] => text_of(value)
            .ok_or_else(|| mismatch("string", args))?
            .map(Value::String),
        _ => Err(mismatch("string", args)),
    }
}

fn to_bytes<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Bytes(bytes)] => Ok(Value::Bytes(bytes.clone())),
        [Value::String(text)] => {
            frame.room_for(text.as_str().len())?;
            Ok(Value::Bytes(text.as_str().as_bytes().into()))
        }
        _ => Err(mismatch("bytes", args)),
    }
}

fn to_timestamp<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let checked = |time: Timestamp| {
        if is_representable(time.seconds) {
            Ok(Value::Timestamp(time))
        } else {
            Err(Failure::overflow("timestamp overflow"))
        }
    };
    match args {
        [Value::Timestamp(time)] => Ok(Value::Timestamp(*time)),
        [Value::Int(seconds)] => checked(Timestamp {
            seconds: *seconds,
            nanos: 0,
            offset: 0,
        }),
        [value @ Value::String(text)] => match parse_timestamp(text.as_str()) {
            Some(time) => checked(time),
            None => Err(impossible(value, "google.protobuf.Timestamp")),
        },
        _ => Err(mismatch("timestamp", args)),
    }
}

fn to_duration<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Duration(nanos)] => Ok(Value::Duration(*nanos)),
        [value @ Value::String(text)] => parse_duration(text.as_str())
            .map(Value::Duration)
            .ok_or_else(|| impossible(value, "google.protobuf.Duration")),
        _ => Err(mismatch("duration", args)),
    }
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "int" => to_int,
        "uint" => to_uint,
        "double" => to_double,
        "bool" => to_bool,
        "string" => to_string,
        "bytes" => to_bytes,
        "timestamp" => to_timestamp,
        "duration" => to_duration,
        _ => return None,
    })
}
