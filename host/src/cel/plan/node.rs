//! The form in which a selector is evaluated.

use std::collections::BTreeSet;

use regex::Regex;

use crate::cel::device::DomainKind;
use crate::cel::evaluate::Failure;
use crate::cel::library::Function;
use crate::cel::library::regexes::RegexFunction;
use crate::cel::price::Price;
use crate::cel::value::{Key, Value};

/// A step of the evaluation.
#[derive(Debug)]
pub(crate) enum Node {
    Constant(Value<'static>),
    /// A list or map of constants that cannot be made.
    ConstantFailure(Failure),
    /// A call of constants: its value and what it costs.
    Known(Value<'static>, u64),
    Attribute(Box<Attribute>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Equal(Box<[Node; 2]>),
    NotEqual(Box<[Node; 2]>),
    Call(Box<Call>),
    /// `optional.or(other)`.
    OptionalOr(Box<[Node; 2]>),
    /// `optional.orValue(other)`.
    OrValue(Box<[Node; 2]>),
    /// `@not_strictly_false(x)`: everything but false, a failure too.
    NotStrictlyFalse(Box<Node>),
    /// `x in` a list of constants, of which upstream makes a set.
    InSet(Box<InSet>),
    List(Vec<Element>),
    Map(Vec<Entry>),
    /// A message of this name: the fields are evaluated, but no message can be made.
    Struct(Box<str>, Vec<Node>),
    Fold(Box<Fold>),
    /// The accumulator, changed in place.
    Accumulate(Box<Accumulate>),
}

/// An element of a list.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) node: Node,
    pub(crate) optional: bool,
}

/// An entry of a map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

/// A variable, or what a step gives, and a path of fields and keys from there.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) base: Base,
    pub(crate) qualifiers: Vec<Qualifier>,
    /// `has(...)`: whether the last field is there.
    pub(crate) test_only: bool,
    /// The short way, where there is one.
    pub(crate) shortcut: Option<Shortcut>,
}

/// Where a path begins.
#[derive(Debug)]
pub(crate) enum Base {
    Device,
    /// A variable of a comprehension.
    Slot(usize),
    Operand(Node),
    /// `condition ? a : b`.
    Conditional(Node, Box<[Attribute; 2]>),
}

/// A field, key or index.
#[derive(Debug)]
pub(crate) struct Qualifier {
    pub(crate) key: QualifierKey,
    /// Written with a question mark.
    pub(crate) optional: bool,
    /// The field that `has` asks for.
    pub(crate) presence: bool,
}

/// What a qualifier says.
#[derive(Debug)]
pub(crate) enum QualifierKey {
    Constant(Value<'static>),
    /// A path, of which the last step is not charged.
    Attribute(Attribute),
    Operand(Node),
}

/// Paths that selectors are full of, answered by one look at the device.
#[derive(Debug)]
pub(crate) enum Shortcut {
    /// `device.driver`.
    Driver,
    /// `device.attributes["domain"]`, or the same of the capacity.
    Domain { kind: DomainKind, domain: Box<str> },
    /// `variable.name`, where the variable holds a domain.
    Member { slot: usize, name: Box<str> },
    /// `device.attributes["domain"].name`, or the same of the capacity.
    Named {
        kind: DomainKind,
        domain: Box<str>,
        name: Box<str>,
        /// As the device spells it.
        qualified: Box<str>,
        /// Written with a question mark before the name.
        optional: bool,
    },
}

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Callee,
    pub(crate) args: Vec<Node>,
    pub(crate) price: Price,
    /// The first argument that fails ends the call, and only a call with all of its arguments is
    /// charged. Otherwise all arguments are evaluated.
    pub(crate) sequential: bool,
}

/// What is called.
#[derive(Debug)]
pub(crate) enum Callee {
    Function(Function),
    Regex(RegexFunction, Regex),
}

/// `x in [...]` over constants.
#[derive(Debug)]
pub(crate) struct InSet {
    pub(crate) value: Node,
    pub(crate) set: BTreeSet<Key<'static>>,
}

/// A comprehension. The slot of its accumulator is filled when it is first read.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) range: Node,
    pub(crate) variable: usize,
    pub(crate) second_variable: Option<usize>,
    pub(crate) accumulator: usize,
    /// Of `all` and `exists`, in the form in which the macros write them: the answer of an element
    /// that settles the whole.
    pub(crate) decisive: Option<bool>,
    pub(crate) condition: Node,
    pub(crate) step: Node,
    pub(crate) result: Node,
}

/// What is put into an accumulator.
#[derive(Debug)]
pub(crate) struct Accumulate {
    pub(crate) accumulator: usize,
    pub(crate) addition: Addition,
}

/// How an accumulator grows.
#[derive(Debug)]
pub(crate) enum Addition {
    /// `accumulator + [item]`.
    Item(Node),
    /// `cel.@mapInsert(accumulator, key, value)`.
    Entry(Node, Node),
    /// `cel.@mapInsert(accumulator, map)`.
    Entries(Node),
}

impl Node {
    /// The terms of an `&&`; anything else as it is.
    pub(super) fn into_terms_of_and(self) -> Result<Vec<Self>, Self> {
        match self {
            Self::And(terms) => Ok(terms),
            other => Err(other),
        }
    }

    /// The terms of an `||`; anything else as it is.
    pub(super) fn into_terms_of_or(self) -> Result<Vec<Self>, Self> {
        match self {
            Self::Or(terms) => Ok(terms),
            other => Err(other),
        }
    }

    /// A path that begins with what the node gives.
    pub(crate) fn into_attribute(self) -> Attribute {
        match self {
            Self::Attribute(attribute) => *attribute,
            other => Attribute::new(Base::Operand(other)),
        }
    }
}

impl Attribute {
    pub(crate) fn new(base: Base) -> Self {
        Self {
            base,
            qualifiers: Vec::new(),
            test_only: false,
            shortcut: None,
        }
    }

    /// Goes one step further.
    pub(crate) fn push(&mut self, qualifier: Qualifier) {
        self.qualifiers.push(qualifier);
        self.shortcut = self.find_shortcut();
    }

    fn find_shortcut(&self) -> Option<Shortcut> {
        match (&self.base, self.qualifiers.as_slice()) {
            (Base::Device, _) => {}
            (Base::Slot(slot), [only]) if !only.optional => {
                let QualifierKey::Constant(Value::String(name)) = &only.key else {
                    return None;
                };
                return Some(Shortcut::Member {
                    slot: *slot,
                    name: name.as_str().into(),
                });
            }
            _ => return None,
        }
        let mut names = Vec::with_capacity(self.qualifiers.len());
        let mut optional = false;
        for qualifier in &self.qualifiers {
            let QualifierKey::Constant(Value::String(name)) = &qualifier.key else {
                return None;
            };
            // Only the last may be: what follows would be another path.
            if optional {
                return None;
            }
            optional = qualifier.optional;
            names.push(name.as_str());
        }
        let kind = |field: &str| match field {
            "attributes" => Some(DomainKind::Attributes),
            "capacity" => Some(DomainKind::Capacity),
            _ => None,
        };
        match names.as_slice() {
            ["driver"] if !self.test_only && !optional => Some(Shortcut::Driver),
            [field, domain] if !self.test_only && !optional => Some(Shortcut::Domain {
                kind: kind(field)?,
                domain: (*domain).into(),
            }),
            [field, domain, name] if !(self.test_only && optional) => Some(Shortcut::Named {
                kind: kind(field)?,
                domain: (*domain).into(),
                name: (*name).into(),
                qualified: format!("{domain}/{name}").into(),
                optional,
            }),
            _ => None,
        }
    }
}
