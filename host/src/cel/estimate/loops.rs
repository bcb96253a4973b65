//! Loops, and the bindings that look like loops.

use super::place::Step;
use super::range::Range;
use super::{Estimator, Local, set};
use crate::cel::ast::{Comprehension, ExprId, Kind, Literal};
use crate::cel::types::Type;

/// The part of a loop's range that a variable takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Key,
    Value,
    /// The element of a list, the key of a map.
    Either,
}

impl<'c> Estimator<'c> {
    /// Whether the loop only gives a name to a value, as `cel.bind` does.
    pub(super) fn is_binding(&self, comprehension: &Comprehension) -> bool {
        let range = self.checked.ast.kind(comprehension.iter_range);
        let condition = self.checked.ast.kind(comprehension.loop_condition);
        matches!(range, Kind::List { elements, .. } if elements.is_empty())
            && *condition == Kind::Literal(Literal::Bool(false))
            && *comprehension.accu_var != *"__result__"
    }

    pub(super) fn binding(&mut self, id: ExprId, comprehension: &'c Comprehension) -> Range {
        let mut sum = self.cost(comprehension.iter_range);
        sum = sum.plus(self.cost(comprehension.accu_init));
        self.push_accumulator(comprehension);
        sum = sum.plus(self.cost(comprehension.result));
        self.locals.pop();
        self.copy_sizes(id, comprehension.result);
        sum
    }

    fn push_accumulator(&mut self, comprehension: &'c Comprehension) {
        let init = comprehension.accu_init;
        let local = Local {
            name: &comprehension.accu_var,
            path: self.path(init),
            size: self.size(init),
            entries: self.entries(init),
        };
        self.locals.push(local);
    }

    fn push_iteration(&mut self, name: &'c str, range: ExprId, takes: Takes) {
        let entries = self.entries(range);
        let is_list = match entries {
            Some(entries) => entries.is_list,
            None => matches!(self.checked.type_of(range), Type::List(_)),
        };
        let key = entries.map(|entries| entries.key);
        let value = entries.map(|entries| entries.value);
        let (step, size) = match (takes, is_list) {
            (Takes::Value, _) | (Takes::Either, true) => (Step::Elements, value),
            (Takes::Key, true) => (Step::Indices, key),
            (Takes::Key | Takes::Either, false) => (Step::Keys, key),
        };
        let local = Local {
            name,
            path: self.stepped(range, step),
            size,
            entries: None,
        };
        self.locals.push(local);
    }

    pub(super) fn comprehension(&mut self, id: ExprId, comprehension: &'c Comprehension) -> Range {
        let range = comprehension.iter_range;
        let mut sum = self.cost(range);
        sum = sum.plus(self.cost(comprehension.accu_init));
        self.push_accumulator(comprehension);
        let outside = self.locals.len();
        match &comprehension.iter_var2 {
            Some(second) => {
                self.push_iteration(&comprehension.iter_var, range, Takes::Key);
                self.push_iteration(second, range, Takes::Value);
            }
            None => self.push_iteration(&comprehension.iter_var, range, Takes::Either),
        }
        let condition = self.cost(comprehension.loop_condition);
        let step = self.cost(comprehension.loop_step);
        self.locals.truncate(outside);
        sum = sum.plus(self.cost(comprehension.result));
        self.locals.pop();

        let count = self.size_or_unknown(range);
        sum = sum.plus(count.times(step.plus(condition)));
        match self.checked.ast.kind(comprehension.accu_init) {
            Kind::Literal(_) => {
                let size = self.size(comprehension.accu_init);
                set(&mut self.sizes, id, size);
            }
            Kind::List { .. } | Kind::Map(_) => {
                set(&mut self.sizes, id, Some(count));
                if let Some(entries) = self.entries(comprehension.loop_step) {
                    set(&mut self.entries, id, Some(entries));
                }
            }
            _ => {}
        }
        sum
    }
}
