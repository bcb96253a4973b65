//! Paths: variables, fields, keys and indices.
//!
//! Every step of a path costs one unit, and so does the path as a whole, except where a ternary or
//! an index takes its value from it directly: upstream does not observe the path then.

use super::{Failure, Frame};
use crate::cel::ErrorKind;
use crate::cel::evaluate::frame::Slot;
use crate::cel::plan::{Attribute, Base, Qualifier, QualifierKey, Shortcut, invalid_key, is_key};
use crate::cel::value::{List, Map, Value, show};

impl Attribute {
    pub(super) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        if let Some(shortcut) = &self.shortcut
            && let Some(answer) = self.take_shortcut(shortcut, true, frame)
        {
            return answer;
        }
        self.evaluate_path(frame)
    }

    #[inline(never)]
    fn evaluate_path<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let value = self.resolve(frame);
        if matches!(&value, Err(failure) if failure.ends_evaluation()) {
            return value;
        }
        match (&self.base, self.test_only) {
            (Base::Conditional(..), false) | (_, true) => {}
            (_, false) => frame.charge(1)?,
        }
        if self.test_only {
            // The test as a whole costs nothing. Upstream takes the unit back, even from a
            // ternary that was never charged for: its account then turns round and is exceeded.
            if matches!(self.base, Base::Conditional(..)) && frame.cost == 0 {
                return Err(Failure::cost_exceeded());
            }
            if matches!(self.base, Base::Conditional(..)) {
                frame.cost -= 1;
            }
            return Ok(match value? {
                Value::Optional(value) => Value::Bool(value.is_some()),
                other => other,
            });
        }
        value
    }

    /// The answer of a shortcut, charged with what the long way would be; none if that could be
    /// too much, so that the long way finds where.
    fn take_shortcut<'a>(
        &'a self,
        shortcut: &'a Shortcut,
        observed: bool,
        frame: &mut Frame<'a>,
    ) -> Option<Result<Value<'a>, Failure>> {
        let observed = u64::from(observed && !self.test_only);
        let cost = frame.cost + self.qualifiers.len() as u64 + observed;
        if cost > super::COST_LIMIT {
            return None;
        }
        if let Shortcut::Member { slot, name } = shortcut {
            return self.member(*slot, name, cost, frame);
        }
        frame.cost = cost;
        Some(match shortcut {
            Shortcut::Member { .. } => return None,
            Shortcut::Driver => Ok(Value::text(frame.domains.driver)),
            Shortcut::Domain { kind, domain } => Ok(Value::Map(
                frame
                    .domains
                    .domain(*kind, domain)
                    .map_or(Map::Empty, |domain| Map::Names(*kind, domain)),
            )),
            Shortcut::Named {
                kind,
                domain,
                name,
                qualified,
                optional,
            } => {
                let found = frame.domains.named_as(*kind, domain, name, qualified);
                if *optional {
                    // A step that finds nothing is not charged.
                    frame.cost -= u64::from(found.is_none());
                    Ok(found.map_or(Value::Optional(None), Value::some))
                } else if self.test_only {
                    Ok(Value::Bool(found.is_some()))
                } else {
                    found.ok_or_else(|| Failure::no_such_key(name))
                }
            }
        })
    }

    /// A name in the domain that a variable holds, if it holds one.
    #[inline(never)]
    fn member<'a>(
        &'a self,
        slot: usize,
        name: &'a str,
        cost: u64,
        frame: &mut Frame<'a>,
    ) -> Option<Result<Value<'a>, Failure>> {
        let Some(Slot::Value(Value::Map(Map::Names(kind, domain)))) = frame.slots.get(slot) else {
            return None;
        };
        let found = frame.domains.named(*kind, domain, name);
        frame.cost = cost;
        Some(if self.test_only {
            Ok(Value::Bool(found.is_some()))
        } else {
            found.ok_or_else(|| Failure::no_such_key(name))
        })
    }

    /// The value in an optional path of a shortcut, without an optional around it; none where
    /// there is no such shortcut, or it could cost too much.
    pub(super) fn unwrapped<'a>(&'a self, frame: &mut Frame<'a>) -> Option<Option<Value<'a>>> {
        let Some(Shortcut::Named {
            kind,
            domain,
            name,
            qualified,
            optional: true,
        }) = &self.shortcut
        else {
            return None;
        };
        let cost = frame.cost + self.qualifiers.len() as u64 + 1;
        if cost > super::COST_LIMIT {
            return None;
        }
        let found = frame.domains.named_as(*kind, domain, name, qualified);
        frame.cost = cost - u64::from(found.is_none());
        Some(found)
    }

    /// The value of the path; only its steps are charged.
    fn resolve<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let value = match &self.base {
            Base::Device => Value::Map(Map::Device),
            Base::Slot(slot) => frame.read(*slot)?,
            Base::Operand(node) => node.evaluate(frame)?,
            Base::Conditional(condition, branches) => {
                let [yes, no] = &**branches;
                match condition.evaluate(frame)? {
                    Value::Bool(true) => yes.resolve_branch(frame)?,
                    Value::Bool(false) => no.resolve_branch(frame)?,
                    _ => return Err(Failure::no_such_overload()),
                }
            }
        };
        if self.qualifiers.is_empty() {
            return Ok(value);
        }
        self.walk(value, frame)
    }

    /// The value where nobody observes the path.
    fn resolve_branch<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        if let Some(shortcut) = &self.shortcut
            && let Some(answer) = self.take_shortcut(shortcut, false, frame)
        {
            return answer;
        }
        self.resolve(frame)
    }

    fn walk<'a>(&'a self, start: Value<'a>, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let (mut value, mut optional) = match start {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => ((*value).clone(), true),
            other => (other, false),
        };
        for qualifier in &self.qualifiers {
            optional |= qualifier.optional;
            if optional {
                match qualifier.find(&value, frame)? {
                    None => return Ok(Value::Optional(None)),
                    Some(found) => value = found,
                }
                frame.charge(1)?;
                continue;
            }
            let found = qualifier.find_or_fail(&value, frame);
            if matches!(&found, Err(failure) if failure.ends_evaluation()) {
                return found;
            }
            frame.charge(1)?;
            value = found?;
        }
        Ok(if optional { value.some() } else { value })
    }
}

