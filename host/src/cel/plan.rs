//! From a checked tree to the form that is evaluated.
//!
//! Everything that can be decided once is decided here: functions are looked up, variables get
//! their slots, constant patterns are compiled, constant parts are computed. The last follows
//! cel-go's own optimisations to the letter, for they show: what is folded is not charged, and
//! what fails while it is folded is an error of the whole selector, even where evaluation would
//! never have come by.

mod fold;
mod node;

use super::ast::{ACCUMULATOR, Comprehension, ExprId, Kind, Literal, operator};
use super::check::{Checked, Reference};
use super::evaluate::Failure;
use super::library;
use super::library::regexes::RegexFunction;
use super::price::Price;
use super::types::Type;
use super::value::{Text, Value};
use super::{CelError, ErrorKind};

pub(crate) use node::{
    Accumulate, Addition, Attribute, Base, Call, Callee, Element, Entry, Fold, InSet, Node,
    Qualifier, QualifierKey, Shortcut,
};

/// How deep a tree may be to be walked on any thread's stack.
const SHALLOW: usize = 100;

/// A selector that is ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) root: Node,
    /// What fills the slot of an accumulator when it is first read.
    pub(crate) initial: Vec<Option<Node>>,
    /// Whether evaluation needs a stack of its own.
    pub(crate) deep: bool,
}

impl Program {
    /// Plans a checked selector. Recurses as deeply as the tree goes.
    ///
    /// # Errors
    /// What upstream calls a failed program instantiation: a constant part that has no value.
    pub(crate) fn plan(checked: &Checked) -> Result<Self, CelError> {
        let mut planner = Planner {
            checked,
            initial: Vec::new(),
            scopes: Vec::new(),
        };
        let planned = planner.plan(checked.ast.root());
        let initial = planner.initial;
        match planned {
            Ok(root) => Ok(Self {
                root,
                initial,
                deep: checked.ast.depth() > SHALLOW,
            }),
            Err(failure) => Err(CelError {
                kind: failure.kind(),
                message: format!("program instantiation failed: {}", failure.message()),
                cost: 0,
            }),
        }
    }
}

/// A deep tree is taken down by a thread with room for it, as it was evaluated.
impl Drop for Program {
    fn drop(&mut self) {
        if !self.deep {
            return;
        }
        let root = std::mem::replace(&mut self.root, Node::Constant(Value::Null));
        // Should no thread start, the tree stays in memory: better than an overflow.
        let tree = std::mem::ManuallyDrop::new((root, std::mem::take(&mut self.initial)));
        let thread = std::thread::Builder::new()
            .name("cel-drop".to_owned())
            .stack_size(super::matching::DEEP_STACK)
            .spawn(move || drop(std::mem::ManuallyDrop::into_inner(tree)));
        if let Ok(thread) = thread {
            // It has no result, and only says whether dropping panicked.
            drop(thread.join());
        }
    }
}

struct Planner<'c> {
    checked: &'c Checked,
    initial: Vec<Option<Node>>,
    /// The variables in scope with their slots, the innermost last.
    scopes: Vec<(&'c str, usize)>,
}

