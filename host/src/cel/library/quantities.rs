//! Quantities, and the comparisons that versions share with them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Function, mismatch, semver};
use crate::cel::ErrorKind;
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{QuantityValue, Value};
use crate::quantity::{Format, Quantity};

/// The quantity that a value is.
fn quantity(value: &Value<'_>) -> Result<Quantity, Failure> {
    match value {
        Value::Quantity(value) => Ok(value.quantity.clone()),
        Value::ConstantQuantity(value) => Ok(value.quantity.clone()),
        Value::Capacity(text) => parse(text),
        _ => Err(Failure::no_such_overload()),
    }
}

fn parse(text: &str) -> Result<Quantity, Failure> {
    Quantity::parse(text).map_err(|problem| {
        Failure::new(ErrorKind::InvalidArgument, problem.to_string())
    })
}

/// Whether the value is the answer of `add` or `sub`.
pub(crate) fn is_computed(value: &Value<'_>) -> bool {
    match value {
        Value::Quantity(value) => value.computed,
        Value::ConstantQuantity(value) => value.computed,
        _ => false,
    }
}

/// The order of two quantities.
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Failure> {
    let borrow = |value: &Value<'_>| -> Option<Quantity> {
        match value {
            Value::Capacity(text) => Quantity::parse(text).ok(),
            _ => None,
        }
    };
    let (parsed_a, parsed_b) = (borrow(a), borrow(b));
    let known = |value: &Value<'_>, parsed: &Option<Quantity>| match (value, parsed) {
        (_, Some(_)) => Ok(()),
        (Value::Quantity(_) | Value::ConstantQuantity(_), None) => Ok(()),
        (Value::Capacity(text), None) => parse(text).map(|_| ()),
        _ => Err(Failure::no_such_overload()),
    };
    known(a, &parsed_a)?;
    known(b, &parsed_b)?;
    let a = reference(a, parsed_a.as_ref());
    let b = reference(b, parsed_b.as_ref());
    match (a, b) {
        (Some(a), Some(b)) => Ok(a.cmp(b)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn reference<'v>(value: &'v Value<'_>, parsed: Option<&'v Quantity>) -> Option<&'v Quantity> {
    match value {
        Value::Quantity(value) => Some(&value.quantity),
        Value::ConstantQuantity(value) => Some(&value.quantity),
        _ => parsed,
    }
}

fn is_quantity_value(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Quantity(_) | Value::Capacity(_) | Value::ConstantQuantity(_)
    )
}

/// The order of two quantities or two versions.
fn order(function: &str, args: &[Value<'_>]) -> Result<Ordering, Failure> {
    match args {
        [Value::Semver(a), Value::Semver(b)] => semver::compare(a.as_str(), b.as_str()),
        [a, b] if is_quantity_value(a) && is_quantity_value(b) => compare(a, b),
        _ => Err(mismatch(function, args)),
    }
}

fn is_greater<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    Ok(Value::Bool(order("isGreaterThan", args)? == Ordering::Greater))
}

fn is_less<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    Ok(Value::Bool(order("isLessThan", args)? == Ordering::Less))
}

fn compare_to<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    Ok(Value::Int(order("compareTo", args)? as i64))
}

fn from_text<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(text)] => Ok(wrap(parse(text.as_str())?, false)),
        _ => Err(mismatch("quantity", args)),
    }
}

fn wrap<'a>(quantity: Quantity, computed: bool) -> Value<'a> {
    Value::Quantity(Arc::new(QuantityValue { quantity, computed }))
}

fn is_quantity<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(text)] => Ok(Value::Bool(Quantity::parse(text.as_str()).is_ok())),
        _ => Err(mismatch("isQuantity", args)),
    }
}

fn of(function: &str, args: &[Value<'_>]) -> Result<Quantity, Failure> {
    match args {
        [value] if is_quantity_value(value) => quantity(value),
        _ => Err(mismatch(function, args)),
    }
}

fn as_integer<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    of("asInteger", args)?
        .as_int()
        .map(Value::Int)
        .ok_or_else(|| Failure::argument("cannot convert value to integer"))
}

fn both(function: &str, args: &[Value<'_>]) -> Result<(Quantity, Quantity), Failure> {
    match args {
        [a, Value::Int(b)] if is_quantity_value(a) => {
            Ok((quantity(a)?, Quantity::from_int(*b, Format::DecimalExponent)))
        }
        [a, b] if is_quantity_value(a) && is_quantity_value(b) => Ok((quantity(a)?, quantity(b)?)),
        _ => Err(mismatch(function, args)),
    }
}

fn add<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (mut sum, other) = both("add", args)?;
    sum.add(&other);
    Ok(wrap(sum, true))
}

fn sub<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (mut difference, other) = both("sub", args)?;
    difference.sub(&other);
    Ok(wrap(difference, true))
}

/// The functions on quantities.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "quantity" => from_text,
        "isQuantity" => is_quantity,
        "isGreaterThan" => is_greater,
        "isLessThan" => is_less,
        "compareTo" => compare_to,
        "sign" => |_, args| Ok(Value::Int(i64::from(of("sign", args)?.sign()))),
        "asInteger" => as_integer,
        "isInteger" => |_, args| Ok(Value::Bool(of("isInteger", args)?.as_int().is_some())),
        "asApproximateFloat" => {
            |_, args| Ok(Value::Double(of("asApproximateFloat", args)?.approximate_float()))
        }
        "add" => add,
        "sub" => sub,
        _ => return None,
    })
}
