//! Lists, maps, messages and loops.

use super::Checker;
use super::unify::most_general;
use crate::cel::ErrorKind;
use crate::cel::ast::{Comprehension, Entry, ExprId, Field};
use crate::cel::source::Problem;
use crate::cel::types::{Object, Type};

impl Checker {
    pub(super) fn check_list(&mut self, elements: &[ExprId], optional: &[u32]) -> Type {
        let mut joined = None;
        for (index, element) in elements.iter().enumerate() {
            self.check(*element);
            let is_optional = optional.iter().any(|optional| *optional as usize == index);
            let ty = self.element_type(*element, is_optional);
            joined = Some(self.join(joined, ty));
        }
        Type::list(joined.unwrap_or_else(|| self.unifier.fresh()))
    }

    pub(super) fn check_map(&mut self, entries: &[Entry]) -> Type {
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
    pub(super) fn check_struct(&mut self, id: ExprId, type_name: &str, fields: &[Field]) -> Type {
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
    pub(super) fn element_type(&mut self, element: ExprId, optional: bool) -> Type {
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

    pub(super) fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else {
            return current;
        };
        if self.unifier.is_assignable(&previous, &current) {
            return most_general(&previous, &current).clone();
        }
        // Where one type is required of all is a matter of validation.
        Type::Dyn
    }

    pub(super) fn check_comprehension(&mut self, comprehension: &Comprehension) -> Type {
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

    pub(super) fn assert_type(&mut self, id: ExprId, expected: &Type) {
        let found = self.type_of(id).clone();
        if !self.unifier.is_assignable(expected, &found) {
            self.mismatch(id, expected, &found);
        }
    }
}
