//! `matchAttribute` and `distinctAttribute`: what the devices chosen so far have in common, or hold.

use smallvec::SmallVec;

use super::Search;
use crate::allocator::attributes::Value;

/// What a constraint remembers, one entry a device, so that going back is dropping the last.
#[derive(Default)]
pub(super) struct ConstraintState {
    pub(super) held: SmallVec<[Held; 8]>,
}

/// For `matchAttribute` the values common to all devices so far, for `distinctAttribute` those of
/// one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    One(u32),
    Many(SmallVec<[u32; 4]>),
    /// A value of unknown type, which equals nothing.
    Opaque,
}

impl Held {
    pub(super) fn elements(&self) -> &[u32] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
            Self::Opaque => &[],
        }
    }
}

impl ConstraintState {
    /// Adds a device's value, if the constraint allows it beside those held.
    fn add(&mut self, distinct: bool, lists: bool, value: Value<'_>) -> bool {
        let new = match value {
            Value::Missing => return false,
            // Without the gate for lists upstream takes any value for a first one.
            Value::Unknown if lists || !self.held.is_empty() => return false,
            Value::Unknown => Held::Opaque,
            Value::One(one) => Held::One(one),
            Value::Many(many) => Held::Many(many.into()),
        };
        if distinct {
            let clash = |held: &Held| {
                held.elements()
                    .iter()
                    .any(|one| new.elements().contains(one))
            };
            if self.held.iter().any(clash) {
                return false;
            }
            self.held.push(new);
            return true;
        }
        let next = match (self.held.last(), new) {
            (None, new) => new,
            (Some(Held::One(held)), Held::One(new)) if *held == new => Held::One(new),
            (Some(Held::One(_)), Held::One(_)) => return false,
            (Some(held), new) => {
                let common: SmallVec<[u32; 4]> = (held.elements().iter().copied())
                    .filter(|one| new.elements().contains(one))
                    .collect();
                match common.as_slice() {
                    [] => return false,
                    [one] => Held::One(*one),
                    _ => Held::Many(common),
                }
            }
        };
        self.held.push(next);
        true
    }
}

impl Search<'_> {
    /// Adds a device to all constraints of a variant, or to none.
    pub(super) fn constrain(&mut self, variant: usize, position: u32) -> bool {
        let asked = &self.plan.variants[variant];
        let lists = self.allocator.features.list_type_attributes;
        let device = self.view.devices[position as usize];
        let claim = &self.plan.claims[asked.claim];
        let states = &mut self.claims[asked.claim].constraints;
        for (added, index) in asked.constraints.iter().enumerate() {
            let constraint = &claim.constraints[*index];
            let value = constraint.column.value(device);
            if !states[*index].add(constraint.distinct, lists, value) {
                for index in &asked.constraints[..added] {
                    states[*index].held.pop();
                }
                return false;
            }
        }
        true
    }

    /// Takes the last device back from the constraints of its variant.
    pub(super) fn unconstrain(&mut self, variant: usize) {
        let asked = &self.plan.variants[variant];
        for index in &asked.constraints {
            self.claims[asked.claim].constraints[*index].held.pop();
        }
    }
}
