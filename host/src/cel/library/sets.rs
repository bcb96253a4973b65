//! Lists as sets.

use super::operators::contains;
use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{List, Value};

fn lists<'v, 'a>(
    name: &str,
    args: &'v [Value<'a>],
) -> Result<(&'v List<'a>, &'v List<'a>), Failure> {
    match args {
        [Value::List(a), Value::List(b)] => Ok((a, b)),
        _ => Err(mismatch(name, args)),
    }
}

fn has<'a>(list: &List<'a>, item: Value<'a>, frame: &mut Frame<'a>) -> Result<bool, Failure> {
    let found = contains(frame, &[item, Value::List(list.clone())])?;
    Ok(matches!(found, Value::Bool(true)))
}

fn has_all<'a>(list: &List<'a>, items: &List<'a>, frame: &mut Frame<'a>) -> Result<bool, Failure> {
    for item in items.iter() {
        frame.work(1)?;
        if !has(list, item, frame)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sets_contains<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (list, items) = lists("sets.contains", args)?;
    Ok(Value::Bool(has_all(list, items, frame)?))
}

fn equivalent<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (a, b) = lists("sets.equivalent", args)?;
    Ok(Value::Bool(has_all(a, b, frame)? && has_all(b, a, frame)?))
}

fn intersects<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (a, b) = lists("sets.intersects", args)?;
    for item in a.iter() {
        frame.work(1)?;
        if has(b, item, frame)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "sets.contains" => sets_contains,
        "sets.equivalent" => equivalent,
        "sets.intersects" => intersects,
        _ => return None,
    })
}
