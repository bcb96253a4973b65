//! The type checker: gives every node its type and every name its meaning.
//!
//! It follows cel-go's checker step by step, so that the same expressions pass and the first error
//! is the same: types are inferred with variables that the order of checks binds, and which
//! overloads stay candidates decides what the static estimate charges.

mod aggregates;
mod calls;
mod names;
#[cfg(test)]
mod tests;
mod unify;

use super::ErrorKind;
use super::ast::{Ast, ExprId, Kind, Literal};
use super::declarations::Declarations;
use super::source::{Problem, in_order};
use super::types::Type;
use unify::Unifier;

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The tree. Where a chain of selections turned out to be one name, and where the target of a
    /// call turned out to be the function's namespace, the node is now an identifier or a call
    /// without a target.
    pub(crate) ast: Ast,
    /// Each node's type, by [`ExprId::index`]. Unreachable nodes have any.
    pub(crate) types: Vec<Type>,
    /// What names mean, by [`ExprId::index`]; none for nodes that are no names.
    pub(crate) references: Vec<Option<Reference>>,
}

/// What the name in a node means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reference {
    /// A variable that a loop around the node brought: the innermost of that name.
    Local,
    /// The variable `device`.
    Device,
    /// A type as a value.
    Type(Type),
    /// The overloads that a call may come down to: one if the types are known.
    Overloads(Vec<&'static str>),
}

impl Checked {
    /// The node's type.
    pub(crate) fn type_of(&self, id: ExprId) -> &Type {
        self.types.get(id.index()).unwrap_or(&Type::Dyn)
    }

    /// What the node's name means, if it is a name.
    pub(crate) fn reference(&self, id: ExprId) -> Option<&Reference> {
        self.references.get(id.index())?.as_ref()
    }

    /// The candidate overloads of a call.
    pub(crate) fn overloads(&self, id: ExprId) -> &[&'static str] {
        match self.reference(id) {
            Some(Reference::Overloads(overloads)) => overloads,
            _ => &[],
        }
    }
}

/// Checks a parsed expression.
pub(crate) fn check(ast: Ast, declarations: Declarations) -> Result<Checked, Vec<Problem>> {
    let (root, len) = (ast.root(), ast.len());
    let mut checker = Checker {
        ast,
        declarations,
        types: vec![Type::Error; len],
        references: vec![None; len],
        unifier: Unifier::default(),
        locals: Vec::new(),
        problems: Vec::new(),
    };
    checker.check(root);
    for index in 0..len {
        if let Some(ty) = checker.types.get_mut(index) {
            *ty = checker.unifier.settle(ty);
        }
    }
    checker.prefer_types();
    if checker.unifier.exhausted() {
        return Err(vec![Problem::of_the_whole(
            ErrorKind::Type,
            "the types of the expression are too large to be checked: nest fewer maps and variables",
        )]);
    }
    if !checker.problems.is_empty() {
        return Err(in_order(checker.problems));
    }
    Ok(Checked {
        ast: checker.ast,
        types: checker.types,
        references: checker.references,
    })
}

struct Checker {
    ast: Ast,
    declarations: Declarations,
    types: Vec<Type>,
    references: Vec<Option<Reference>>,
    unifier: Unifier,
    /// Variables of the loops around the node, outermost first.
    locals: Vec<(Box<str>, Type)>,
    problems: Vec<Problem>,
}

impl Checker {
    /// Nesting is bounded by the parser, so is this recursion.
    fn check(&mut self, id: ExprId) {
        // The tree is rewritten while it is walked: take what is to be looked at out of it.
        let kind = self.ast.kind(id).clone();
        let ty = match kind {
            Kind::Literal(literal) => literal_type(&literal),
            Kind::Ident(name) => self.check_ident(id, &name),
            Kind::Select {
                operand,
                field,
                test_only,
            } => self.check_select(id, operand, &field, test_only),
            Kind::Call {
                function,
                target,
                args,
            } => self.check_call(id, &function, target, &args),
            Kind::List { elements, optional } => self.check_list(&elements, &optional),
            Kind::Map(entries) => self.check_map(&entries),
            Kind::Struct { type_name, fields } => self.check_struct(id, &type_name, &fields),
            Kind::Comprehension(comprehension) => self.check_comprehension(&comprehension),
        };
        let ty = self.unifier.sized(ty);
        if let Some(slot) = self.types.get_mut(id.index()) {
            *slot = ty;
        }
    }

    /// Where a variable is named like a type and its value is a type, upstream takes the name.
    fn prefer_types(&mut self) {
        for (id, node) in self.ast.iter() {
            if let (Kind::Ident(name), Some(Type::Type(_)), Some(slot)) = (
                &node.kind,
                self.types.get(id.index()),
                self.references.get_mut(id.index()),
            ) && let Some(named) = self.declarations.type_named(name)
            {
                *slot = Some(Reference::Type(named));
            }
        }
    }

    fn type_of(&self, id: ExprId) -> &Type {
        self.types.get(id.index()).unwrap_or(&Type::Error)
    }

    fn set_reference(&mut self, id: ExprId, reference: Reference) {
        if let Some(slot) = self.references.get_mut(id.index()) {
            *slot = Some(reference);
        }
    }

    fn report(&mut self, at: ExprId, kind: ErrorKind, message: String) {
        let position = self.ast.node(at).position;
        self.problems.push(Problem::at(kind, position, message));
    }

    fn undeclared(&mut self, at: ExprId, name: &str, suggestion: Option<String>) -> Type {
        let hint = suggestion.map_or(String::new(), |hint| format!(": {hint}"));
        let message = format!("undeclared reference to '{name}' (in container ''){hint}");
        self.report(at, ErrorKind::Undeclared, message);
        Type::Error
    }

    fn mismatch(&mut self, at: ExprId, expected: &Type, found: &Type) {
        let message = format!(
            "expected type '{}' but found '{}'",
            expected.shown(),
            found.shown()
        );
        self.report(at, ErrorKind::Type, message);
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
