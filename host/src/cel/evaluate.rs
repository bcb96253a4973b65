//! The evaluator.
//!
//! It charges what upstream charges, in the same order, so that a selector that runs out of cost
//! does so at the same step. Upstream observes every step after it was taken, a failed one too;
//! what it charges for a call whose arguments failed is therefore part of the rules.

mod attribute;
mod call;
mod comprehension;
mod failure;
mod frame;

use super::ErrorKind;
use super::library::operators;
use super::plan::{Element, Entry, InSet, Node};
use super::price::{self, Price};
use super::value::{Entries, Key, Value, equal};

pub(crate) use failure::Failure;
pub(crate) use frame::{COST_LIMIT, Frame, TEXT_LIMIT};

impl Node {
    /// Evaluates the step. What selectors are full of comes first, so that it needs little stack.
    pub(crate) fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        match self {
            Self::Constant(value) => Ok(value.borrowed()),
            Self::Known(value, cost) => {
                frame.charge(*cost)?;
                Ok(value.borrowed())
            }
            Self::Attribute(attribute) => attribute.evaluate(frame),
            Self::And(terms) => logical(terms, false, frame),
            Self::Or(terms) => logical(terms, true, frame),
            Self::Equal(sides) => equality(sides, frame, true),
            Self::NotEqual(sides) => equality(sides, frame, false),
            Self::Call(call) => call.evaluate(frame),
            _ => self.evaluate_rare(frame),
        }
    }

    #[inline(never)]
    fn evaluate_rare<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        match self {
            Self::ConstantFailure(failure) => Err(failure.clone()),
            Self::OptionalOr(sides) => optional_or(sides, frame, false),
            Self::OrValue(sides) => optional_or(sides, frame, true),
            Self::NotStrictlyFalse(operand) => {
                let answer = match operand.evaluate(frame) {
                    Ok(Value::Bool(value)) => value,
                    Err(failure) if failure.ends_evaluation() => return Err(failure),
                    _ => true,
                };
                frame.charge(1)?;
                Ok(Value::Bool(answer))
            }
            Self::InSet(membership) => membership.evaluate(frame),
            Self::List(elements) => {
                let list = make_list(elements, frame);
                charged(list, price::LIST, frame)
            }
            Self::Map(entries) => {
                let map = make_map(entries, frame);
                charged(map, price::MAP, frame)
            }
            Self::Struct(name, fields) => {
                let failure = fields
                    .iter()
                    .find_map(|field| field.evaluate(frame).err())
                    .unwrap_or_else(|| {
                        Failure::new(ErrorKind::Undeclared, format!("unknown type '{name}'"))
                    });
                charged(Err(failure), price::STRUCT, frame)
            }
            Self::Fold(fold) => fold.evaluate(frame),
            Self::Accumulate(accumulate) => accumulate.evaluate(frame),
            // The others come first, above.
            _ => self.evaluate(frame),
        }
    }
}

/// The result of a step that costs so much, whether or not it failed.
fn charged<'a>(
    result: Result<Value<'a>, Failure>,
    cost: u64,
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    if !matches!(&result, Err(failure) if failure.ends_evaluation()) {
        frame.charge(cost)?;
    }
    result
}

/// `&&` and `||`: the first term that decides does, whatever failed before it.
#[inline(never)]
fn logical<'a>(
    terms: &'a [Node],
    decisive: bool,
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    logical_after(None, terms, decisive, frame)
}

/// The same after terms that did not decide, of which the first that failed is known.
fn logical_after<'a>(
    mut failed: Option<Failure>,
    terms: &'a [Node],
    decisive: bool,
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    for term in terms {
        match term.evaluate(frame) {
            Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
            Ok(Value::Bool(_)) => {}
            Ok(_) => {
                failed.get_or_insert_with(Failure::no_such_overload);
            }
            Err(failure) if failure.ends_evaluation() => return Err(failure),
            Err(failure) => {
                failed.get_or_insert(failure);
            }
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => Ok(Value::Bool(!decisive)),
    }
}

