//! `sort` and `sortBy`.

use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{List, Value, compare, is_comparable};

/// The elements of `list` in the order of `keys`. Equal keys keep their order, which upstream does
/// not promise.
fn sort_by<'a>(
    list: &List<'a>,
    keys: &List<'a>,
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    if list.len() != keys.len() {
        return Err(Failure::argument(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys \
             list, but got {} and {} elements respectively",
            list.len(),
            keys.len()
        )));
    }
    frame.must_afford(list.len())?;
    frame.work(list.len().saturating_mul(16))?;
    let mut pairs: Vec<(Value<'a>, Value<'a>)> = keys.iter().zip(list.iter()).collect();
    let Some((first, _)) = pairs.first() else {
        return Ok(Value::List(list.clone()));
    };
    if !is_comparable(first) {
        return Err(Failure::argument("list elements must be comparable"));
    }
    let wanted = first.type_name();
    if pairs.iter().any(|(key, _)| key.type_name() != wanted) {
        return Err(Failure::argument("list elements must have the same type"));
    }
    // Keys that have no order, NaN, count as equal.
    pairs.sort_by(|(a, _), (b, _)| compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn sort<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::List(list)] => sort_by(list, list, frame),
        _ => Err(mismatch("sort", args)),
    }
}

fn sort_by_keys<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::List(list), Value::List(keys)] => sort_by(list, keys, frame),
        _ => Err(mismatch("@sortByAssociatedKeys", args)),
    }
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "sort" => sort,
        "@sortByAssociatedKeys" => sort_by_keys,
        _ => return None,
    })
}
