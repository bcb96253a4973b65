//! What names mean: variables, types, fields.

use super::{Checker, Reference};
use crate::cel::ErrorKind;
use crate::cel::ast::{Ast, ExprId, Kind};
use crate::cel::suggest::closest;
use crate::cel::types::{Object, Type};

impl Checker {
    pub(super) fn local(&self, name: &str) -> Option<&Type> {
        let mut innermost_first = self.locals.iter().rev();
        innermost_first
            .find(|(local, _)| **local == *name)
            .map(|(_, ty)| ty)
    }

    /// What a global name means.
    pub(super) fn global(&self, name: &str) -> Option<(Reference, Type)> {
        if name == "device" {
            return Some((Reference::Device, Type::Object(Object::Device)));
        }
        let named = self.declarations.type_named(name)?;
        Some((Reference::Type(named.clone()), Type::type_of(named)))
    }

    pub(super) fn check_ident(&mut self, id: ExprId, name: &str) -> Type {
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

    pub(super) fn check_select(
        &mut self,
        id: ExprId,
        operand: ExprId,
        field: &str,
        test_only: bool,
    ) -> Type {
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
    pub(super) fn qualified(&self, name: &str) -> Option<(Reference, Type)> {
        let first = name.split('.').next().unwrap_or_default();
        if self.local(first).is_some() {
            return None;
        }
        self.global(name.strip_prefix('.').unwrap_or(name))
    }

    /// The type of a field of the operand; errors point at `id`.
    pub(super) fn check_field(
        &mut self,
        id: ExprId,
        operand: ExprId,
        field: &str,
        optional: bool,
    ) -> Type {
        self.check(operand);
        let operand_type = self.unifier.resolve(&self.type_of(operand).clone());
        let (target, was_optional) = operand_type.unwrap_optional();
        let ty = match target {
            Type::Map(_, value) => Type::clone(value),
            Type::Object(Object::Device) => match self.declarations.device_field(field) {
                Some(ty) => ty,
                None => {
                    let hint = device_field_hint(field)
                        .unwrap_or_else(|| {
                        format!("attributes are found under a domain, as in device.attributes[\"driver.example.com\"].{field}")
                    });
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
}

/// The names of a chain of selections that starts with an identifier, joined by dots.
pub(super) fn qualified_name(ast: &Ast, id: ExprId) -> Option<String> {
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

/// What to write instead of a name that means nothing where it stands.
fn device_field_hint(name: &str) -> Option<String> {
    if name == "allowMultipleAllocations" {
        return Some("it needs the feature gate DRAConsumableCapacity".to_owned());
    }
    let fields = [
        "driver",
        "attributes",
        "capacity",
        "allowMultipleAllocations",
    ];
    let field = closest(name, fields.into_iter())?;
    Some(format!("did you mean 'device.{field}'?"))
}
