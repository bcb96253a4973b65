//! Functions on lists: cel-go's extension and Kubernetes' own.

use super::operators::is_same;
use super::{Function, mismatch, strings};
use crate::cel::ErrorKind;
use crate::cel::evaluate::{COST_LIMIT, Failure, Frame};
use crate::cel::value::{List, Value, compare, is_comparable};

fn list_of<'v, 'a>(name: &str, args: &'v [Value<'a>]) -> Result<&'v List<'a>, Failure> {
    match args {
        [Value::List(list)] => Ok(list),
        _ => Err(mismatch(name, args)),
    }
}

/// Lists longer than an evaluation may cost are not walked: whoever makes one pays per element.
fn must_be_short(list: &List<'_>, frame: &mut Frame<'_>) -> Result<(), Failure> {
    if list.len() > COST_LIMIT {
        return frame.must_afford(list.len());
    }
    frame.work(list.len())
}

fn index_of<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::List(list), wanted] => {
            for (index, item) in (0..).zip(list.iter()) {
                frame.work(1)?;
                if is_same(&item, wanted, frame)? {
                    return Ok(Value::Int(index));
                }
            }
            Ok(Value::Int(-1))
        }
        _ => strings::index_of(args).unwrap_or_else(|| Err(mismatch("indexOf", args))),
    }
}

fn last_index_of<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::List(list), wanted] => {
            for index in (0..list.len()).rev() {
                frame.work(1)?;
                if let Some(item) = list.get(index)
                    && is_same(&item, wanted, frame)?
                {
                    return Ok(Value::Int(index.cast_signed()));
                }
            }
            Ok(Value::Int(-1))
        }
        _ => strings::last_index_of(args).unwrap_or_else(|| Err(mismatch("lastIndexOf", args))),
    }
}

/// Fails unless the first element is one that an overload takes: upstream's guards look no
/// further.
fn guard<'v, 'a>(
    name: &str,
    args: &'v [Value<'a>],
    accepts: fn(&Value<'a>) -> bool,
) -> Result<&'v List<'a>, Failure> {
    let list = list_of(name, args)?;
    match list.get(0) {
        Some(first) if !accepts(&first) => Err(mismatch(name, args)),
        _ => Ok(list),
    }
}

fn is_sorted<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let list = guard("isSorted", args, is_comparable)?;
    must_be_short(list, frame)?;
    let mut previous: Option<Value<'a>> = None;
    for item in list.iter() {
        if !is_comparable(&item) {
            return Err(Failure::no_such_overload());
        }
        // Elements that cannot be compared are not out of order.
        if let Some(previous) = &previous
            && compare(previous, &item).is_ok_and(std::cmp::Ordering::is_gt)
        {
            return Ok(Value::Bool(false));
        }
        previous = Some(item);
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let list = list_of("sum", args)?;
    must_be_short(list, frame)?;
    let mut total = match list.get(0) {
        None | Some(Value::Int(_)) => Value::Int(0),
        Some(Value::Uint(_)) => Value::Uint(0),
        Some(Value::Double(_)) => Value::Double(0.0),
        Some(Value::Duration(_)) => Value::Duration(0),
        Some(_) => return Err(mismatch("sum", args)),
    };
    for item in list.iter() {
        total = super::operators::add(frame, &[total, item])?;
    }
    Ok(total)
}

/// `min` and `max`: the first element that `better` prefers to all before it.
fn extreme<'a>(
    frame: &mut Frame<'a>,
    name: &str,
    args: &[Value<'a>],
    worse: std::cmp::Ordering,
) -> Result<Value<'a>, Failure> {
    let list = guard(name, args, is_comparable)?;
    must_be_short(list, frame)?;
    let mut best: Option<Value<'a>> = None;
    for item in list.iter() {
        if !is_comparable(&item) {
            return Err(Failure::no_such_overload());
        }
        match &best {
            Some(found) if compare(found, &item).ok() != Some(worse) => {}
            _ => best = Some(item),
        }
    }
    best.ok_or_else(|| Failure::argument(format!("{name} called on empty list")))
}

fn includes<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::List(list), wanted] => {
            for item in list.iter() {
                frame.work(1)?;
                if is_same(&item, wanted, frame)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        [value, wanted] => Ok(Value::Bool(is_same(value, wanted, frame)?)),
        _ => Err(mismatch("includes", args)),
    }
}

fn slice<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = args else {
        return Err(mismatch("slice", args));
    };
    let problem = |problem: String| {
        Err(Failure::argument(format!(
            "cannot slice({start}, {end}), {problem}"
        )))
    };
    let (Ok(from), Ok(to)) = (u64::try_from(*start), u64::try_from(*end)) else {
        return problem("negative indexes not supported".to_owned());
    };
    if from > to {
        return problem("start index must be less than or equal to end index".to_owned());
    }
    if list.len() < to {
        return problem(format!("list is length {}", list.len()));
    }
    frame.must_afford(to - from)?;
    Ok(Value::list(
        (from..to).map_while(|index| list.get(index)).collect(),
    ))
}