impl Qualifier {
    /// The key, which may be computed.
    fn key<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let key = match &self.key {
            QualifierKey::Constant(value) => return Ok(value.borrowed()),
            QualifierKey::Attribute(attribute) => attribute.resolve_branch(frame)?,
            QualifierKey::Operand(node) => node.evaluate(frame)?,
        };
        if is_key(&key) {
            Ok(key)
        } else {
            Err(invalid_key(&key))
        }
    }

    fn find_or_fail<'a>(
        &'a self,
        value: &Value<'a>,
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        let key = self.key(frame)?;
        let found = look_up(value, &key, frame)?;
        if self.presence {
            return Ok(Value::Bool(found.is_some()));
        }
        match found {
            Some(found) => Ok(found),
            None if matches!(value, Value::List(_)) => Err(Failure::argument(format!(
                "index out of bounds: {}",
                show(&key)
            ))),
            None => Err(Failure::no_such_key(show(&key))),
        }
    }

    fn find<'a>(
        &'a self,
        value: &Value<'a>,
        frame: &mut Frame<'a>,
    ) -> Result<Option<Value<'a>>, Failure> {
        let key = self.key(frame)?;
        look_up(value, &key, frame)
    }
}

/// What is at a key or index, if anything is.
fn look_up<'a>(
    value: &Value<'a>,
    key: &Value<'a>,
    frame: &Frame<'a>,
) -> Result<Option<Value<'a>>, Failure> {
    match value {
        Value::Map(map) => Ok(map.find(key, &frame.domains)?),
        Value::List(list) => element(list, key),
        _ => Ok(None),
    }
}

fn element<'a>(list: &List<'a>, key: &Value<'a>) -> Result<Option<Value<'a>>, Failure> {
    let index = match key {
        Value::Int(index) => Some(*index),
        Value::Uint(index) => i64::try_from(*index).ok(),
        Value::Double(index) => crate::cel::value::double_as_int(*index),
        _ => {
            return Err(Failure::new(
                ErrorKind::Type,
                format!("unsupported index type '{}' in list", key.type_name()),
            ));
        }
    };
    let Some(index) = index else {
        return Err(Failure::new(
            ErrorKind::Other,
            format!("unsupported index value {} in list", show(key)),
        ));
    };
    Ok(u64::try_from(index).ok().and_then(|index| list.get(index)))
}

impl<'a> Frame<'a> {
    /// The value of a variable. An accumulator that was never read is filled now.
    fn read(&mut self, slot: usize) -> Result<Value<'a>, Failure> {
        match self.slots.get(slot) {
            Some(Slot::Value(value)) => return Ok(value.clone()),
            Some(Slot::Failed(failure)) => return Err(failure.clone()),
            _ => {}
        }
        self.fill(slot)
    }

    fn fill(&mut self, slot: usize) -> Result<Value<'a>, Failure> {
        let value = match self.initial.get(slot) {
            Some(Some(node)) => node.evaluate(self),
            _ => Err(Failure::internal("a variable without a value")),
        };
        if matches!(&value, Err(failure) if failure.ends_evaluation()) {
            return value;
        }
        self.set(slot, value.clone());
        value
    }

    /// Takes the value out of an accumulator.
    pub(super) fn take(&mut self, slot: usize) -> Result<Value<'a>, Failure> {
        match self.slots.get_mut(slot).map(std::mem::take) {
            Some(Slot::Value(value)) => Ok(value),
            Some(Slot::Failed(failure)) => Err(failure),
            _ => {
                let value = self.fill(slot);
                self.clear(slot);
                value
            }
        }
    }
}
