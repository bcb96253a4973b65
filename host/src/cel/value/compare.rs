//! Equality and order.
//!
//! Numbers compare across their types. Values of different kinds are unequal, except that the
//! Kubernetes types refuse to be compared with anything else; upstream's lists and maps then take
//! such a pair for equal, and so does this.

use std::cmp::Ordering;

use super::{List, Value};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::library::quantities;
use crate::cel::library::semver::Version;

/// What an element of a list or map costs of the work that an evaluation may do.
const STEP: u64 = 1;

/// `a == b`.
pub(crate) fn equal<'a>(
    a: &Value<'a>,
    b: &Value<'a>,
    frame: &mut Frame<'a>,
) -> Result<bool, Failure> {
    match (a, b) {
        (Value::Null, other) | (other, Value::Null) => Ok(matches!(other, Value::Null)),
        _ => equal_to(a, b, frame),
    }
}

/// Upstream's method `Equal` of the left value.
fn equal_to<'a>(a: &Value<'a>, b: &Value<'a>, frame: &mut Frame<'a>) -> Result<bool, Failure> {
    Ok(match (a, b) {
        (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
        (Value::Int(a), Value::Int(b)) | (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Null, Value::Null) => true,
        (Value::Uint(a), Value::Uint(b)) => a == b,
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => numeric(a, b) == Some(Ordering::Equal),
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            (a.seconds, a.nanos) == (b.seconds, b.nanos)
        }
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => return equal_lists(a, b, frame),
        (Value::Map(a), Value::Map(b)) => {
            if a.len(&frame.domains) != b.len(&frame.domains) {
                return Ok(false);
            }
            for (key, value) in a.to_vec(&frame.domains) {
                frame.work(STEP)?;
                match b.find(&key, &frame.domains)? {
                    None => return Ok(false),
                    Some(other) if unequal(&value, &other, frame)? => return Ok(false),
                    Some(_) => {}
                }
            }
            true
        }
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => return equal_to(a, b, frame),
            _ => false,
        },
        (
            Value::Quantity(_) | Value::Capacity(_) | Value::ConstantQuantity(_),
            Value::Quantity(_) | Value::Capacity(_) | Value::ConstantQuantity(_),
        ) => {
            if quantities::is_computed(b) {
                return Err(Failure::no_such_overload());
            }
            quantities::compare(a, b)? == Ordering::Equal
        }
        (Value::Semver(a), Value::Semver(b)) => {
            a.as_str() == b.as_str()
                || Version::of(a.as_str())?.cmp(&Version::of(b.as_str())?) == Ordering::Equal
        }
        (Value::Url(a), Value::Url(b)) => a.to_string() == b.to_string(),
        (Value::Ip(a), Value::Ip(b)) => a == b,
        (Value::Cidr(a), Value::Cidr(b)) => a == b,
        (Value::Format(a), Value::Format(b)) => a.name == b.name,
        (
            Value::Quantity(_)
            | Value::Capacity(_)
            | Value::ConstantQuantity(_)
            | Value::Semver(_)
            | Value::Url(_)
            | Value::Ip(_)
            | Value::Cidr(_)
            | Value::Format(_),
            _,
        ) => return Err(Failure::no_such_overload()),
        _ => false,
    })
}

/// Whether two elements are known to differ: values that cannot be compared are not.
fn unequal<'a>(a: &Value<'a>, b: &Value<'a>, frame: &mut Frame<'a>) -> Result<bool, Failure> {
    match equal(a, b, frame) {
        Ok(equal) => Ok(!equal),
        Err(failure) if failure.ends_evaluation() => Err(failure),
        Err(_) => Ok(false),
    }
}

fn equal_lists<'a>(a: &List<'a>, b: &List<'a>, frame: &mut Frame<'a>) -> Result<bool, Failure> {
    if a.len() != b.len() {
        return Ok(false);
    }
    let mut failed = None;
    for index in 0..a.len() {
        frame.work(STEP)?;
        let (Some(left), Some(right)) = (a.get(index), b.get(index)) else {
            break;
        };
        match equal(&left, &right, frame) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(failure) if failure.ends_evaluation() => return Err(failure),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    match failed {
        Some(failure) if matches!(a, List::Joined(_)) => Err(failure),
        _ => Ok(true),
    }
}

/// The order of two values; types without an order, and NaN, have none.
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Failure> {
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.as_str().cmp(b.as_str()),
        (Value::Double(_), Value::Double(b)) if b.is_nan() => return Err(Failure::nan()),
        (Value::Double(a), _) if a.is_nan() => return Err(Failure::nan()),
        (Value::Int(_) | Value::Uint(_), Value::Double(b)) if b.is_nan() => {
            return Err(Failure::nan());
        }
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => numeric(a, b).unwrap_or(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            (a.seconds, a.nanos).cmp(&(b.seconds, b.nanos))
        }
        _ => return Err(Failure::no_such_overload()),
    })
}

/// Whether values of this kind have an order at all.
pub(crate) fn is_comparable(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Bytes(_)
            | Value::Double(_)
            | Value::Duration(_)
            | Value::Int(_)
            | Value::String(_)
            | Value::Timestamp(_)
            | Value::Uint(_)
    )
}

/// The order of two numbers of any types; none if one is not a number.
fn numeric(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), Value::Int(b)) => double_int(*a, *b),
        (Value::Int(a), Value::Double(b)) => double_int(*b, *a).map(Ordering::reverse),
        (Value::Double(a), Value::Uint(b)) => double_uint(*a, *b),
        (Value::Uint(a), Value::Double(b)) => double_uint(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream compares as floats within the bounds")]
fn double_int(a: f64, b: i64) -> Option<Ordering> {
    if a < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if a > 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    a.partial_cmp(&(b as f64))
}

#[expect(clippy::cast_precision_loss, reason = "upstream compares as floats within the bounds")]
fn double_uint(a: f64, b: u64) -> Option<Ordering> {
    if a < 0.0 {
        return Some(Ordering::Less);
    }
    if a > 18_446_744_073_709_551_616.0 {
        return Some(Ordering::Greater);
    }
    a.partial_cmp(&(b as f64))
}
