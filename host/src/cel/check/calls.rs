//! Calls: which overloads the arguments fit, and what comes of them.

use super::names::qualified_name;
use super::{Checker, Reference};
use crate::cel::ErrorKind;
use crate::cel::ast::{ExprId, Kind, Literal, operator};
use crate::cel::declarations::Overload;
use crate::cel::suggest::closest;
use crate::cel::types::Type;

impl Checker {
    pub(super) fn check_call(
        &mut self,
        id: ExprId,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Type {
        if let (operator::OPT_SELECT, None, [operand, field]) = (function, target, args)
            && let Kind::Literal(Literal::String(field)) = self.ast.kind(*field).clone()
        {
            let ty = self.check_field(id, *operand, &field, true);
            let overloads = vec!["select_optional_field"];
            self.set_reference(id, Reference::Overloads(overloads));
            return self.unifier.resolve(&ty);
        }
        for arg in args {
            self.check(*arg);
        }
        let Some(target) = target else {
            return match self.declarations.function(function) {
                Some((name, overloads)) => self.call_global(id, name, overloads, args),
                None => self.undeclared_function(id, function),
            };
        };
        if let Some(namespace) = qualified_name(&self.ast, target)
            && let Some((name, overloads)) = self
                .declarations
                .function(&format!("{namespace}.{function}"))
        {
            return self.call_global(id, name, overloads, args);
        }
        self.check(target);
        match self.declarations.function(function) {
            Some((name, overloads)) => {
                let all: Vec<ExprId> = [target].into_iter().chain(args.iter().copied()).collect();
                self.resolve_overload(id, name, overloads, true, &all)
            }
            None => self.undeclared_function(id, function),
        }
    }

    pub(super) fn undeclared_function(&mut self, id: ExprId, function: &str) -> Type {
        let suggestion = match function {
            "includes" => Some("it needs the feature gate DRAListTypeAttributes".to_owned()),
            _ => closest(function, self.declarations.function_names())
                .map(|known| format!("did you mean '{known}'?")),
        };
        self.undeclared(id, function, suggestion)
    }

    pub(super) fn call_global(
        &mut self,
        id: ExprId,
        name: &'static str,
        overloads: &'static [Overload],
        args: &[ExprId],
    ) -> Type {
        self.ast.replace(
            id,
            Kind::Call {
                function: name.into(),
                target: None,
                args: args.to_vec(),
            },
        );
        self.resolve_overload(id, name, overloads, false, args)
    }

    /// The type of a call, by the overloads that its arguments fit. For a member call the target
    /// is the first argument.
    pub(super) fn resolve_overload(
        &mut self,
        id: ExprId,
        name: &str,
        overloads: &'static [Overload],
        member: bool,
        args: &[ExprId],
    ) -> Type {
        let arg_types: Vec<Type> = args.iter().map(|arg| self.type_of(*arg).clone()).collect();
        if matches!(name, operator::LOGICAL_AND | operator::LOGICAL_OR) {
            return self.check_logical(id, overloads, args, &arg_types);
        }
        let mut candidates = Vec::new();
        let mut result: Option<Type> = None;
        for overload in overloads
            .iter()
            .filter(|overload| overload.member == member)
        {
            let mut variables: [Option<Type>; 4] = [const { None }; 4];
            let unifier = &mut self.unifier;
            let mut variable = |number: u8| match variables.get_mut(usize::from(number)) {
                Some(slot) => slot.get_or_insert_with(|| unifier.fresh()).clone(),
                None => Type::Dyn,
            };
            let wanted: Vec<Type> = overload
                .args
                .iter()
                .map(|shape| shape.instantiate(&mut variable))
                .collect();
            let overload_result = overload.result.instantiate(&mut variable);
            let pairs: Vec<_> = arg_types.iter().zip(&wanted).collect();
            if arg_types.len() != wanted.len() || !self.unifier.all_assignable(&pairs) {
                continue;
            }
            candidates.push(overload.id);
            let overload_result = self.unifier.resolve(&overload_result);
            result = Some(match result {
                None => overload_result,
                Some(first) if first.is_dyn() || first == overload_result => first,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let shown: Vec<String> = arg_types
                .iter()
                .map(|ty| self.unifier.settle(ty).shown().to_string())
                .collect();
            let signature = match shown.split_first() {
                Some((target, rest)) if member => format!("{target}.({})", rest.join(", ")),
                _ => format!("({})", shown.join(", ")),
            };
            let message =
                format!("found no matching overload for '{name}' applied to '{signature}'");
            self.report(id, ErrorKind::Type, message);
            return Type::Error;
        };
        self.set_reference(id, Reference::Overloads(candidates));
        result
    }

    pub(super) fn check_logical(
        &mut self,
        id: ExprId,
        overloads: &'static [Overload],
        args: &[ExprId],
        arg_types: &[Type],
    ) -> Type {
        let mut result = Type::Bool;
        for (arg, ty) in args.iter().zip(arg_types) {
            if !self.unifier.is_assignable(ty, &Type::Bool) {
                self.mismatch(*arg, &Type::Bool, ty);
                result = Type::Error;
            }
        }
        let ids = overloads.iter().map(|overload| overload.id).collect();
        self.set_reference(id, Reference::Overloads(ids));
        result
    }
}
