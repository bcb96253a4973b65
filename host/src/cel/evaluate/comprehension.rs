//! Comprehensions.

use super::{Failure, Frame, append, charged};
use crate::cel::ErrorKind;
use crate::cel::library::operators;
use crate::cel::plan::{Accumulate, Addition, Fold};
use crate::cel::price;
use crate::cel::value::{Entries, Map, Value};
use std::sync::Arc;

impl Fold {
    pub(super) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let range = self.range.evaluate(frame)?;
        frame.clear(self.accumulator);
        match (range, self.second_variable) {
            (Value::List(list), second) => {
                for (index, item) in (0..).zip(list.iter()) {
                    match second {
                        None => frame.set(self.variable, Ok(item)),
                        Some(second) => {
                            frame.set(self.variable, Ok(Value::Int(index)));
                            frame.set(second, Ok(item));
                        }
                    }
                    if !self.step(frame)? {
                        break;
                    }
                }
            }
            (Value::Map(map), second) => {
                let entries = map.to_vec(&frame.domains);
                frame.work(entries.len() as u64)?;
                for (key, value) in entries {
                    frame.set(self.variable, Ok(key));
                    if let Some(second) = second {
                        frame.set(second, Ok(value));
                    }
                    if !self.step(frame)? {
                        break;
                    }
                }
            }
            (other, None) => {
                return Err(Failure::new(
                    ErrorKind::Type,
                    format!("got '{}', expected iterable type", other.type_name()),
                ));
            }
            (other, Some(_)) => {
                return Err(Failure::new(
                    ErrorKind::Type,
                    format!(
                        "unsupported comprehension range type: {}",
                        other.type_name()
                    ),
                ));
            }
        }
        self.result.evaluate(frame)
    }

    /// One round. False if the condition ended the loop; a condition that fails does not.
    fn step<'a>(&'a self, frame: &mut Frame<'a>) -> Result<bool, Failure> {
        frame.work(1)?;
        match self.condition.evaluate(frame) {
            Ok(Value::Bool(false)) => return Ok(false),
            Err(failure) if failure.ends_evaluation() => return Err(failure),
            _ => {}
        }
        let value = self.step.evaluate(frame);
        if let Err(failure) = &value
            && failure.ends_evaluation()
        {
            return Err(failure.clone());
        }
        frame.set(self.accumulator, value);
        Ok(true)
    }
}

impl Accumulate {
    pub(super) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let accumulator = frame.take(self.accumulator);
        if matches!(&accumulator, Err(failure) if failure.ends_evaluation()) {
            return accumulator;
        }
        frame.charge(1)?;
        match &self.addition {
            Addition::Item(node) => {
                let item = node.evaluate(frame);
                if matches!(&item, Err(failure) if failure.ends_evaluation()) {
                    return item;
                }
                frame.charge(price::LIST)?;
                frame.charge(1)?;
                append(accumulator?, item?, frame)
            }
            Addition::Entry(key, value) => {
                // One that fails ends the call, which then is not charged, unless it is the last.
                let map = accumulator?;
                let key = key.evaluate(frame)?;
                let value = match value.evaluate(frame) {
                    Err(failure) if failure.ends_evaluation() => return Err(failure),
                    other => other,
                };
                let inserted = value.and_then(|value| insert(map, &[key, value], frame));
                charged(inserted, 1, frame)
            }
            Addition::Entries(node) => {
                let added = node.evaluate(frame);
                if matches!(&added, Err(failure) if failure.ends_evaluation()) {
                    return added;
                }
                let inserted = accumulator
                    .and_then(|map| added.and_then(|added| insert(map, &[added], frame)));
                charged(inserted, 1, frame)
            }
        }
    }
}

/// Inserts into a map that is an accumulator: in place, since nobody else holds it.
fn insert<'a>(
    map: Value<'a>,
    added: &[Value<'a>],
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    let mut entries = match map {
        Value::Map(Map::Shared(entries)) => entries,
        Value::Map(Map::Entries(entries)) => Arc::new(entries.clone()),
        Value::Map(Map::Empty) => Arc::new(Entries::default()),
        _ => return Err(Failure::no_such_overload()),
    };
    operators::insert(Arc::make_mut(&mut entries), added, frame)?;
    Ok(Value::Map(Map::Shared(entries)))
}
