//! Parts of a selector that are computed when it is planned: exactly those that cel-go computes.

use std::collections::BTreeSet;

use super::{Element, Entry, Node};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::library;
use crate::cel::value::{Entries, Key, Value};

/// Conversions of constants are computed, and their failures are errors of the selector.
pub(super) fn is_conversion(name: &str) -> bool {
    matches!(
        name,
        "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type"
            | "uint"
    )
}

/// Computes a conversion.
pub(super) fn convert(
    name: &str,
    overload: Option<&str>,
    value: &Value<'static>,
) -> Result<Node, Failure> {
    let function = library::function(name, overload).ok_or_else(Failure::no_such_overload)?;
    let mut frame = Frame::for_constants();
    function(&mut frame, std::slice::from_ref(value)).map(Node::Constant)
}

/// A list, as a constant if all of its elements are.
pub(super) fn list(elements: Vec<Element>) -> Node {
    let mut values = Vec::with_capacity(elements.len());
    for element in &elements {
        match &element.node {
            Node::Constant(Value::Optional(value)) if element.optional => {
                values.extend(value.as_ref().map(|value| (**value).clone()));
            }
            Node::Constant(value) if !element.optional => values.push(value.clone()),
            // Cannot be made; but only if the other elements are constants too.
            Node::Constant(_) | Node::ConstantFailure(_) => return failed_list(elements),
            _ => return Node::List(elements),
        }
    }
    Node::Constant(Value::list(values))
}

fn failed_list(elements: Vec<Element>) -> Node {
    if !elements.iter().all(|element| is_constant(&element.node)) {
        return Node::List(elements);
    }
    let failure = elements.iter().find_map(|element| match &element.node {
        Node::ConstantFailure(failure) => Some(failure.clone()),
        Node::Constant(Value::Optional(_)) => None,
        Node::Constant(_) if element.optional => Some(Failure::argument(
            "cannot initialize optional list element from non-optional value",
        )),
        _ => None,
    });
    Node::ConstantFailure(failure.unwrap_or_else(Failure::no_such_overload))
}

fn is_constant(node: &Node) -> bool {
    matches!(node, Node::Constant(_) | Node::ConstantFailure(_))
}

/// A map, as a constant if all of its keys and values are.
pub(super) fn map(entries: Vec<Entry>) -> Result<Node, Failure> {
    if !entries
        .iter()
        .all(|entry| is_constant(&entry.key) && is_constant(&entry.value))
    {
        return Ok(Node::Map(entries));
    }
    let mut values = Entries::default();
    for entry in &entries {
        let (key, value) = match (&entry.key, &entry.value) {
            (Node::Constant(key), Node::Constant(value)) => (key, value),
            (Node::ConstantFailure(failure), _) | (_, Node::ConstantFailure(failure)) => {
                return Ok(Node::ConstantFailure(failure.clone()));
            }
            _ => return Ok(Node::Map(entries)),
        };
        match value {
            Value::Optional(Some(value)) if entry.optional => values.set(key, (**value).clone())?,
            Value::Optional(None) if entry.optional => values.remove(key)?,
            _ if entry.optional => {
                return Ok(Node::ConstantFailure(Failure::argument(
                    "cannot initialize optional entry from non-optional value",
                )));
            }
            value => values.set(key, value.clone())?,
        }
    }
    Ok(Node::Constant(Value::entries(values)))
}

/// What becomes of a list on the right-hand side of `in`.
pub(super) enum Set {
    Empty,
    Of(BTreeSet<Key<'static>>),
}

/// The list as a set, if it is a constant list of simple values. Numbers are in it as all types
/// that they have a value in.
#[expect(clippy::cast_precision_loss, reason = "as upstream, even where digits are lost")]
pub(super) fn set(list: &Node) -> Result<Option<Set>, Failure> {
    let Node::Constant(Value::List(list)) = list else {
        return Ok(None);
    };
    if list.len() == 0 {
        return Ok(Some(Set::Empty));
    }
    let mut set = BTreeSet::new();
    for (index, item) in (0..).zip(list.iter()) {
        match &item {
            Value::Bool(_) | Value::String(_) => {}
            Value::Double(value) => {
                set.extend(crate::cel::value::double_as_int(*value).map(Key::Int));
                set.extend(crate::cel::value::double_as_uint(*value).map(Key::Uint));
            }
            Value::Int(value) => {
                set.insert(Key::Double(*value as f64));
                set.extend(u64::try_from(*value).ok().map(Key::Uint));
            }
            Value::Uint(value) => {
                set.insert(Key::Double(*value as f64));
                set.extend(i64::try_from(*value).ok().map(Key::Int));
            }
            _ => return Ok(None),
        }
        set.insert(Key::of(&item, index)?);
    }
    Ok(Some(Set::Of(set)))
}
