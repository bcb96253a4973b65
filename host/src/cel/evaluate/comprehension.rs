//! Comprehensions.

use super::{Failure, Frame, append, charged, logical_after};
use crate::cel::ErrorKind;
use crate::cel::library::operators;
use crate::cel::plan::{Accumulate, Addition, Fold, Node};
use crate::cel::price;
use crate::cel::value::{Entries, List, Map, Value};
use std::sync::Arc;

impl Fold {
    pub(super) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let range = self.range.evaluate(frame)?;
        if let (Some(decisive), Value::List(list), None) =
            (self.decisive, &range, self.second_variable)
            && let Node::And(terms) | Node::Or(terms) = &self.step
            && let Some((_, terms)) = terms.split_first()
        {
            return self.quantify(decisive, list, terms, frame);
        }
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

    /// `all` and `exists` of a list: the rounds below with the accumulator at hand, charged alike.
    /// It is read by the condition (which also negates it for `exists`), by the step, and as the
    /// result.
    fn quantify<'a>(
        &'a self,
        decisive: bool,
        list: &List<'a>,
        terms: &'a [Node],
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        let condition = if decisive { 3 } else { 2 };
        let mut decided = false;
        let mut failed = None;
        for item in list.iter() {
            frame.set(self.variable, Ok(item));
            frame.work(1)?;
            frame.charge_steps(condition)?;
            if decided {
                break;
            }
            frame.charge(1)?;
            match logical_after(failed.take(), terms, decisive, frame) {
                Ok(Value::Bool(value)) => decided = value == decisive,
                Ok(_) => failed = Some(Failure::no_such_overload()),
                Err(failure) if failure.ends_evaluation() => return Err(failure),
                Err(failure) => failed = Some(failure),
            }
        }
        frame.charge(1)?;
        match failed {
            Some(failure) => Err(failure),
            None => Ok(Value::Bool(decided == decisive)),
        }
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