fn flatten<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (list, depth) = match args {
        [Value::List(list)] => (list, 1),
        [Value::List(list), Value::Int(depth)] => (list, *depth),
        _ => return Err(mismatch("flatten", args)),
    };
    let Ok(depth) = u64::try_from(depth) else {
        return Err(Failure::argument("level must be non-negative"));
    };
    let mut flat = Vec::new();
    flatten_into(list, depth, &mut flat, frame)?;
    Ok(Value::list(flat))
}

/// Lists nest at most as deeply as the selector does, so this recursion is bounded.
fn flatten_into<'a>(
    list: &List<'a>,
    depth: u64,
    flat: &mut Vec<Value<'a>>,
    frame: &mut Frame<'a>,
) -> Result<(), Failure> {
    for item in list.iter() {
        frame.work(8)?;
        match item {
            Value::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, flat, frame)?,
            item => flat.push(item),
        }
    }
    Ok(())
}

fn distinct<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let list = list_of("distinct", args)?;
    must_be_short(list, frame)?;
    let mut unique: Vec<Value<'a>> = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let mut seen = false;
        for (place, other) in unique.iter().enumerate() {
            frame.work(1)?;
            if place != index && is_same(&item, other, frame)? {
                seen = true;
                break;
            }
        }
        if !seen {
            unique.push(item);
        }
    }
    Ok(Value::list(unique))
}

fn reverse<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let list = list_of("reverse", args)?;
    frame.must_afford(list.len())?;
    Ok(Value::list(
        (0..list.len())
            .rev()
            .map_while(|index| list.get(index))
            .collect(),
    ))
}

fn range<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    const MOST: u64 = 1_000_000;
    let [Value::Int(size)] = args else {
        return Err(mismatch("lists.range", args));
    };
    match u64::try_from(*size) {
        Ok(size) if size <= MOST => Ok(Value::List(List::Range(size))),
        Ok(size) => Err(Failure::new(
            ErrorKind::Other,
            format!("lists.range: size {size} exceeds maximum allowed ({MOST})"),
        )),
        Err(_) => Err(Failure::argument(format!(
            "lists.range: size must be non-negative, got {size}"
        ))),
    }
}

/// Whether the first element is of the type that the checker chose an overload for. It can choose
/// one alone where the elements are of another: sorting a `dyn` list by a key of some type makes it,
/// to the checker, a list of that type.
fn is_for(overload: &str, args: &[Value<'_>]) -> bool {
    let [Value::List(list)] = args else {
        return false;
    };
    let Some(first) = list.get(0) else {
        return true;
    };
    match overload.split('_').nth(1) {
        Some("int") => matches!(first, Value::Int(_)),
        Some("uint") => matches!(first, Value::Uint(_)),
        Some("double") => matches!(first, Value::Double(_)),
        Some("bool") => matches!(first, Value::Bool(_)),
        Some("duration") => matches!(first, Value::Duration(_)),
        Some("timestamp") => matches!(first, Value::Timestamp(_)),
        Some("string") => matches!(first, Value::String(_)),
        Some("bytes") => matches!(first, Value::Bytes(_)),
        _ => true,
    }
}

/// A function of the shape `list_TYPE_name` for one type alone.
macro_rules! typed {
    ($name:literal, $function:expr, $overload:expr, [$($one:literal),*]) => {
        match $overload {
            $(Some($one) => |frame, args| {
                if is_for($one, args) { $function(frame, args) } else { Err(mismatch($name, args)) }
            },)*
            _ => $function,
        }
    };
}

fn min<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    extreme(frame, "min", args, std::cmp::Ordering::Greater)
}

fn max<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    extreme(frame, "max", args, std::cmp::Ordering::Less)
}

/// The functions of this module.
pub(crate) fn function(name: &str, overload: Option<&str>) -> Option<Function> {
    Some(match name {
        "indexOf" => index_of,
        "lastIndexOf" => last_index_of,
        "isSorted" => typed!(
            "isSorted",
            is_sorted,
            overload,
            [
                "list_int_is_sorted_bool",
                "list_uint_is_sorted_bool",
                "list_double_is_sorted_bool",
                "list_bool_is_sorted_bool",
                "list_duration_is_sorted_bool",
                "list_timestamp_is_sorted_bool",
                "list_string_is_sorted_bool",
                "list_bytes_is_sorted_bool"
            ]
        ),
        "sum" => sum,
        "min" => typed!(
            "min",
            min,
            overload,
            [
                "list_int_min_int",
                "list_uint_min_uint",
                "list_double_min_double",
                "list_bool_min_bool",
                "list_duration_min_duration",
                "list_timestamp_min_timestamp",
                "list_string_min_string",
                "list_bytes_min_bytes"
            ]
        ),
        "max" => typed!(
            "max",
            max,
            overload,
            [
                "list_int_max_int",
                "list_uint_max_uint",
                "list_double_max_double",
                "list_bool_max_bool",
                "list_duration_max_duration",
                "list_timestamp_max_timestamp",
                "list_string_max_string",
                "list_bytes_max_bytes"
            ]
        ),
        "includes" => includes,
        "slice" => slice,
        "flatten" => flatten,
        "distinct" => distinct,
        "reverse" => reverse,
        "lists.range" => range,
        _ => return None,
    })
}
