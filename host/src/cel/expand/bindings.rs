//! Macros that give a value a name: `cel.bind`, `optMap`, `optFlatMap`.

use super::{Expanded, Expansion};
use crate::cel::ErrorKind;
use crate::cel::ast::{Comprehension, ExprId, Literal, UNUSED_ITERATION_VARIABLE, operator};
use crate::cel::source::Problem;

impl Expansion<'_> {
    /// `result` with `name` standing for `init`.
    pub(super) fn binding(&mut self, name: &str, init: ExprId, result: ExprId) -> ExprId {
        let nothing = self.list_of(Vec::new());
        let never = self.literal(Literal::Bool(false));
        let same = self.variable(name);
        self.comprehension(Comprehension {
            iter_range: nothing,
            iter_var: UNUSED_ITERATION_VARIABLE.into(),
            iter_var2: None,
            accu_var: name.into(),
            accu_init: init,
            loop_condition: never,
            loop_step: same,
            result,
        })
    }

    pub(super) fn bind(&mut self, var: ExprId, init: ExprId, result: ExprId) -> Expanded {
        let message = "cel.bind() variable names must be simple identifiers";
        let name = self.bound_name(var, message)?;
        Ok(self.binding(&name, init, result))
    }

    pub(super) fn bound_name(&self, var: ExprId, not_a_name: &str) -> Result<Box<str>, Problem> {
        match self.ident(var) {
            Some(name) => Ok(name.into()),
            None => Err(self.problem(var, ErrorKind::Syntax, not_a_name)),
        }
    }

    pub(super) fn opt_map(&mut self, optional: ExprId, var: ExprId, value: ExprId) -> Expanded {
        let message = "optMap() variable name must be a simple identifier";
        let bound = self.with_value(optional, var, value, message)?;
        let some = self.call("optional.of", vec![bound]);
        Ok(self.if_present(optional, some))
    }

    pub(super) fn opt_flat_map(
        &mut self,
        optional: ExprId,
        var: ExprId,
        value: ExprId,
    ) -> Expanded {
        let message = "optFlatMap() variable name must be a simple identifier";
        let bound = self.with_value(optional, var, value, message)?;
        Ok(self.if_present(optional, bound))
    }

    pub(super) fn with_value(
        &mut self,
        optional: ExprId,
        var: ExprId,
        value: ExprId,
        not_a_name: &str,
    ) -> Expanded {
        let name = self.bound_name(var, not_a_name)?;
        let again = self.copy(optional);
        let inner = self.member_call("value", again, Vec::new());
        Ok(self.binding(&name, inner, value))
    }

    pub(super) fn if_present(&mut self, optional: ExprId, then: ExprId) -> ExprId {
        let present = self.member_call("hasValue", optional, Vec::new());
        let none = self.call("optional.none", Vec::new());
        self.call(operator::CONDITIONAL, vec![present, then, none])
    }
}
