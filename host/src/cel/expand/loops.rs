//! Macros that loop: quantifiers, transformations, sorting.

use super::{Expanded, Expansion, MAP_INSERT, SORT_BY_ASSOCIATED_KEYS};
use crate::cel::ErrorKind;
use crate::cel::ast::{ACCUMULATOR, Comprehension, ExprId, Kind, Literal, operator};
use crate::cel::source::Problem;

const SORT_BY_INPUT: &str = "@__sortBy_input__";

/// The accumulator's name before it was hidden, still refused as a variable.
const OLD_ACCUMULATOR: &str = "__result__";

impl Expansion<'_> {
    /// The names of one or two iteration variables.
    fn variables(&self, vars: &[ExprId], not_a_name: Problem) -> Result<Variables, Problem> {
        let mut names: Vec<Box<str>> = Vec::with_capacity(vars.len());
        for var in vars {
            let Some(name) = self.ident(*var) else {
                return Err(Problem {
                    position: Some(self.tree.node(*var).position),
                    ..not_a_name
                });
            };
            names.push(name.into());
        }
        if let ([first, second], [_, var]) = (names.as_slice(), vars)
            && first == second
        {
            let message = format!("duplicate variable name: {first}");
            return Err(self.problem(*var, ErrorKind::Syntax, message));
        }
        let overwrites = |name: &str| matches!(name, ACCUMULATOR | OLD_ACCUMULATOR);
        if let Some((_, var)) = names.iter().zip(vars).find(|(name, _)| overwrites(name)) {
            return Err(self.problem(
                *var,
                ErrorKind::InvalidArgument,
                "iteration variable overwrites accumulator variable",
            ));
        }
        let mut names = names.into_iter();
        Ok(Variables {
            first: names.next().unwrap_or_default(),
            second: names.next(),
        })
    }

    /// A loop with the standard accumulator.
    fn fold(&mut self, range: ExprId, variables: Variables, fold: Fold) -> ExprId {
        self.comprehension(Comprehension {
            iter_range: range,
            iter_var: variables.first,
            iter_var2: variables.second,
            accu_var: ACCUMULATOR.into(),
            accu_init: fold.init,
            loop_condition: fold.condition,
            loop_step: fold.step,
            result: fold.result,
        })
    }

    pub(super) fn all(&mut self, range: ExprId, vars: &[ExprId], predicate: ExprId) -> Expanded {
        let variables = self.variables(vars, simple_name())?;
        let init = self.literal(Literal::Bool(true));
        let so_far = self.accumulator();
        let condition = self.call(operator::NOT_STRICTLY_FALSE, vec![so_far]);
        let so_far = self.accumulator();
        let step = self.call(operator::LOGICAL_AND, vec![so_far, predicate]);
        let result = self.accumulator();
        Ok(self.fold(
            range,
            variables,
            Fold {
                init,
                condition,
                step,
                result,
            },
        ))
    }

    pub(super) fn exists(&mut self, range: ExprId, vars: &[ExprId], predicate: ExprId) -> Expanded {
        let variables = self.variables(vars, simple_name())?;
        let init = self.literal(Literal::Bool(false));
        let so_far = self.accumulator();
        let not_yet = self.call(operator::LOGICAL_NOT, vec![so_far]);
        let condition = self.call(operator::NOT_STRICTLY_FALSE, vec![not_yet]);
        let so_far = self.accumulator();
        let step = self.call(operator::LOGICAL_OR, vec![so_far, predicate]);
        let result = self.accumulator();
        Ok(self.fold(
            range,
            variables,
            Fold {
                init,
                condition,
                step,
                result,
            },
        ))
    }

    pub(super) fn exists_one(
        &mut self,
        range: ExprId,
        vars: &[ExprId],
        predicate: ExprId,
    ) -> Expanded {
        let variables = self.variables(vars, simple_name())?;
        let init = self.literal(Literal::Int(0));
        let condition = self.literal(Literal::Bool(true));
        let (so_far, one) = (self.accumulator(), self.literal(Literal::Int(1)));
        let counted = self.call(operator::ADD, vec![so_far, one]);
        let so_far = self.accumulator();
        let step = self.call(operator::CONDITIONAL, vec![predicate, counted, so_far]);
        let (count, one) = (self.accumulator(), self.literal(Literal::Int(1)));
        let result = self.call(operator::EQUALS, vec![count, one]);
        Ok(self.fold(
            range,
            variables,
            Fold {
                init,
                condition,
                step,
                result,
            },
        ))
    }

    /// `map`, `filter` and `transformList`: a list of what `value` is for the elements that pass.
    pub(super) fn list(
        &mut self,
        range: ExprId,
        vars: &[ExprId],
        filter: Option<ExprId>,
        value: ExprId,
    ) -> Expanded {
        let not_a_name = match vars {
            [_] => {
                Problem::of_the_whole(ErrorKind::InvalidArgument, "argument is not an identifier")
            }
            _ => simple_name(),
        };
        let variables = self.variables(vars, not_a_name)?;
        let init = self.list_of(Vec::new());
        let condition = self.literal(Literal::Bool(true));
        let (so_far, new) = (self.accumulator(), self.list_of(vec![value]));
        let step = self.call(operator::ADD, vec![so_far, new]);
        let step = self.filtered(filter, step);
        let result = self.accumulator();
        Ok(self.fold(
            range,
            variables,
            Fold {
                init,
                condition,
                step,
                result,
            },
        ))
    }

    /// `transformMap` (values under the same keys) and `transformMapEntry` (whole entries).
    pub(super) fn map(
        &mut self,
        range: ExprId,
        vars: [ExprId; 2],
        filter: Option<ExprId>,
        value: ExprId,
        same_keys: bool,
    ) -> Expanded {
        let variables = self.variables(&vars, simple_name())?;
        let init = self.push(Kind::Map(Vec::new()));
        let condition = self.literal(Literal::Bool(true));
        let mut args = vec![self.accumulator()];
        if same_keys {
            args.push(self.variable(&variables.first));
        }
        args.push(value);
        let step = self.call(MAP_INSERT, args);
        let step = self.filtered(filter, step);
        let result = self.accumulator();
        Ok(self.fold(
            range,
            variables,
            Fold {
                init,
                condition,
                step,
                result,
            },
        ))
    }

    fn filtered(&mut self, filter: Option<ExprId>, step: ExprId) -> ExprId {
        let Some(filter) = filter else {
            return step;
        };
        let unchanged = self.accumulator();
        self.call(operator::CONDITIONAL, vec![filter, step, unchanged])
    }

    pub(super) fn sort_by(&mut self, list: ExprId, var: ExprId, key: ExprId) -> Expanded {
        if !matches!(
            self.tree.node(list).kind,
            Kind::List { .. }
                | Kind::Select { .. }
                | Kind::Ident(_)
                | Kind::Comprehension(_)
                | Kind::Call { .. }
        ) {
            return Err(self.problem(
                list,
                ErrorKind::InvalidArgument,
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
            ));
        }
        let input = self.variable(SORT_BY_INPUT);
        let keys = self.list(input, &[var], None, key)?;
        let input = self.variable(SORT_BY_INPUT);
        let sorted = self.member_call(SORT_BY_ASSOCIATED_KEYS, input, vec![keys]);
        Ok(self.binding(SORT_BY_INPUT, list, sorted))
    }
}

struct Variables {
    first: Box<str>,
    second: Option<Box<str>>,
}

/// The moving parts of a loop with the standard accumulator.
struct Fold {
    init: ExprId,
    condition: ExprId,
    step: ExprId,
    result: ExprId,
}

fn simple_name() -> Problem {
    Problem::of_the_whole(ErrorKind::Syntax, "argument must be a simple name")
}
