//! Functions on strings (cel-go's extension, version 2). Indices count characters.

use super::{Function, mismatch, string_format};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Text, Value, characters, show};

fn out_of_range(index: i64) -> Failure {
    Failure::argument(format!("index out of range: {index}"))
}

/// The byte offset of the character at `index`, or the end.
fn offset_of(text: &str, index: u64) -> usize {
    usize::try_from(index)
        .ok()
        .and_then(|index| text.char_indices().nth(index))
        .map_or(text.len(), |(offset, _)| offset)
}

/// A part of a text that shares its memory where the text is borrowed.
fn part<'a>(text: &Text<'a>, start: usize, end: usize) -> Value<'a> {
    match text {
        Text::Borrowed(text) => Value::text(text.get(start..end).unwrap_or_default()),
        Text::Shared(text) => Value::string(text.get(start..end).unwrap_or_default()),
    }
}

fn char_at<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::String(text), Value::Int(index)] = args else {
        return Err(mismatch("charAt", args));
    };
    let position = u64::try_from(*index).map_err(|_| out_of_range(*index))?;
    if position > characters(text.as_str()) {
        return Err(out_of_range(*index));
    }
    let start = offset_of(text.as_str(), position);
    let end = offset_of(text.as_str(), position + 1);
    Ok(part(text, start, end))
}

fn substring<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (text, start, end) = match args {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(mismatch("substring", args)),
    };
    let len = characters(text.as_str());
    if let Some(end) = end
        && start > end
    {
        return Err(Failure::argument(format!(
            "invalid substring range. start: {start}, end: {end}"
        )));
    }
    let within = |index: i64| {
        u64::try_from(index)
            .ok()
            .filter(|index| *index <= len)
            .ok_or_else(|| out_of_range(index))
    };
    let start = within(start)?;
    let end = end.map_or(Ok(len), within)?;
    Ok(part(
        text,
        offset_of(text.as_str(), start),
        offset_of(text.as_str(), end),
    ))
}

/// How many characters stand before a byte offset.
fn index_at(text: &str, offset: usize) -> i64 {
    i64::try_from(characters(text.get(..offset).unwrap_or_default())).unwrap_or(i64::MAX)
}

/// `indexOf` on strings; lists have theirs in [`super::lists`].
pub(super) fn index_of<'a>(args: &[Value<'a>]) -> Option<Result<Value<'a>, Failure>> {
    let (text, needle, from) = match args {
        [Value::String(text), Value::String(needle)] => (text.as_str(), needle.as_str(), 0),
        [Value::String(text), Value::String(needle), Value::Int(from)] => {
            (text.as_str(), needle.as_str(), *from)
        }
        _ => return None,
    };
    let Ok(start) = u64::try_from(from) else {
        return Some(Err(out_of_range(from)));
    };
    let len = characters(text);
    let found = if needle.is_empty() {
        i64::try_from(start.min(len)).unwrap_or(i64::MAX)
    } else if start >= len {
        -1
    } else {
        let start = offset_of(text, start);
        text.get(start..)
            .and_then(|rest| rest.find(needle))
            .map_or(-1, |found| index_at(text, start + found))
    };
    Some(Ok(Value::Int(found)))
}

/// `lastIndexOf` on strings.
pub(super) fn last_index_of<'a>(args: &[Value<'a>]) -> Option<Result<Value<'a>, Failure>> {
    let (text, needle, from) = match args {
        [Value::String(text), Value::String(needle)] => (text.as_str(), needle.as_str(), None),
        [Value::String(text), Value::String(needle), Value::Int(from)] => {
            (text.as_str(), needle.as_str(), Some(*from))
        }
        _ => return None,
    };
    let len = characters(text);
    let signed_len = i64::try_from(len).unwrap_or(i64::MAX);
    let from = match from {
        None if needle.is_empty() => return Some(Ok(Value::Int(signed_len))),
        None if text.len() < needle.len() => return Some(Ok(Value::Int(-1))),
        None => signed_len - 1,
        Some(from) => from,
    };
    let Ok(start) = u64::try_from(from) else {
        return Some(Err(out_of_range(from)));
    };
    if needle.is_empty() {
        return Some(Ok(Value::Int(from.min(signed_len))));
    }
    if start >= len {
        return Some(Ok(Value::Int(-1)));
    }
    // The last match that begins at or before `start`.
    let end = offset_of(text, start).saturating_add(needle.len());
    let end = text.ceil_char_boundary(end.min(text.len()));
    let found = text
        .get(..end)
        .and_then(|head| head.rfind(needle))
        .map_or(-1, |found| index_at(text, found));
    Some(Ok(Value::Int(found)))
}

