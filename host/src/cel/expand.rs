//! Macros: calls that stand for other expressions.
//!
//! What each one expands to follows cel-go node by node, since both the static estimate and the
//! run-time account charge for the nodes of the expansion.

use super::ErrorKind;
use super::ast::{
    ACCUMULATOR, Builder, Comprehension, Entry, ExprId, Field, Kind, Literal,
    UNUSED_ITERATION_VARIABLE, operator,
};
use super::source::Problem;

/// Inserts into the map under construction; only macros can call it.
pub(crate) const MAP_INSERT: &str = "cel.@mapInsert";

/// Sorts a list by the keys computed for its elements; only `sortBy` can call it.
pub(crate) const SORT_BY_ASSOCIATED_KEYS: &str = "@sortByAssociatedKeys";

const SORT_BY_INPUT: &str = "@__sortBy_input__";

/// The accumulator's name before it was hidden, still refused as a variable.
const OLD_ACCUMULATOR: &str = "__result__";

/// What the call of `function` stands for, or nothing if it is no macro.
pub(crate) fn expand(
    tree: &mut Builder,
    position: u32,
    function: &str,
    target: Option<ExprId>,
    args: &[ExprId],
) -> Result<Option<ExprId>, Problem> {
    let mut expansion = Expansion { tree, position };
    let expanded = match (function, target, args) {
        ("has", None, [operand]) => expansion.has(*operand),
        ("all", Some(range), [var, predicate]) => expansion.all(range, &[*var], *predicate),
        ("all", Some(range), [i, v, predicate]) => expansion.all(range, &[*i, *v], *predicate),
        ("exists", Some(range), [var, predicate]) => expansion.exists(range, &[*var], *predicate),
        ("exists", Some(range), [i, v, predicate]) => {
            expansion.exists(range, &[*i, *v], *predicate)
        }
        // With one variable it has only the old name: Kubernetes kept cel-go's first set of macros.
        ("exists_one", Some(range), [var, predicate]) => {
            expansion.exists_one(range, &[*var], *predicate)
        }
        ("exists_one" | "existsOne", Some(range), [i, v, predicate]) => {
            expansion.exists_one(range, &[*i, *v], *predicate)
        }
        ("map", Some(range), [var, value]) => expansion.list(range, &[*var], None, *value),
        ("map", Some(range), [var, filter, value]) => {
            expansion.list(range, &[*var], Some(*filter), *value)
        }
        ("filter", Some(range), [var, filter]) => {
            expansion.list(range, &[*var], Some(*filter), *var)
        }
        ("transformList", Some(range), [i, v, value]) => {
            expansion.list(range, &[*i, *v], None, *value)
        }
        ("transformList", Some(range), [i, v, filter, value]) => {
            expansion.list(range, &[*i, *v], Some(*filter), *value)
        }
        ("transformMap", Some(range), [k, v, value]) => {
            expansion.map(range, [*k, *v], None, *value, true)
        }
        ("transformMap", Some(range), [k, v, filter, value]) => {
            expansion.map(range, [*k, *v], Some(*filter), *value, true)
        }
        ("transformMapEntry", Some(range), [k, v, entry]) => {
            expansion.map(range, [*k, *v], None, *entry, false)
        }
        ("transformMapEntry", Some(range), [k, v, filter, entry]) => {
            expansion.map(range, [*k, *v], Some(*filter), *entry, false)
        }
        ("sortBy", Some(list), [var, key]) => expansion.sort_by(list, *var, *key),
        ("bind", Some(namespace), [var, init, result])
            if expansion.ident(namespace) == Some("cel") =>
        {
            expansion.bind(*var, *init, *result)
        }
        ("optMap", Some(optional), [var, value]) => expansion.opt_map(optional, *var, *value),
        ("optFlatMap", Some(optional), [var, value]) => {
            expansion.opt_flat_map(optional, *var, *value)
        }
        _ => return Ok(None),
    };
    expanded.map(Some)
}

struct Expansion<'t> {
    tree: &'t mut Builder,
    /// Where the macro was called: the place of every node it makes.
    position: u32,
}

type Expanded = Result<ExprId, Problem>;

