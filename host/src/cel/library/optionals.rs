//! Optional values. `or` and `orValue` are operators of the evaluator: they may not look at their
//! right-hand side.

use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Value, show};

fn of<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [value] => Ok(value.clone().some()),
        _ => Err(mismatch("optional.of", args)),
    }
}

fn of_non_zero<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [value] if value.is_zero(&frame.domains) => Ok(Value::Optional(None)),
        [value] => Ok(value.clone().some()),
        _ => Err(mismatch("optional.ofNonZeroValue", args)),
    }
}

fn value<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Optional(Some(value))] => Ok((**value).clone()),
        [Value::Optional(None)] => Err(Failure::argument("optional.none() dereference")),
        _ => Err(mismatch("value", args)),
    }
}

fn has_value<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
        _ => Err(mismatch("hasValue", args)),
    }
}

fn end<'a>(name: &str, args: &[Value<'a>], last: bool) -> Result<Value<'a>, Failure> {
    let [Value::List(list)] = args else {
        return Err(mismatch(name, args));
    };
    let index = if last {
        list.len().checked_sub(1)
    } else {
        Some(0)
    };
    Ok(index
        .and_then(|index| list.get(index))
        .map_or(Value::Optional(None), Value::some))
}

fn unwrap<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::List(list)] = args else {
        return Err(mismatch("optional.unwrap", args));
    };
    if let Some(first) = list.get(0)
        && !matches!(first, Value::Optional(_))
    {
        return Err(mismatch("optional.unwrap", args));
    }
    let mut values = Vec::new();
    for item in list.iter() {
        frame.work(1)?;
        match item {
            Value::Optional(Some(value)) => values.push((*value).clone()),
            Value::Optional(None) => {}
            other => {
                return Err(Failure::argument(format!(
                    "value {} is not optional",
                    show(&other)
                )));
            }
        }
    }
    Ok(Value::list(values))
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "optional.of" => of,
        "optional.ofNonZeroValue" => of_non_zero,
        "optional.none" => |_, _| Ok(Value::Optional(None)),
        "value" => value,
        "hasValue" => has_value,
        "first" => |_, args| end("first", args, false),
        "last" => |_, args| end("last", args, true),
        "optional.unwrap" | "unwrapOpt" => unwrap,
        _ => return None,
    })
}
