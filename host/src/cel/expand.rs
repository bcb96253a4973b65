//! Macros: calls that stand for other expressions.
//!
//! What each one expands to follows cel-go node by node, since both the static estimate and the
//! run-time account charge for the nodes of the expansion.

mod bindings;
mod copy;
mod loops;

use super::ErrorKind;
use super::ast::{ACCUMULATOR, Builder, Comprehension, ExprId, Kind, Literal};
use super::source::Problem;

/// Inserts into the map under construction; only macros can call it.
pub(crate) const MAP_INSERT: &str = "cel.@mapInsert";

/// Sorts a list by the keys computed for its elements; only `sortBy` can call it.
pub(crate) const SORT_BY_ASSOCIATED_KEYS: &str = "@sortByAssociatedKeys";

/// What the call of `function` stands for, or nothing if it is no macro.
pub(crate) fn expand(
    tree: &mut Builder,
    position: u32,
    function: &str,
    target: Option<ExprId>,
    args: &[ExprId],
) -> Result<Option<ExprId>, Problem> {
    let mut expansion = Expansion { tree, position };
    let expanded = match (function, target, args) {
        ("has", None, [operand]) => expansion.has(*operand),
        ("all", Some(range), [var, predicate]) => expansion.all(range, &[*var], *predicate),
        ("all", Some(range), [i, v, predicate]) => expansion.all(range, &[*i, *v], *predicate),
        ("exists", Some(range), [var, predicate]) => expansion.exists(range, &[*var], *predicate),
        ("exists", Some(range), [i, v, predicate]) => {
            expansion.exists(range, &[*i, *v], *predicate)
        }
        // With one variable it has only the old name: Kubernetes kept cel-go's first set of macros.
        ("exists_one", Some(range), [var, predicate]) => {
            expansion.exists_one(range, &[*var], *predicate)
        }
        ("exists_one" | "existsOne", Some(range), [i, v, predicate]) => {
            expansion.exists_one(range, &[*i, *v], *predicate)
        }
        ("map", Some(range), [var, value]) => expansion.list(range, &[*var], None, *value),
        ("map", Some(range), [var, filter, value]) => {
            expansion.list(range, &[*var], Some(*filter), *value)
        }
        ("filter", Some(range), [var, filter]) => {
            expansion.list(range, &[*var], Some(*filter), *var)
        }
        ("transformList", Some(range), [i, v, value]) => {
            expansion.list(range, &[*i, *v], None, *value)
        }
        ("transformList", Some(range), [i, v, filter, value]) => {
            expansion.list(range, &[*i, *v], Some(*filter), *value)
        }
        ("transformMap", Some(range), [k, v, value]) => {
            expansion.map(range, [*k, *v], None, *value, true)
        }
        ("transformMap", Some(range), [k, v, filter, value]) => {
            expansion.map(range, [*k, *v], Some(*filter), *value, true)
        }
        ("transformMapEntry", Some(range), [k, v, entry]) => {
            expansion.map(range, [*k, *v], None, *entry, false)
        }
        ("transformMapEntry", Some(range), [k, v, filter, entry]) => {
            expansion.map(range, [*k, *v], Some(*filter), *entry, false)
        }
        ("sortBy", Some(list), [var, key]) => expansion.sort_by(list, *var, *key),
        ("bind", Some(namespace), [var, init, result])
            if expansion.ident(namespace) == Some("cel") =>
        {
            expansion.bind(*var, *init, *result)
        }
        ("optMap", Some(optional), [var, value]) => expansion.opt_map(optional, *var, *value),
        ("optFlatMap", Some(optional), [var, value]) => {
            expansion.opt_flat_map(optional, *var, *value)
        }
        _ => return Ok(None),
    };
    expanded.map(Some)
}

struct Expansion<'t> {
    tree: &'t mut Builder,
    /// Where the macro was called: the place of every node it makes.
    position: u32,
}

type Expanded = Result<ExprId, Problem>;

impl Expansion<'_> {
    fn ident(&self, id: ExprId) -> Option<&str> {
        match &self.tree.node(id).kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn problem(&self, at: ExprId, kind: ErrorKind, message: impl Into<String>) -> Problem {
        Problem::at(kind, self.tree.node(at).position, message)
    }

    fn push(&mut self, kind: Kind) -> ExprId {
        self.tree.push(self.position, kind)
    }

    fn literal(&mut self, value: Literal) -> ExprId {
        self.push(Kind::Literal(value))
    }

    fn variable(&mut self, name: &str) -> ExprId {
        self.push(Kind::Ident(name.into()))
    }

    fn accumulator(&mut self) -> ExprId {
        self.variable(ACCUMULATOR)
    }

    fn list_of(&mut self, elements: Vec<ExprId>) -> ExprId {
        let optional = Vec::new();
        self.push(Kind::List { elements, optional })
    }

    fn call(&mut self, function: &str, args: Vec<ExprId>) -> ExprId {
        self.push(Kind::Call {
            function: function.into(),
            target: None,
            args,
        })
    }

    fn member_call(&mut self, function: &str, target: ExprId, args: Vec<ExprId>) -> ExprId {
        self.push(Kind::Call {
            function: function.into(),
            target: Some(target),
            args,
        })
    }

    fn comprehension(&mut self, comprehension: Comprehension) -> ExprId {
        self.push(Kind::Comprehension(Box::new(comprehension)))
    }

    fn has(&mut self, operand: ExprId) -> Expanded {
        let Kind::Select { operand, field, .. } = &self.tree.node(operand).kind else {
            return Err(self.problem(
                operand,
                ErrorKind::Syntax,
                "invalid argument to has() macro: it takes a field selection, as in has(device.attributes[\"driver\"].name)",
            ));
        };
        let (operand, field) = (*operand, field.clone());
        Ok(self.push(Kind::Select {
            operand,
            field,
            test_only: true,
        }))
    }
}