impl Expansion<'_> {
    fn ident(&self, id: ExprId) -> Option<&str> {
        match &self.tree.node(id).kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn problem(&self, at: ExprId, kind: ErrorKind, message: impl Into<String>) -> Problem {
        Problem::at(kind, self.tree.node(at).position, message)
    }

    fn push(&mut self, kind: Kind) -> ExprId {
        self.tree.push(self.position, kind)
    }

    fn literal(&mut self, value: Literal) -> ExprId {
        self.push(Kind::Literal(value))
    }

    fn variable(&mut self, name: &str) -> ExprId {
        self.push(Kind::Ident(name.into()))
    }

    fn accumulator(&mut self) -> ExprId {
        self.variable(ACCUMULATOR)
    }

    fn list_of(&mut self, elements: Vec<ExprId>) -> ExprId {
        let optional = Vec::new();
        self.push(Kind::List { elements, optional })
    }

    fn call(&mut self, function: &str, args: Vec<ExprId>) -> ExprId {
        self.push(Kind::Call {
            function: function.into(),
            target: None,
            args,
        })
    }

    fn member_call(&mut self, function: &str, target: ExprId, args: Vec<ExprId>) -> ExprId {
        self.push(Kind::Call {
            function: function.into(),
            target: Some(target),
            args,
        })
    }

    fn comprehension(&mut self, comprehension: Comprehension) -> ExprId {
        self.push(Kind::Comprehension(Box::new(comprehension)))
    }

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
        let overwrites = |name: &Box<str>| matches!(&**name, ACCUMULATOR | OLD_ACCUMULATOR);
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

    fn has(&mut self, operand: ExprId) -> Expanded {
        let Kind::Select { operand, field, .. } = &self.tree.node(operand).kind else {
            return Err(self.problem(
                operand,
                ErrorKind::Syntax,
                "invalid argument to has() macro: it takes a field selection, as in has(device.attributes[\"driver\"].name)",
            ));
        };
        let (operand, field) = (*operand, field.clone());
        Ok(self.push(Kind::Select {
            operand,
            field,
            test_only: true,
        }))
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

    fn all(&mut self, range: ExprId, vars: &[ExprId], predicate: ExprId) -> Expanded {
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

    fn exists(&mut self, range: ExprId, vars: &[ExprId], predicate: ExprId) -> Expanded {
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

    fn exists_one(&mut self, range: ExprId, vars: &[ExprId], predicate: ExprId) -> Expanded {
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
    fn list(
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
    fn map(
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

    /// `result` with `name` standing for `init`.
    fn binding(&mut self, name: &str, init: ExprId, result: ExprId) -> ExprId {
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

    fn bind(&mut self, var: ExprId, init: ExprId, result: ExprId) -> Expanded {
        let message = "cel.bind() variable names must be simple identifiers";
        let name = self.bound_name(var, message)?;
        Ok(self.binding(&name, init, result))
    }

    fn bound_name(&self, var: ExprId, not_a_name: &str) -> Result<Box<str>, Problem> {
        match self.ident(var) {
            Some(name) => Ok(name.into()),
            None => Err(self.problem(var, ErrorKind::Syntax, not_a_name)),
        }
    }

    fn sort_by(&mut self, list: ExprId, var: ExprId, key: ExprId) -> Expanded {
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

    fn opt_map(&mut self, optional: ExprId, var: ExprId, value: ExprId) -> Expanded {
        let message = "optMap() variable name must be a simple identifier";
        let bound = self.with_value(optional, var, value, message)?;
        let some = self.call("optional.of", vec![bound]);
        Ok(self.if_present(optional, some))
    }

    fn opt_flat_map(&mut self, optional: ExprId, var: ExprId, value: ExprId) -> Expanded {
        let message = "optFlatMap() variable name must be a simple identifier";
        let bound = self.with_value(optional, var, value, message)?;
        Ok(self.if_present(optional, bound))
    }

    fn with_value(
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

    fn if_present(&mut self, optional: ExprId, then: ExprId) -> ExprId {
        let present = self.member_call("hasValue", optional, Vec::new());
        let none = self.call("optional.none", Vec::new());
        self.call(operator::CONDITIONAL, vec![present, then, none])
    }

    /// The same subtree once more, each node at its old place.
    fn copy(&mut self, id: ExprId) -> ExprId {
        let node = self.tree.node(id).clone();
        let kind = match node.kind {
            kind @ (Kind::Literal(_) | Kind::Ident(_)) => kind,
            Kind::Select {
                operand,
                field,
                test_only,
            } => Kind::Select {
                operand: self.copy(operand),
                field,
                test_only,
            },
            Kind::Call {
                function,
                target,
                args,
            } => Kind::Call {
                function,
                target: target.map(|target| self.copy(target)),
                args: self.copies(args),
            },
            Kind::List { elements, optional } => Kind::List {
                elements: self.copies(elements),
                optional,
            },
            Kind::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: self.copy(entry.key),
                        value: self.copy(entry.value),
                        ..entry
                    })
                    .collect(),
            ),
            Kind::Struct { type_name, fields } => Kind::Struct {
                type_name,
                fields: fields
                    .into_iter()
                    .map(|field| Field {
                        value: self.copy(field.value),
                        ..field
                    })
                    .collect(),
            },
            Kind::Comprehension(old) => Kind::Comprehension(Box::new(Comprehension {
                iter_range: self.copy(old.iter_range),
                accu_init: self.copy(old.accu_init),
                loop_condition: self.copy(old.loop_condition),
                loop_step: self.copy(old.loop_step),
                result: self.copy(old.result),
                ..*old
            })),
        };
        self.tree.push(node.position, kind)
    }

    fn copies(&mut self, ids: Vec<ExprId>) -> Vec<ExprId> {
        ids.into_iter().map(|id| self.copy(id)).collect()
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
