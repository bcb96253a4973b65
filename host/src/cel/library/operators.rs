//! Operators, and the functions on values of many types.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Function, mismatch};
use crate::cel::ErrorKind;
use crate::cel::ast::operator;
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Text, Timestamp, Value, compare, equal};

const INT_OVERFLOW: &str = "integer overflow";
const UINT_OVERFLOW: &str = "unsigned integer overflow";

/// Whether upstream knows the operator for values of the left type at all: if not, the message
/// names the operator.
fn has_trait(operator: &str, value: &Value<'_>) -> bool {
    match operator {
        operator::ADD => matches!(
            value,
            Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::String(_)
                | Value::Bytes(_)
                | Value::List(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
        ),
        operator::SUBTRACT => matches!(
            value,
            Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::Duration(_)
                | Value::Timestamp(_)
        ),
        _ => true,
    }
}

fn refuse<'a>(name: &str, a: &Value<'a>) -> Failure {
    if has_trait(name, a) {
        Failure::no_such_overload()
    } else {
        Failure::new(ErrorKind::Type, format!("no such overload: {name}"))
    }
}

fn int<'a>(result: Option<i64>) -> Result<Value<'a>, Failure> {
    result
        .map(Value::Int)
        .ok_or_else(|| Failure::overflow(INT_OVERFLOW))
}

fn uint<'a>(result: Option<u64>) -> Result<Value<'a>, Failure> {
    result
        .map(Value::Uint)
        .ok_or_else(|| Failure::overflow(UINT_OVERFLOW))
}

fn duration<'a>(result: Option<i64>) -> Result<Value<'a>, Failure> {
    result
        .map(Value::Duration)
        .ok_or_else(|| Failure::overflow(INT_OVERFLOW))
}

/// `a + b`.
pub(crate) fn add<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [a, b] = args else {
        return Err(mismatch(operator::ADD, args));
    };
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_add(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_add(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            frame.room_for(a.len().saturating_add(b.len()))?;
            Ok(Value::string([a, b].concat()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            frame.room_for(a.len().saturating_add(b.len()))?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) => Ok(Value::List(a.clone().join(b.clone()))),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(*b)),
        (Value::Timestamp(time), Value::Duration(nanos))
        | (Value::Duration(nanos), Value::Timestamp(time)) => shift(*time, *nanos),
        _ => Err(refuse(operator::ADD, a)),
    }
}

fn subtract<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [a, b] = args else {
        return Err(mismatch(operator::SUBTRACT, args));
    };
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_sub(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_sub(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(*b)),
        (Value::Timestamp(time), Value::Duration(nanos)) => match nanos.checked_neg() {
            Some(nanos) => shift(*time, nanos),
            None => Err(Failure::overflow(INT_OVERFLOW)),
        },
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            let nanos = i128::from(a.seconds - b.seconds) * 1_000_000_000
                + i128::from(a.nanos)
                - i128::from(b.nanos);
            duration(i64::try_from(nanos).ok())
        }
        _ => Err(refuse(operator::SUBTRACT, a)),
    }
}

/// The point in time so many nanoseconds later.
fn shift<'a>(time: Timestamp, nanos: i64) -> Result<Value<'a>, Failure> {
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos) + i128::from(nanos);
    let seconds = total.div_euclid(1_000_000_000);
    let nanos = total.rem_euclid(1_000_000_000);
    match (i64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) if super::convert::is_representable(seconds) => {
            Ok(Value::Timestamp(Timestamp {
                seconds,
                nanos,
                offset: time.offset,
            }))
        }
        _ => Err(Failure::overflow("timestamp overflow")),
    }
}

fn multiply<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Int(a), Value::Int(b)] => int(a.checked_mul(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_mul(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn divide<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Failure::new(ErrorKind::DivideByZero, "division by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_div(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_div(*b)),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn modulo<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => {
            Err(Failure::new(ErrorKind::DivideByZero, "modulus by zero"))
        }
        [Value::Int(a), Value::Int(b)] => int(a.checked_rem(*b)),
        [Value::Uint(a), Value::Uint(b)] => uint(a.checked_rem(*b)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn negate<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Int(value)] => int(value.checked_neg()),
        [Value::Double(value)] => Ok(Value::Double(-value)),
        [Value::Duration(nanos)] => duration(nanos.checked_neg()),
        _ => Err(Failure::no_such_overload()),
    }
}

fn not<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(!value)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn ordered<'a>(
    args: &[Value<'a>],
    holds: impl Fn(Ordering) -> bool,
) -> Result<Value<'a>, Failure> {
    match args {
        [a, b] => Ok(Value::Bool(holds(compare(a, b)?))),
        _ => Err(Failure::no_such_overload()),
    }
}