impl<'c> Planner<'c> {
    fn plan(&mut self, id: ExprId) -> Result<Node, Failure> {
        match self.checked.ast.kind(id) {
            Kind::Literal(literal) => Ok(Node::Constant(constant(literal))),
            Kind::Ident(name) => self.ident(id, name),
            Kind::Select {
                operand,
                field,
                test_only,
            } => {
                let mut attribute = self.plan(*operand)?.into_attribute();
                if *test_only {
                    attribute.test_only = true;
                }
                attribute.push(Qualifier {
                    key: QualifierKey::Constant(Value::String(Text::Shared((&**field).into()))),
                    optional: false,
                    presence: *test_only,
                });
                Ok(Node::Attribute(Box::new(attribute)))
            }
            Kind::Call {
                function,
                target,
                args,
            } => {
                let mut planned = Vec::with_capacity(args.len() + 1);
                for arg in target.iter().chain(args) {
                    planned.push(self.plan(*arg)?);
                }
                self.call(id, function, planned)
            }
            Kind::List { elements, optional } => {
                let mut planned = Vec::with_capacity(elements.len());
                for (index, element) in elements.iter().enumerate() {
                    planned.push(Element {
                        node: self.plan(*element)?,
                        optional: optional.iter().any(|at| *at as usize == index),
                    });
                }
                Ok(fold::list(planned))
            }
            Kind::Map(entries) => {
                let mut planned = Vec::with_capacity(entries.len());
                for entry in entries {
                    planned.push(Entry {
                        key: self.plan(entry.key)?,
                        value: self.plan(entry.value)?,
                        optional: entry.optional,
                    });
                }
                fold::map(planned)
            }
            Kind::Struct { type_name, fields } => {
                let mut values = Vec::with_capacity(fields.len());
                for field in fields {
                    values.push(self.plan(field.value)?);
                }
                Ok(Node::Struct(type_name.clone(), values))
            }
            Kind::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn ident(&mut self, id: ExprId, name: &str) -> Result<Node, Failure> {
        let base = match self.checked.references.get(id.index()) {
            Some(Some(Reference::Type(of))) => {
                return Ok(Node::Constant(Value::Type(of.runtime_name())));
            }
            Some(Some(Reference::Device)) => Base::Device,
            // Upstream takes every name of a type's type for that of a type, and so finds no
            // variable that holds one.
            _ if matches!(self.checked.type_of(id), Type::Type(_)) => {
                return Err(Failure::new(
                    ErrorKind::Other,
                    format!("reference to undefined type: {name}"),
                ));
            }
            _ => {
                let slot = self
                    .scopes
                    .iter()
                    .rev()
                    .find_map(|(found, slot)| (*found == name).then_some(*slot));
                match slot {
                    Some(slot) => Base::Slot(slot),
                    None => {
                        return Err(Failure::new(
                            ErrorKind::Undeclared,
                            format!("no such attribute(s): {name}"),
                        ));
                    }
                }
            }
        };
        Ok(Node::Attribute(Box::new(Attribute::new(base))))
    }

    fn call(&mut self, id: ExprId, name: &str, args: Vec<Node>) -> Result<Node, Failure> {
        let overload = match self.checked.overloads(id) {
            [overload] => Some(*overload),
            _ => None,
        };
        match name {
            operator::LOGICAL_AND => return Ok(Node::And(flatten(args, Node::into_terms_of_and))),
            operator::LOGICAL_OR => return Ok(Node::Or(flatten(args, Node::into_terms_of_or))),
            operator::NOT_STRICTLY_FALSE => {
                let [arg] = exactly(name, args)?;
                return Ok(Node::NotStrictlyFalse(Box::new(arg)));
            }
            operator::CONDITIONAL => {
                let [condition, yes, no] = exactly(name, args)?;
                let branches = Box::new([yes.into_attribute(), no.into_attribute()]);
                return Ok(Node::Attribute(Box::new(Attribute::new(
                    Base::Conditional(condition, branches),
                ))));
            }
            operator::EQUALS => return Ok(Node::Equal(Box::new(exactly(name, args)?))),
            operator::NOT_EQUALS => return Ok(Node::NotEqual(Box::new(exactly(name, args)?))),
            operator::INDEX => return index(exactly(name, args)?, false),
            operator::OPT_INDEX | operator::OPT_SELECT => return index(exactly(name, args)?, true),
            "or" if args.len() == 2 => {
                return Ok(Node::OptionalOr(Box::new(exactly(name, args)?)));
            }
            "orValue" if args.len() == 2 => {
                return Ok(Node::OrValue(Box::new(exactly(name, args)?)));
            }
            operator::IN if overload == Some("in_list") => {
                let [value, list] = exactly(name, args)?;
                return Ok(match fold::set(&list)? {
                    Some(fold::Set::Empty) => Node::Constant(Value::Bool(false)),
                    Some(fold::Set::Of(set)) => Node::InSet(Box::new(InSet { value, set })),
                    None => generic(name, overload, vec![value, list])?,
                });
            }
            _ => {}
        }
        if let Some(accumulated) = self.accumulate(name, &args) {
            return Ok(accumulated.build(args));
        }
        if let [Node::Constant(value)] = args.as_slice()
            && fold::is_conversion(name)
        {
            return fold::convert(name, overload, value);
        }
        if let ([Node::ConstantFailure(failure)], true) =
            (args.as_slice(), fold::is_conversion(name))
        {
            return Err(failure.clone());
        }
        if let Some(function) = RegexFunction::of(name)
            && let Some(Node::Constant(Value::String(pattern))) = args.get(1)
        {
            let regex = library::regexes::compile(pattern.as_str()).map_err(Failure::argument)?;
            return Ok(fold::call(Call {
                callee: Callee::Regex(function, regex),
                args,
                price: Price::of(name, overload),
                sequential: true,
            }));
        }
        generic(name, overload, args)
    }

    /// Whether the call only adds to the accumulator of a standard macro: nobody else can name it,
    /// so it may be changed in place.
    fn accumulate(&self, name: &str, args: &[Node]) -> Option<Accumulation> {
        let (Node::Attribute(first), rest) = args.split_first()? else {
            return None;
        };
        let Base::Slot(slot) = first.base else {
            return None;
        };
        let is_accumulator = first.qualifiers.is_empty()
            && self
                .scopes
                .iter()
                .any(|(name, found)| *found == slot && *name == ACCUMULATOR);
        if !is_accumulator {
            return None;
        }
        let kind = match (name, rest) {
            (operator::ADD, [Node::List(elements)]) if is_single(elements) => Growth::Item,
            ("cel.@mapInsert", [_, _]) => Growth::Entry,
            ("cel.@mapInsert", [_]) => Growth::Entries,
            _ => return None,
        };
        Some(Accumulation { slot, kind })
    }

    fn comprehension(&mut self, comprehension: &'c Comprehension) -> Result<Node, Failure> {
        let init = self.plan(comprehension.accu_init)?;
        let range = self.plan(comprehension.iter_range)?;
        let accumulator = self.slot(&comprehension.accu_var);
        if let Some(initial) = self.initial.get_mut(accumulator) {
            *initial = Some(init);
        }
        let variable = self.slot(&comprehension.iter_var);
        let second_variable = comprehension
            .iter_var2
            .as_deref()
            .map(|name| self.slot(name));
        let condition = self.plan(comprehension.loop_condition)?;
        let step = self.plan(comprehension.loop_step)?;
        if second_variable.is_some() {
            self.scopes.pop();
        }
        self.scopes.pop();
        let result = self.plan(comprehension.result)?;
        self.scopes.pop();
        Ok(Node::Fold(Box::new(Fold {
            decisive: self.decisive(comprehension),
            range,
            variable,
            second_variable,
            accumulator,
            condition,
            step,
            result,
        })))
    }

    /// Whether the comprehension is `exists` (true) or `all` (false): an accumulator that starts
    /// undecided, is joined with each element's answer, and is the result.
    fn decisive(&self, comprehension: &Comprehension) -> Option<bool> {
        let ast = &self.checked.ast;
        let is_accumulator =
            |id: ExprId| matches!(ast.kind(id), Kind::Ident(name) if **name == *ACCUMULATOR);
        let only = |id: ExprId, wanted: &str| match ast.kind(id) {
            Kind::Call {
                function,
                target: None,
                args,
            } if **function == *wanted => match args.as_slice() {
                [arg] => Some(*arg),
                _ => None,
            },
            _ => None,
        };
        let Kind::Literal(Literal::Bool(start)) = ast.kind(comprehension.accu_init) else {
            return None;
        };
        let decisive = !*start;
        let mut tested = only(comprehension.loop_condition, operator::NOT_STRICTLY_FALSE)?;
        if decisive {
            tested = only(tested, operator::LOGICAL_NOT)?;
        }
        let joins = match ast.kind(comprehension.loop_step) {
            Kind::Call { function, args, .. } => {
                let wanted = if decisive {
                    operator::LOGICAL_OR
                } else {
                    operator::LOGICAL_AND
                };
                **function == *wanted
                    && matches!(args.as_slice(), [first, _] if is_accumulator(*first))
            }
            _ => false,
        };
        let named = *comprehension.accu_var == *ACCUMULATOR;
        (named && joins && is_accumulator(tested) && is_accumulator(comprehension.result))
            .then_some(decisive)
    }

    /// A slot for a variable that comes into scope. No two variables share one, since an
    /// accumulator may be filled in the midst of another comprehension.
    fn slot(&mut self, name: &'c str) -> usize {
        let slot = self.initial.len();
        self.initial.push(None);
        self.scopes.push((name, slot));
        slot
    }
}

/// Terms of terms as terms: the parser balances chains of `&&` and `||` into trees, but their
/// terms are tried one after the other all the same.
fn flatten(terms: Vec<Node>, terms_of: fn(Node) -> Result<Vec<Node>, Node>) -> Vec<Node> {
    let mut flat = Vec::with_capacity(terms.len());
    for term in terms {
        match terms_of(term) {
            Ok(terms) => flat.extend(terms),
            Err(term) => flat.push(term),
        }
    }
    flat
}

enum Growth {
    Item,
    Entry,
    Entries,
}

struct Accumulation {
    slot: usize,
    kind: Growth,
}

impl Accumulation {
    fn build(self, args: Vec<Node>) -> Node {
        let mut args = args.into_iter().skip(1);
        let mut next = || {
            args.next()
                .unwrap_or(Node::ConstantFailure(Failure::no_such_overload()))
        };
        let addition = match self.kind {
            Growth::Item => match next() {
                Node::List(mut elements) => match elements.pop() {
                    Some(element) => Addition::Item(element.node),
                    None => Addition::Entries(Node::List(elements)),
                },
                other => Addition::Item(other),
            },
            Growth::Entry => Addition::Entry(next(), next()),
            Growth::Entries => Addition::Entries(next()),
        };
        Node::Accumulate(Box::new(Accumulate {
            accumulator: self.slot,
            addition,
        }))
    }
}

fn is_single(elements: &[Element]) -> bool {
    matches!(
        elements,
        [Element {
            optional: false,
            ..
        }]
    )
}

fn constant(literal: &Literal) -> Value<'static> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Shared((&**text).into())),
        Literal::Bytes(bytes) => Value::Bytes((&**bytes).into()),
    }
}