fn change_case<'a>(
    frame: &mut Frame<'a>,
    name: &str,
    args: &[Value<'a>],
    change: fn(&str) -> String,
) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(text)] => {
            frame.room_for(text.as_str().len())?;
            Ok(Value::string(change(text.as_str())))
        }
        _ => Err(mismatch(name, args)),
    }
}

fn trim<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::String(text)] = args else {
        return Err(mismatch("trim", args));
    };
    let whole = text.as_str();
    let start = whole.len() - whole.trim_start().len();
    let end = whole.trim_end().len().max(start);
    Ok(part(text, start, end))
}

fn replace<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (text, old, new, count) = match args {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [
            Value::String(text),
            Value::String(old),
            Value::String(new),
            Value::Int(count),
        ] => (text, old, new, *count),
        _ => return Err(mismatch("replace", args)),
    };
    let (text, old, new) = (text.as_str(), old.as_str(), new.as_str());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    frame.room_for(text.len())?;
    let found = text.matches(old).count().min(count);
    let grown = text
        .len()
        .saturating_add(found.saturating_mul(new.len().saturating_sub(old.len())));
    frame.room_for(grown)?;
    Ok(Value::string(text.replacen(old, new, count)))
}

fn split<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (text, separator, count) = match args {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [
            Value::String(text),
            Value::String(separator),
            Value::Int(count),
        ] => (text, separator, *count),
        _ => return Err(mismatch("split", args)),
    };
    if count == 0 {
        return Ok(Value::list(Vec::new()));
    }
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let whole = text.as_str();
    frame.work(characters(whole))?;
    let mut parts = Vec::new();
    let mut start = 0;
    if separator.as_str().is_empty() {
        for (offset, c) in whole.char_indices() {
            if parts.len() + 1 == most {
                break;
            }
            start = offset + c.len_utf8();
            parts.push(part(text, offset, start));
        }
        if start < whole.len() {
            parts.push(part(text, start, whole.len()));
        }
        return Ok(Value::list(parts));
    }
    for (offset, found) in whole.match_indices(separator.as_str()) {
        if parts.len() + 1 == most {
            break;
        }
        parts.push(part(text, start, offset));
        start = offset + found.len();
    }
    parts.push(part(text, start, whole.len()));
    Ok(Value::list(parts))
}

fn join<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let (list, separator) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator.as_str()),
        _ => return Err(mismatch("join", args)),
    };
    // The type guard looks at the first element alone.
    if let Some(first) = list.get(0)
        && first.as_str().is_none()
    {
        return Err(mismatch("join", args));
    }
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        frame.work(1)?;
        let Value::String(text) = &item else {
            return Err(Failure::argument(format!(
                "join: invalid input: {}",
                show(&item)
            )));
        };
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text.as_str());
        if joined.len() > crate::cel::evaluate::TEXT_LIMIT {
            return Err(Failure::cost_exceeded());
        }
    }
    Ok(Value::string(joined))
}

fn quote<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    let [Value::String(text)] = args else {
        return Err(mismatch("strings.quote", args));
    };
    frame.room_for(text.as_str().len().saturating_mul(2))?;
    let mut quoted = String::with_capacity(text.as_str().len() + 2);
    quoted.push('"');
    for c in text.as_str().chars() {
        match c {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Ok(Value::string(quoted))
}

fn format<'a>(frame: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    match args {
        [Value::String(template), Value::List(list)] => {
            string_format::format(template.as_str(), list, frame).map(Value::string)
        }
        _ => Err(mismatch("format", args)),
    }
}

/// The functions of this module.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "charAt" => char_at,
        "substring" => substring,
        "lowerAscii" => {
            |frame, args| change_case(frame, "lowerAscii", args, str::to_ascii_lowercase)
        }
        "upperAscii" => {
            |frame, args| change_case(frame, "upperAscii", args, str::to_ascii_uppercase)
        }
        "trim" => trim,
        "replace" => replace,
        "split" => split,
        "join" => join,
        "strings.quote" => quote,
        "format" => format,
        _ => return None,
    })
}