#[inline(never)]
fn equality<'a>(
    [left, right]: &'a [Node; 2],
    frame: &mut Frame<'a>,
    wanted: bool,
) -> Result<Value<'a>, Failure> {
    let price = if wanted {
        Price::Equality
    } else {
        Price::Shorter
    };
    let left = left.evaluate(frame);
    if matches!(&left, Err(failure) if failure.ends_evaluation()) {
        return left;
    }
    let right = right.evaluate(frame);
    match (&left, &right) {
        (Ok(Value::String(a)), Ok(Value::String(b)))
            if is_short(a.as_str()) || is_short(b.as_str()) =>
        {
            let (a, b) = (a.as_str(), b.as_str());
            let same = a == b;
            // Up to ten characters cost one unit, none cost nothing.
            frame.charge(u64::from(!a.is_empty() && !b.is_empty()))?;
            Ok(Value::Bool(same == wanted))
        }
        (Ok(Value::String(a)), Ok(Value::String(b))) => {
            let (a, b) = (a.as_str(), b.as_str());
            frame.charge(price::shorter(a, b))?;
            Ok(Value::Bool((a == b) == wanted))
        }
        (Ok(Value::Int(a)), Ok(Value::Int(b))) => {
            frame.charge(1)?;
            Ok(Value::Bool((a == b) == wanted))
        }
        (Ok(a), Ok(b)) => {
            let cost = price.cost(&[Some(a), Some(b)], None, frame)?;
            frame.must_afford(cost)?;
            let same = equal(a, b, frame);
            if matches!(&same, Err(failure) if failure.ends_evaluation()) {
                return same.map(Value::Bool);
            }
            frame.charge(cost)?;
            if wanted {
                same.map(Value::Bool)
            } else {
                // What cannot be compared is unequal.
                Ok(Value::Bool(!same.unwrap_or(false)))
            }
        }
        _ => {
            if matches!(&right, Err(failure) if failure.ends_evaluation()) {
                return right;
            }
            let cost = price.cost(&[left.as_ref().ok(), right.as_ref().ok()], None, frame)?;
            frame.charge(cost)?;
            left.and(right)
        }
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= 10
}

/// `or` and `orValue`, which look at their right-hand side only if the left has no value.
fn optional_or<'a>(
    [left, right]: &'a [Node; 2],
    frame: &mut Frame<'a>,
    unwrap: bool,
) -> Result<Value<'a>, Failure> {
    if unwrap
        && let Node::Attribute(attribute) = left
        && let Some(found) = attribute.unwrapped(frame)
    {
        return match found {
            Some(value) => Ok(value),
            None => right.evaluate(frame),
        };
    }
    match left.evaluate(frame)? {
        Value::Optional(None) => right.evaluate(frame),
        Value::Optional(Some(value)) if unwrap => Ok((*value).clone()),
        value @ Value::Optional(_) => Ok(value),
        _ => Err(Failure::no_such_overload()),
    }
}

impl InSet {
    fn evaluate<'a>(&'a self, frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
        let value = self.value.evaluate(frame)?;
        let key = Key::of(&value, u64::MAX)?;
        Ok(Value::Bool(self.set.contains(&key)))
    }
}

fn make_list<'a>(elements: &'a [Element], frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
    let mut values = Vec::with_capacity(elements.len());
    for element in elements {
        match (element.node.evaluate(frame)?, element.optional) {
            (value, false) => values.push(value),
            (Value::Optional(value), true) => {
                values.extend(value.map(|value| (*value).clone()));
            }
            (_, true) => {
                return Err(Failure::argument(
                    "cannot initialize optional list element from non-optional value",
                ));
            }
        }
    }
    Ok(Value::list(values))
}

fn make_map<'a>(entries: &'a [Entry], frame: &mut Frame<'a>) -> Result<Value<'a>, Failure> {
    let mut made = Entries::default();
    for entry in entries {
        let key = entry.key.evaluate(frame)?;
        match (entry.value.evaluate(frame)?, entry.optional) {
            (value, false) => made.set(&key, value)?,
            (Value::Optional(Some(value)), true) => made.set(&key, (*value).clone())?,
            (Value::Optional(None), true) => made.remove(&key)?,
            (_, true) => {
                return Err(Failure::argument(
                    "cannot initialize optional entry from non-optional value",
                ));
            }
        }
    }
    Ok(Value::entries(made))
}

/// Adds an item to a list that is an accumulator, or whatever `+` means otherwise.
fn append<'a>(
    accumulator: Value<'a>,
    item: Value<'a>,
    frame: &mut Frame<'a>,
) -> Result<Value<'a>, Failure> {
    match accumulator {
        Value::List(list) => Ok(Value::List(list.push(item))),
        other => operators::add(frame, &[other, Value::list(vec![item])]),
    }
}