fn exactly<const N: usize>(name: &str, args: Vec<Node>) -> Result<[Node; N], Failure> {
    args.try_into()
        .map_err(|_| Failure::new(ErrorKind::Type, format!("no such overload: {name}")))
}

fn index([operand, index]: [Node; 2], optional: bool) -> Result<Node, Failure> {
    let mut attribute = operand.into_attribute();
    let key = match index {
        Node::Constant(value) if is_key(&value) => QualifierKey::Constant(value),
        Node::Constant(value) => return Err(invalid_key(&value)),
        Node::ConstantFailure(_) => {
            return Err(Failure::argument("invalid qualifier type: *types.Err"));
        }
        Node::Attribute(attribute) => QualifierKey::Attribute(*attribute),
        other => QualifierKey::Operand(other),
    };
    attribute.push(Qualifier {
        key,
        optional,
        presence: false,
    });
    Ok(Node::Attribute(Box::new(attribute)))
}

/// Whether a value can be a key or an index.
pub(crate) fn is_key(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Double(_)
    )
}

/// The value is none.
pub(crate) fn invalid_key(value: &Value<'_>) -> Failure {
    Failure::argument(format!("invalid qualifier type: {}", value.type_name()))
}

fn generic(name: &str, overload: Option<&str>, args: Vec<Node>) -> Result<Node, Failure> {
    let function = library::function(name, overload)
        .ok_or_else(|| Failure::new(ErrorKind::Type, format!("no such overload: {name}(...)")))?;
    let sequential =
        args.len() > 2 || name == "format" || (overload.is_none() && !dispatches_itself(name));
    Ok(fold::call(Call {
        callee: Callee::Function(function),
        args,
        price: Price::of(name, overload),
        sequential,
    }))
}

/// Functions that upstream binds once for all of their overloads.
fn dispatches_itself(name: &str) -> bool {
    matches!(
        name,
        operator::ADD
            | operator::SUBTRACT
            | operator::MULTIPLY
            | operator::DIVIDE
            | operator::MODULO
            | operator::NEGATE
            | operator::LOGICAL_NOT
            | operator::LESS
            | operator::LESS_EQUALS
            | operator::GREATER
            | operator::GREATER_EQUALS
            | operator::IN
            | "size"
            | "matches"
            | "sort"
            | "@sortByAssociatedKeys"
    )
}
