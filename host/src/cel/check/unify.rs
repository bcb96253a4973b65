//! Type variables and what may be assigned to what, as cel-go decides it.
//!
//! Which variable is bound to what depends on the order of questions, so the order here is
//! cel-go's. Types can double with every `cel.bind`; work is therefore counted, and beyond a bound
//! that no sane expression meets everything is let through and [`Unifier::exhausted`] says so.

use std::sync::Arc;

use crate::cel::types::Type;

/// Types looked at while one expression is checked.
const MOST_STEPS: u32 = 5_000_000;

/// The parts a type may have.
const LARGEST_TYPE: u32 = 2_000;

/// The type variables of one expression.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    bindings: Vec<Option<Type>>,
    /// Bindings replaced by the question being answered, to be put back if the answer is no.
    trail: Vec<(u32, Option<Type>)>,
    steps: u32,
}

impl Unifier {
    /// A variable bound to nothing.
    pub(super) fn fresh(&mut self) -> Type {
        let number = u32::try_from(self.bindings.len()).unwrap_or(u32::MAX);
        self.bindings.push(None);
        Type::Variable(number)
    }

    /// Whether the expression's types took more work than is spent on one.
    pub(super) fn exhausted(&self) -> bool {
        self.steps > MOST_STEPS
    }

    /// Counts one step; false if there have been too many.
    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_add(1);
        !self.exhausted()
    }

    /// Gives the work up if the type has too many parts.
    pub(super) fn sized(&mut self, ty: Type) -> Type {
        let mut left = LARGEST_TYPE;
        if fits(&ty, &mut left) {
            return ty;
        }
        self.steps = u32::MAX;
        Type::Error
    }

    /// Whether `from` may stand where `to` is wanted. Binds variables if so, else changes nothing.
    pub(super) fn is_assignable(&mut self, to: &Type, from: &Type) -> bool {
        self.all_assignable(&[(to, from)])
    }

    /// The same for several pairs that share their variables.
    pub(super) fn all_assignable(&mut self, pairs: &[(&Type, &Type)]) -> bool {
        self.trail.clear();
        let fit = pairs.iter().all(|(to, from)| self.assignable(to, from));
        if !fit {
            for (number, old) in self.trail.drain(..).rev() {
                if let Some(binding) = self.bindings.get_mut(number as usize) {
                    *binding = old;
                }
            }
        }
        fit
    }

    fn assignable(&mut self, to: &Type, from: &Type) -> bool {
        if !self.step() {
            return true;
        }
        if let Type::Variable(number) = from {
            match self.substitutes(to, *number) {
                Substitution::Fits => return true,
                Substitution::Conflicts => return false,
                Substitution::Circular => {}
            }
        }
        if let Type::Variable(number) = to {
            return self.substitutes(from, *number) == Substitution::Fits;
        }
        if to.is_dyn_or_error() || from.is_dyn_or_error() {
            return true;
        }
        match (to, from) {
            (Type::Null, other) | (other, Type::Null) => is_nullable(other),
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(to), Type::List(from)) | (Type::Optional(to), Type::Optional(from)) => {
                self.assignable(to, from)
            }
            (Type::Map(to_key, to_value), Type::Map(from_key, from_value)) => {
                self.assignable(to_key, from_key) && self.assignable(to_value, from_value)
            }
            _ => to == from,
        }
    }

    /// Whether `ty` may stand for the variable; binds it to the more general of the two.
    fn substitutes(&mut self, ty: &Type, variable: u32) -> Substitution {
        if *ty == Type::Variable(variable) {
            return Substitution::Fits;
        }
        let Some(bound) = self.binding(variable).cloned() else {
            if self.occurs(variable, ty) {
                return Substitution::Circular;
            }
            self.bind(variable, ty.clone());
            return Substitution::Fits;
        };
        if *ty == bound {
            return Substitution::Fits;
        }
        if !self.assignable(ty, &bound) {
            return Substitution::Conflicts;
        }
        let general = most_general(ty, &bound).clone();
        if !self.occurs(variable, &general) {
            self.bind(variable, general);
        }
        Substitution::Fits
    }

    fn binding(&self, variable: u32) -> Option<&Type> {
        self.bindings.get(variable as usize)?.as_ref()
    }

    fn bind(&mut self, variable: u32, ty: Type) {
        let ty = self.sized(ty);
        if let Some(binding) = self.bindings.get_mut(variable as usize) {
            self.trail.push((variable, binding.replace(ty)));
        }
    }

    /// Whether the variable is part of the type.
    fn occurs(&mut self, variable: u32, within: &Type) -> bool {
        if !self.step() {
            return false;
        }
        match within {
            Type::Variable(other) if *other == variable => true,
            Type::Variable(other) => match self.binding(*other).cloned() {
                Some(bound) => self.occurs(variable, &bound),
                None => false,
            },
            _ => within
                .parameters()
                .into_iter()
                .flatten()
                .any(|parameter| self.occurs(variable, parameter)),
        }
    }

    /// The type with its variables replaced by what they are bound to.
    pub(super) fn resolve(&mut self, ty: &Type) -> Type {
        self.substitute(ty, false)
    }

    /// The same, with `dyn` for variables bound to nothing.
    pub(super) fn settle(&mut self, ty: &Type) -> Type {
        self.substitute(ty, true)
    }

    fn substitute(&mut self, ty: &Type, settle: bool) -> Type {
        if !self.step() {
            return Type::Error;
        }
        let mut within = |part: &Arc<Type>| Arc::new(self.substitute(part, settle));
        match ty {
            Type::List(element) => Type::List(within(element)),
            Type::Map(key, value) => {
                let key = within(key);
                Type::Map(key, within(value))
            }
            Type::Optional(value) => Type::Optional(within(value)),
            Type::Type(Some(of)) => Type::Type(Some(within(of))),
            Type::Variable(variable) => match self.binding(*variable).cloned() {
                Some(bound) => self.substitute(&bound, settle),
                None if settle => Type::Dyn,
                None => ty.clone(),
            },
            plain => plain.clone(),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Substitution {
    Fits,
    /// The variable is bound to something else.
    Conflicts,
    /// The variable is free, but part of the type.
    Circular,
}

/// Counts the type's parts down from `left`; false if there are more.
fn fits(ty: &Type, left: &mut u32) -> bool {
    let Some(less) = left.checked_sub(1) else {
        return false;
    };
    *left = less;
    ty.parameters()
        .into_iter()
        .flatten()
        .all(|parameter| fits(parameter, left))
}

fn is_nullable(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Null | Type::Optional(_) | Type::Object(_) | Type::Duration | Type::Timestamp
    )
}

/// The less specific of two types of which one may be assigned to the other.
pub(super) fn most_general<'t>(first: &'t Type, second: &'t Type) -> &'t Type {
    if equal_or_less_specific(first, second) {
        first
    } else {
        second
    }
}

fn equal_or_less_specific(first: &Type, second: &Type) -> bool {
    let open = |ty: &Type| ty.is_dyn() || matches!(ty, Type::Variable(_));
    if open(first) {
        return true;
    }
    if open(second) {
        return false;
    }
    match (first, second) {
        (Type::List(first), Type::List(second))
        | (Type::Optional(first), Type::Optional(second)) => equal_or_less_specific(first, second),
        (Type::Map(first_key, first_value), Type::Map(second_key, second_value)) => {
            equal_or_less_specific(first_key, second_key)
                && equal_or_less_specific(first_value, second_value)
        }
        (Type::Type(_), Type::Type(_)) => true,
        _ => first == second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_takes_the_more_general_type() {
        let mut unifier = Unifier::default();
        let variable = unifier.fresh();
        assert!(unifier.is_assignable(&variable, &Type::Int));
        assert!(!unifier.is_assignable(&variable, &Type::String));
        assert_eq!(unifier.resolve(&variable), Type::Int);
        assert!(unifier.is_assignable(&variable, &Type::Dyn));
        assert_eq!(unifier.resolve(&variable), Type::Dyn);
    }

    #[test]
    fn a_refused_question_leaves_no_trace() {
        let mut unifier = Unifier::default();
        let variable = unifier.fresh();
        let pairs = [(&variable, &Type::Int), (&Type::Bool, &Type::String)];
        assert!(!unifier.all_assignable(&pairs));
        assert_eq!(unifier.settle(&variable), Type::Dyn);
    }

    #[test]
    fn no_variable_becomes_part_of_itself() {
        let mut unifier = Unifier::default();
        let variable = unifier.fresh();
        assert!(!unifier.is_assignable(&variable, &Type::list(variable.clone())));
    }

    #[test]
    fn types_that_grow_without_bound_are_given_up() {
        let mut unifier = Unifier::default();
        let mut ty = Type::Int;
        for _ in 0..60 {
            ty = unifier.sized(Type::map(ty.clone(), ty));
        }
        assert!(unifier.exhausted());
    }
}
