//! Keys of maps.
//!
//! Upstream's maps are Go maps whose keys are compared by representation: `1`, `1u` and `1.0` are
//! three keys, and what Go cannot hash ends the evaluation. Looking up a number then tries the
//! other number types.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Cidr, Text, Value};
use crate::cel::library::convert_double::{to_int, to_uint};

/// A key.
#[derive(Debug, Clone)]
pub(crate) enum Key<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Null,
    Timestamp(i64, u32, i32),
    Duration(i64),
    Type(&'static str),
    Ip(IpAddr),
    Cidr(Cidr),
    /// A value that upstream knows by identity: no lookup finds it. The number tells two apart.
    Identity(u64, Arc<Value<'a>>),
}

/// The value cannot be the key of a map: upstream's evaluation panics. It says the Go type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnhashableKey(pub(crate) &'static str);

impl<'a> Key<'a> {
    /// The key that a value is; `ordinal` tells keys by identity apart.
    pub(crate) fn of(value: &Value<'a>, ordinal: u64) -> Result<Self, UnhashableKey> {
        Ok(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) if value.is_nan() => {
                Self::Identity(ordinal, Arc::new(value_of(*value)))
            }
            Value::Double(value) => Self::Double(if *value == 0.0 { 0.0 } else { *value }),
            Value::String(text) => Self::String(text.clone()),
            Value::Null => Self::Null,
            Value::Timestamp(time) => Self::Timestamp(time.seconds, time.nanos, time.offset),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Type(name) => Self::Type(name),
            Value::Ip(address) => Self::Ip(*address),
            Value::Cidr(cidr) => Self::Cidr(*cidr),
            Value::Bytes(_) => return Err(UnhashableKey("types.Bytes")),
            Value::Semver(_) => return Err(UnhashableKey("cel.Semver")),
            Value::Format(_) => return Err(UnhashableKey("cel.Format")),
            other => Self::Identity(ordinal, Arc::new(other.clone())),
        })
    }

    /// The value that the key is.
    pub(crate) fn value(&self) -> Value<'a> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(text) => Value::String(text.clone()),
            Self::Null => Value::Null,
            Self::Timestamp(seconds, nanos, offset) => Value::Timestamp(super::Timestamp {
                seconds: *seconds,
                nanos: *nanos,
                offset: *offset,
            }),
            Self::Duration(nanos) => Value::Duration(*nanos),
            Self::Type(name) => Value::Type(name),
            Self::Ip(address) => Value::Ip(*address),
            Self::Cidr(cidr) => Value::Cidr(*cidr),
            Self::Identity(_, value) => (**value).clone(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) => 1,
            Self::Uint(_) => 2,
            Self::Double(_) => 3,
            Self::String(_) => 4,
            Self::Null => 5,
            Self::Timestamp(..) => 6,
            Self::Duration(_) => 7,
            Self::Type(_) => 8,
            Self::Ip(_) => 9,
            Self::Cidr(_) => 10,
            Self::Identity(..) => 11,
        }
    }
}

fn value_of<'a>(double: f64) -> Value<'a> {
    Value::Double(double)
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) | (Self::Duration(a), Self::Duration(b)) => a.cmp(b),
            (Self::Uint(a), Self::Uint(b)) | (Self::Identity(a, _), Self::Identity(b, _)) => {
                a.cmp(b)
            }
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::String(a), Self::String(b)) => a.as_str().cmp(b.as_str()),
            (Self::Timestamp(a, b, c), Self::Timestamp(d, e, f)) => (a, b, c).cmp(&(d, e, f)),
            (Self::Type(a), Self::Type(b)) => a.cmp(b),
            (Self::Ip(a), Self::Ip(b)) => a.cmp(b),
            (Self::Cidr(a), Self::Cidr(b)) => (a.address, a.bits).cmp(&(b.address, b.bits)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

/// `value` as an `i64` if nothing is lost.
pub(crate) fn double_as_int(value: f64) -> Option<i64> {
    let int = to_int(value)?;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is the test for loss")]
    (int as f64 == value).then_some(int)
}

/// `value` as a `u64` if nothing is lost.
pub(crate) fn double_as_uint(value: f64) -> Option<u64> {
    let uint = to_uint(value)?;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is the test for loss")]
    (uint as f64 == value).then_some(uint)
}
