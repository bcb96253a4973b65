//! JSON text to trees with lines.
//!
//! serde_json keeps no positions, but it can hand out each value as the slice of text it came from
//! (`RawValue`), and the slice's place in the text is the position. Depth is bounded by one look at
//! the brackets before anything is parsed.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::Finding;
use super::tree::{DEPTH_MAX, Entry, Tree, Value};

/// The values of a text: usually one, more when they stand one after another.
pub(crate) fn parse(text: &str) -> Result<Vec<Tree>, Finding> {
    let lines = Lines::of(text);
    if let Some(line) = too_deep(text, &lines) {
        return Err(Finding::at(
            line,
            format!("the document nests deeper than {DEPTH_MAX} levels"),
            "no Kubernetes object needs that; look for a runaway generator",
        ));
    }
    serde_json::Deserializer::from_str(text)
        .into_iter::<&RawValue>()
        .map(|raw| {
            raw.map_err(|error| broken(&error, 1))
                .and_then(|raw| tree(raw, &lines))
        })
        .collect()
}

fn broken(error: &serde_json::Error, first_line: usize) -> Finding {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default();
    Finding::at(
        first_line + error.line().saturating_sub(1),
        format!("this is not JSON: {message}"),
        "check quotes, commas and brackets just before this place",
    )
}

fn tree(raw: &RawValue, lines: &Lines<'_>) -> Result<Tree, Finding> {
    let text = raw.get();
    let line = lines.at(text);
    let fail = |error: serde_json::Error| broken(&error, line);
    let value = match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(fail)?;
            let entries = members.into_iter().map(|(key, value)| {
                let at = match &key {
                    Cow::Borrowed(key) => lines.at(key),
                    Cow::Owned(_) => lines.at(value.get()),
                };
                Ok(Entry {
                    key: key.into_owned(),
                    line: at,
                    value: tree(value, lines)?,
                })
            });
            Value::Map(entries.collect::<Result<_, Finding>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(fail)?;
            Value::List(
                items
                    .into_iter()
                    .map(|item| tree(item, lines))
                    .collect::<Result<_, _>>()?,
            )
        }
        Some(b'"') => Value::String(serde_json::from_str(text).map_err(fail)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(text.to_owned()),
    };
    Ok(Tree { line, value })
}

/// Members of an object in order, repeated keys included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Where lines begin, to turn a slice of the text into a line number.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(index, _)| index + 1)
            .collect();
        Self { text, starts }
    }

    fn at(&self, slice: &str) -> usize {
        let offset = (slice.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.line(offset)
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.starts.partition_point(|start| *start <= offset)
    }
}

fn too_deep(text: &str, lines: &Lines<'_>) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(lines.line(offset));
        }
    }
    None
}
