//! What a call with its arguments costs, by overload.

use super::calls::{Call, Charge, Operand, PER_CHARACTER, charge, regex_match};
use super::range::Range;
use super::{CALL, Estimator, set};
use crate::cel::ast::ExprId;

impl Estimator<'_> {
    /// One overload's cost with the arguments', and its result's size.
    pub(super) fn overload(
        &mut self,
        id: ExprId,
        call: Call<'_>,
        args: &[ExprId],
        arg_costs: &[Range],
    ) -> Charge {
        let arg_sum = arg_costs.iter().copied().fold(Range::ZERO, Range::plus);
        let with_args = |cost: Range, result_size: Option<Range>| Charge {
            cost: cost.plus(arg_sum),
            result_size,
        };
        if let Some(charged) = charge(call) {
            return with_args(charged.cost, charged.result_size);
        }
        let read = |operand: &Operand<'_>| operand.size_or_unknown().scaled(PER_CHARACTER);
        match (call.overload, call.target, call.args) {
            ("string_format", Some(format), _) => with_args(read(format), None),
            ("string_to_bytes", _, [text]) => {
                let size = text.size_or_unknown();
                let bytes = Range {
                    max: size.max.wrapping_mul(4),
                    ..size
                };
                with_args(read(text), Some(bytes))
            }
            ("bytes_to_string", _, [bytes]) => {
                let size = bytes.size_or_unknown();
                let text = Range {
                    min: size.min / 4,
                    ..size
                };
                with_args(read(bytes), Some(text))
            }
            ("strings_quote", _, [text]) => {
                let size = text.size_or_unknown();
                let quoted = Range {
                    min: size.min.wrapping_add(2),
                    max: size.max.wrapping_mul(2).wrapping_add(2),
                };
                with_args(read(text), Some(quoted))
            }
            ("starts_with_string" | "ends_with_string", _, [part]) => with_args(read(part), None),
            // By a factor of one, for upstream does: sizes above 2^53 lose their last digits.
            ("in_list", _, [_, list]) => with_args(list.size_or_unknown().scaled(1.0), None),
            ("matches_string", Some(text), [regex]) | ("matches", None, [text, regex]) => {
                with_args(regex_match(text.size_or_unknown(), regex), None)
            }
            ("contains_string", Some(text), [part]) => {
                with_args(read(text).times(read(part)), None)
            }
            ("logical_or" | "logical_and", ..) => {
                // The right side may never be evaluated.
                let least = arg_costs.first().map_or(0, |left| left.min);
                let cost = Range {
                    min: least,
                    max: arg_sum.max,
                };
                Charge {
                    cost,
                    result_size: None,
                }
            }
            ("conditional", _, [_, then, otherwise]) => {
                self.conditional(id, args, arg_costs, then, otherwise)
            }
            ("add_string" | "add_bytes" | "add_list", _, [left, right]) => {
                let size = left.size_or_unknown().plus(right.size_or_unknown());
                if let [left, right] = args
                    && let (Some(left), Some(right)) = (self.entries(*left), self.entries(*right))
                {
                    set(&mut self.entries, id, Some(left.union(right)));
                }
                let cost = match call.overload {
                    "add_list" => CALL,
                    _ => size.scaled(PER_CHARACTER),
                };
                with_args(cost, Some(size))
            }
            (
                "equals"
                | "not_equals"
                | "less_string"
                | "greater_string"
                | "less_equals_string"
                | "greater_equals_string"
                | "less_bytes"
                | "greater_bytes"
                | "less_equals_bytes"
                | "greater_equals_bytes",
                _,
                [left, right],
            ) => {
                let max = left.size_or_unknown().max.min(right.size_or_unknown().max);
                let compared = Range {
                    min: max.min(1),
                    max,
                };
                with_args(compared.scaled(PER_CHARACTER), None)
            }
            _ => with_args(CALL, None),
        }
    }

    pub(super) fn conditional(
        &mut self,
        id: ExprId,
        args: &[ExprId],
        arg_costs: &[Range],
        then: &Operand<'_>,
        otherwise: &Operand<'_>,
    ) -> Charge {
        let size = then.size_or_unknown().union(otherwise.size_or_unknown());
        if let [_, then, otherwise] = args
            && let (Some(then), Some(otherwise)) = (self.entries(*then), self.entries(*otherwise))
        {
            set(&mut self.entries, id, Some(then.union(otherwise)));
        }
        let cost = match arg_costs {
            [condition, then, otherwise] => condition.plus(then.union(*otherwise)),
            _ => Range::ZERO,
        };
        Charge {
            cost,
            result_size: Some(size),
        }
    }
}