/// `a in b`.
pub(crate) fn contains<'a>(
    frame: &mut Frame<'a>,
    args: &[Value<'a>],
) -> Result<Value<'a>, Failure> {
    match args {
        [value, Value::List(list)] => {
            for item in list.iter() {
                frame.work(1)?;
                if is_same(value, &item, frame)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        [key, Value::Map(map)] => Ok(Value::Bool(map.contains(key, &frame.domains)?)),
        _ => Err(Failure::no_such_overload()),
    }
}

/// Whether two values are equal; what cannot be compared is not.
pub(crate) fn is_same<'a>(
    a: &Value<'a>,
    b: &Value<'a>,
    frame: &mut Frame<'a>,
) -> Result<bool, Failure> {
    match equal(a, b, frame) {
        Err(failure) if !failure.ends_evaluation() => Ok(false),
        other => other,
    }
}

#[expect(clippy::cast_possible_wrap, reason = "sizes are far below")]
fn size<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))] => {
            Ok(Value::Int(value.size(&frame.domains) as i64))
        }
        _ => Err(Failure::new(ErrorKind::Type, "no such overload: size")),
    }
}

/// `cel.@mapInsert`, where somebody else holds the map too.
fn map_insert<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (Some(Value::Map(map)), Some(rest)) = (args.first(), args.get(1..)) else {
        return Err(mismatch("cel.@mapInsert", args));
    };
    let mut entries = crate::cel::value::Entries::default();
    for (key, value) in map.to_vec(&frame.domains) {
        frame.work(1)?;
        entries.set(&key, value)?;
    }
    insert(&mut entries, rest, frame)?;
    Ok(Value::Map(crate::cel::value::Map::Shared(Arc::new(entries))))
}

/// Inserts a key and value, or all entries of a map; a key that is there is an error.
pub(crate) fn insert<'a>(
    entries: &mut crate::cel::value::Entries<'a>,
    added: &[Value<'a>],
    frame: &mut Frame<'a>,
) -> Result<(), Failure> {
    let mut put = |key: &Value<'a>, value: Value<'a>| {
        if entries.find(key)?.is_some() {
            return Err(Failure::argument(format!(
                "insert failed: key {} already exists",
                crate::cel::value::show(key)
            )));
        }
        entries.set(key, value)?;
        Ok(())
    };
    match added {
        [key, value] => put(key, value.clone()),
        [Value::Map(map)] => {
            for (key, value) in map.to_vec(&frame.domains) {
                frame.work(1)?;
                put(&key, value)?;
            }
            Ok(())
        }
        _ => Err(Failure::no_such_overload()),
    }
}

fn type_of<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [value] => Ok(Value::Type(value.type_name())),
        _ => Err(mismatch("type", args)),
    }
}

fn identity<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [value] => Ok(value.clone()),
        _ => Err(mismatch("dyn", args)),
    }
}

fn text_test<'a>(
    args: &[Value<'a>],
    test: impl Fn(&str, &str) -> bool,
) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(text), Value::String(part)] => {
            Ok(Value::Bool(test(Text::as_str(text), part.as_str())))
        }
        _ => Err(Failure::no_such_overload()),
    }
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        operator::ADD => add,
        operator::SUBTRACT => subtract,
        operator::MULTIPLY => multiply,
        operator::DIVIDE => divide,
        operator::MODULO => modulo,
        operator::NEGATE => negate,
        operator::LOGICAL_NOT => not,
        operator::LESS => |_, args| ordered(args, Ordering::is_lt),
        operator::LESS_EQUALS => |_, args| ordered(args, Ordering::is_le),
        operator::GREATER => |_, args| ordered(args, Ordering::is_gt),
        operator::GREATER_EQUALS => |_, args| ordered(args, Ordering::is_ge),
        operator::IN => contains,
        "size" => size,
        "type" => type_of,
        "dyn" => identity,
        "contains" => |_, args| text_test(args, |text, part| text.contains(part)),
        "startsWith" => |_, args| text_test(args, |text, part| text.starts_with(part)),
        "endsWith" => |_, args| text_test(args, |text, part| text.ends_with(part)),
        "cel.@mapInsert" => map_insert,
        _ => return None,
    })
}
