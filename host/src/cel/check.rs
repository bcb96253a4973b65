//! The type checker: gives every node its type and every name its meaning.
//!
//! It follows cel-go's checker step by step, so that the same expressions pass and the first error
//! is the same: types are inferred with variables that the order of checks binds, and which
//! overloads stay candidates decides what the static estimate charges.

mod unify;

use super::ErrorKind;
use super::ast::{Ast, Comprehension, Entry, ExprId, Field, Kind, Literal, operator};
use super::declarations::{Declarations, Overload};
use super::source::{Problem, in_order};
use super::suggest::closest;
use super::types::{Object, Type};
use unify::{Unifier, most_general};

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

    /// The candidate overloads of a call.
    pub(crate) fn overloads(&self, id: ExprId) -> &[&'static str] {
        match self.references.get(id.index()) {
            Some(Some(Reference::Overloads(overloads))) => overloads,
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

    fn local(&self, name: &str) -> Option<&Type> {
        let mut innermost_first = self.locals.iter().rev();
        innermost_first
            .find(|(local, _)| **local == *name)
            .map(|(_, ty)| ty)
    }

    /// What a global name means.
    fn global(&self, name: &str) -> Option<(Reference, Type)> {
        if name == "device" {
            return Some((Reference::Device, Type::Object(Object::Device)));
        }
        let named = self.declarations.type_named(name)?;
        Some((Reference::Type(named.clone()), Type::type_of(named)))
    }

    fn check_ident(&mut self, id: ExprId, name: &str) -> Type {
        if let Some(ty) = self.local(name).cloned() {
            self.set_reference(id, Reference::Local);
            return ty;
        }
        let bare = name.strip_prefix('.').unwrap_or(name);
        match self.global(bare) {
            Some((reference, ty)) => {
                self.set_reference(id, reference);
                // Behind a local variable of that name the dot stays, to tell them apart.
                if self.local(bare).is_none() {
                    self.ast.replace(id, Kind::Ident(bare.into()));
                }
                ty
            }
            None => {
                let locals = self.locals.iter().map(|(local, _)| &**local);
                let known = locals.chain(["device"]);
                let suggestion = closest(name, known)
                    .map(|known| format!("did you mean '{known}'?"))
                    .or_else(|| device_field_hint(name));
                self.undeclared(id, name, suggestion)
            }
        }
    }

    fn check_select(&mut self, id: ExprId, operand: ExprId, field: &str, test_only: bool) -> Type {
        if !test_only
            && let Some(name) = qualified_name(&self.ast, id)
            && let Some((reference, ty)) = self.qualified(&name)
        {
            self.set_reference(id, reference);
            self.ast.replace(id, Kind::Ident(name.into()));
            return ty;
        }
        let ty = self.check_field(id, operand, field, false);
        if test_only {
            return Type::Bool;
        }
        self.unifier.resolve(&ty)
    }

    /// What a chain of names means as a whole, unless a local variable stands at its start.
    fn qualified(&self, name: &str) -> Option<(Reference, Type)> {
        let first = name.split('.').next().unwrap_or_default();
        if self.local(first).is_some() {
            return None;
        }
        self.global(name.strip_prefix('.').unwrap_or(name))
    }

    /// The type of a field of the operand; errors point at `id`.
    fn check_field(&mut self, id: ExprId, operand: ExprId, field: &str, optional: bool) -> Type {
        self.check(operand);
        let operand_type = self.unifier.resolve(&self.type_of(operand).clone());
        let (target, was_optional) = operand_type.unwrap_optional();
        let ty = match target {
            Type::Map(_, value) => Type::clone(value),
            Type::Object(Object::Device) => match self.declarations.device_field(field) {
                Some(ty) => ty,
                None => {
                    let hint = device_field_hint(field)
                        .unwrap_or_else(|| "attributes are found under a domain, as in device.attributes[\"driver.example.com\"].name".to_owned());
                    let message = format!("undefined field '{field}': {hint}");
                    self.report(id, ErrorKind::Undeclared, message);
                    Type::Error
                }
            },
            Type::Object(object) if object.is_message() => {
                let message = format!("unexpected failed resolution of '{}'", object.name());
                self.report(id, ErrorKind::Undeclared, message);
                Type::Error
            }
            Type::Variable(_) => {
                self.unifier.is_assignable(&Type::Dyn, target);
                Type::Dyn
            }
            target => {
                if !target.is_dyn_or_error() {
                    let message =
                        format!("type '{}' does not support field selection", target.shown());
                    self.report(id, ErrorKind::Type, message);
                }
                Type::Dyn
            }
        };
        if was_optional || optional {
            Type::optional(ty)
        } else {
            ty
        }
    }

    fn check_call(
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

    fn undeclared_function(&mut self, id: ExprId, function: &str) -> Type {
        let suggestion = closest(function, self.declarations.function_names())
            .map(|known| format!("did you mean '{known}'?"));
        self.undeclared(id, function, suggestion)
    }

    fn call_global(
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
    fn resolve_overload(
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

    fn check_logical(
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

    fn check_list(&mut self, elements: &[ExprId], optional: &[u32]) -> Type {
        let mut joined = None;
        for (index, element) in elements.iter().enumerate() {
            self.check(*element);
            let is_optional = optional.iter().any(|optional| *optional as usize == index);
            let ty = self.element_type(*element, is_optional);
            joined = Some(self.join(joined, ty));
        }
        Type::list(joined.unwrap_or_else(|| self.unifier.fresh()))
    }

    fn check_map(&mut self, entries: &[Entry]) -> Type {
        let (mut key_type, mut value_type) = (None, None);
        for entry in entries {
            self.check(entry.key);
            let ty = self.type_of(entry.key).clone();
            key_type = Some(self.join(key_type, ty));
            self.check(entry.value);
            let ty = self.element_type(entry.value, entry.optional);
            value_type = Some(self.join(value_type, ty));
        }
        let key_type = key_type.unwrap_or_else(|| self.unifier.fresh());
        Type::map(key_type, value_type.unwrap_or_else(|| self.unifier.fresh()))
    }

    /// A message literal. Upstream lets `device`'s type be written so and fails when it is
    /// evaluated; any other message is refused here.
    fn check_struct(&mut self, id: ExprId, type_name: &str, fields: &[Field]) -> Type {
        if type_name.strip_prefix('.').unwrap_or(type_name) != Object::Device.name() {
            return self.undeclared(id, type_name, None);
        }
        for field in fields {
            self.check(field.value);
            let value = self.element_type(field.value, field.optional);
            let Some(wanted) = self.declarations.device_field(&field.name) else {
                let message = format!("undefined field '{}'", field.name);
                self.problems
                    .push(Problem::at(ErrorKind::Undeclared, field.position, message));
                continue;
            };
            if !self.unifier.is_assignable(&wanted, &value) {
                let message = format!(
                    "expected type of field '{}' is '{}' but provided type is '{}'",
                    field.name,
                    wanted.shown(),
                    value.shown()
                );
                self.problems
                    .push(Problem::at(ErrorKind::Type, field.position, message));
            }
        }
        Type::Object(Object::Device)
    }

    /// The type that an element adds to its list or map: for `?e` what is in the optional.
    fn element_type(&mut self, element: ExprId, optional: bool) -> Type {
        let ty = self.type_of(element).clone();
        if !optional {
            return ty;
        }
        let (inner, was_optional) = ty.unwrap_optional();
        if !was_optional && !inner.is_dyn() {
            self.mismatch(element, &Type::optional(inner.clone()), inner);
        }
        inner.clone()
    }

    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else {
            return current;
        };
        if self.unifier.is_assignable(&previous, &current) {
            return most_general(&previous, &current).clone();
        }
        // Where one type is required of all is a matter of validation.
        Type::Dyn
    }

    fn check_comprehension(&mut self, comprehension: &Comprehension) -> Type {
        self.check(comprehension.iter_range);
        self.check(comprehension.accu_init);
        let range = self.type_of(comprehension.iter_range).clone();
        let range = self.unifier.resolve(&range);
        let accumulator = self.type_of(comprehension.accu_init).clone();
        self.locals
            .push((comprehension.accu_var.clone(), accumulator.clone()));

        let two = comprehension.iter_var2.is_some();
        let (first, second) = match &range {
            Type::List(element) if two => (Type::Int, Type::clone(element)),
            Type::List(element) => (Type::clone(element), Type::Error),
            Type::Map(key, value) => (Type::clone(key), Type::clone(value)),
            Type::Dyn | Type::Error | Type::Variable(_) => {
                self.unifier.is_assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                    other.shown()
                );
                self.report(comprehension.iter_range, ErrorKind::Type, message);
                (Type::Error, Type::Error)
            }
        };
        let outside = self.locals.len();
        self.locals.push((comprehension.iter_var.clone(), first));
        if let Some(name) = &comprehension.iter_var2 {
            self.locals.push((name.clone(), second));
        }
        self.check(comprehension.loop_condition);
        self.assert_type(comprehension.loop_condition, &Type::Bool);
        self.check(comprehension.loop_step);
        self.assert_type(comprehension.loop_step, &accumulator);
        self.locals.truncate(outside);
        self.check(comprehension.result);
        self.locals.pop();
        let result = self.type_of(comprehension.result).clone();
        self.unifier.resolve(&result)
    }

    fn assert_type(&mut self, id: ExprId, expected: &Type) {
        let found = self.type_of(id).clone();
        if !self.unifier.is_assignable(expected, &found) {
            self.mismatch(id, expected, &found);
        }
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

/// The names of a chain of selections that starts with an identifier, joined by dots.
fn qualified_name(ast: &Ast, id: ExprId) -> Option<String> {
    let mut names = Vec::new();
    let mut at = id;
    loop {
        match ast.kind(at) {
            Kind::Select {
                operand,
                field,
                test_only: false,
            } => {
                names.push(&**field);
                at = *operand;
            }
            Kind::Ident(name) => {
                names.push(name);
                names.reverse();
                return Some(names.join("."));
            }
            _ => return None,
        }
    }
}

/// The field of `device` that was meant by a name that means nothing where it stands.
fn device_field_hint(name: &str) -> Option<String> {
    let fields = [
        "driver",
        "attributes",
        "capacity",
        "allowMultipleAllocations",
    ];
    let field = closest(name, fields.into_iter())?;
    Some(format!("did you mean 'device.{field}'?"))
}
