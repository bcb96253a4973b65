//! What upstream checks beyond types: literals that must parse, and literals of one type.

mod format;

use super::ErrorKind;
use super::ast::{Entry, ExprId, Kind, Literal};
use super::check::Checked;
use super::source::{Problem, in_order};
use super::types::Type;

/// Whether literals are good arguments of the functions they are written in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiteralRules {
    pub(crate) is_duration: fn(&str) -> bool,
    pub(crate) is_timestamp: fn(&str) -> bool,
    /// Whether so many seconds after 1970 are a timestamp.
    pub(crate) is_unix_time: fn(i64) -> bool,
    pub(crate) is_regex: fn(&str) -> bool,
}

/// Everything wrong with a checked expression's literals, in the order of the source.
pub(crate) fn validate(checked: &Checked, rules: LiteralRules) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut in_format = vec![false; checked.ast.len()];
    // Backwards: parents before their children, which inherit what they are part of.
    for (id, node) in checked.ast.iter().rev() {
        let mut inherited = in_format.get(id.index()).copied().unwrap_or(false);
        match &node.kind {
            Kind::Call { function, args, .. } => {
                if let Some(literal) = bad_literal(checked, function, args, rules) {
                    let position = checked.ast.node(literal).position;
                    let message = format!("invalid {function} argument");
                    problems.push(Problem::at(ErrorKind::InvalidArgument, position, message));
                }
                problems.extend(format::check(checked, id));
                inherited |= **function == *"format";
            }
            Kind::List { elements, optional } if !inherited => {
                problems.extend(mixed_list(checked, elements, optional));
            }
            Kind::Map(entries) if !inherited => problems.extend(mixed_map(checked, entries)),
            _ => {}
        }
        if inherited {
            node.kind.for_each_child(|child| {
                if let Some(slot) = in_format.get_mut(child.index()) {
                    *slot = true;
                }
            });
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(in_order(problems))
    }
}

/// The first argument, if it is a literal that the function cannot take. (For `matches(text,
/// pattern)` that is the text: so it is upstream.)
fn bad_literal(
    checked: &Checked,
    function: &str,
    args: &[ExprId],
    rules: LiteralRules,
) -> Option<ExprId> {
    let first = *args.first()?;
    let Kind::Literal(literal) = checked.ast.kind(first) else {
        return None;
    };
    let good = match (function, literal) {
        ("duration", Literal::String(text)) => (rules.is_duration)(text),
        ("timestamp", Literal::String(text)) => (rules.is_timestamp)(text),
        ("timestamp", Literal::Int(seconds)) => (rules.is_unix_time)(*seconds),
        ("matches", Literal::String(pattern)) => (rules.is_regex)(pattern),
        _ => true,
    };
    (!good).then_some(first)
}

fn mismatch(checked: &Checked, at: ExprId, expected: &Type, found: &Type) -> Problem {
    let message = format!(
        "expected type '{}' but found '{}'",
        expected.shown(),
        found.shown()
    );
    Problem::at(ErrorKind::Type, checked.ast.node(at).position, message)
}

fn element_type(checked: &Checked, id: ExprId, optional: bool) -> &Type {
    let ty = checked.type_of(id);
    if optional { ty.unwrap_optional().0 } else { ty }
}

/// The first element whose type is not the first's.
fn mixed_list(checked: &Checked, elements: &[ExprId], optional: &[u32]) -> Option<Problem> {
    let is_optional = |index: usize| optional.iter().any(|optional| *optional as usize == index);
    let mut typed = elements
        .iter()
        .enumerate()
        .map(|(index, id)| (*id, element_type(checked, *id, is_optional(index))));
    let (_, expected) = typed.next()?;
    let (id, found) = typed.find(|(_, found)| *found != expected)?;
    Some(mismatch(checked, id, expected, found))
}

/// Every key and value whose type is not that of the first.
fn mixed_map(checked: &Checked, entries: &[Entry]) -> Vec<Problem> {
    let mut typed = entries.iter().map(|entry| {
        let key = checked.type_of(entry.key);
        (
            entry,
            key,
            element_type(checked, entry.value, entry.optional),
        )
    });
    let Some((_, key, value)) = typed.next() else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for (entry, found_key, found_value) in typed {
        if found_key != key {
            problems.push(mismatch(checked, entry.key, key, found_key));
        }
        if found_value != value {
            problems.push(mismatch(checked, entry.value, value, found_value));
        }
    }
    problems
}
