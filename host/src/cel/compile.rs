//! From text to a checked expression, with room on the stack for whatever the parser accepts.

use super::ast::Kind;
use super::check::{Checked, check};
use super::declarations::Declarations;
use super::estimate::max_cost;
use super::parse::parse;
use super::source::{Problem, render};
use super::types::Type;
use super::validate::{LiteralRules, validate};
use super::{CelError, ErrorKind, Options};

/// An expression that may be a device selector.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) checked: Checked,
    pub(crate) max_cost: u64,
}

/// Parses, checks, validates and estimates `expression`.
pub(crate) fn compile(
    expression: &str,
    options: Options,
    rules: LiteralRules,
) -> Result<Compiled, CelError> {
    let declarations = Declarations::new(options);
    let failed = |problems: Vec<Problem>| compilation_failed(expression, &problems);
    let checked = check(parse(expression).map_err(failed)?, declarations).map_err(failed)?;
    validate(&checked, rules).map_err(failed)?;
    let ty = checked.type_of(checked.ast.root());
    if *ty != Type::Bool && *ty != declarations.attribute() {
        return Err(CelError {
            kind: ErrorKind::NotBool,
            message: format!("must evaluate to bool or the unknown type, not {ty}"),
            cost: 0,
        });
    }
    refuse_undefined_types(&checked, declarations)?;
    let max_cost = max_cost(&checked);
    Ok(Compiled { checked, max_cost })
}

/// A few names of types pass the checker, yet stand for nothing that could be computed with.
/// Upstream looks up every name by then whose value is a type, even a variable's.
fn refuse_undefined_types(checked: &Checked, declarations: Declarations) -> Result<(), CelError> {
    let undefined = checked.ast.iter().find_map(|(id, node)| match &node.kind {
        Kind::Ident(name)
            if matches!(checked.type_of(id), Type::Type(_))
                && !declarations.is_type_value(name) =>
        {
            Some(name)
        }
        _ => None,
    });
    let Some(name) = undefined else {
        return Ok(());
    };
    Err(CelError {
        kind: ErrorKind::Other,
        message: format!("program instantiation failed: reference to undefined type: {name}"),
        cost: 0,
    })
}

/// All problems in one error, whose kind is the first's.
fn compilation_failed(expression: &str, problems: &[Problem]) -> CelError {
    CelError {
        kind: problems
            .first()
            .map_or(ErrorKind::Other, |first| first.kind),
        message: format!("compilation failed: {}", render(expression, problems)),
        cost: 0,
    }
}

/// What the deepest expression that the parser accepts needs, several times over.
const DEEP_STACK: usize = 32 << 20;

/// Expressions with no more operators and brackets than this cannot nest deep.
const FEW_SYMBOLS: usize = 64;

/// Does work that recurses over `expression`. What may nest deep is given a thread with a stack
/// of its own: the parser bounds nesting, but to more than a thread of unknown origin has room for.
pub(crate) fn with_deep_stack<T: Send>(
    expression: &str,
    work: impl FnOnce() -> Result<T, CelError> + Send,
) -> Result<T, CelError> {
    if symbols(expression) <= FEW_SYMBOLS {
        return work();
    }
    let failed = |reason: &str| CelError {
        kind: ErrorKind::Other,
        message: format!("the expression could not be compiled: {reason}"),
        cost: 0,
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("cel-compile".to_owned())
            .stack_size(DEEP_STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| failed(&format!("no thread could be started: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(failed("its compilation panicked")))
    })
}

/// How many operators and brackets there are at most: `in` is the only one made of letters.
fn symbols(expression: &str) -> usize {
    let punctuation = expression
        .bytes()
        .filter(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'\'' | b'_' | b','));
    punctuation.count() + expression.matches("in").count()
}

#[cfg(test)]
mod tests;
