//! The static estimate: what an expression can cost at worst, told from types and API limits.
//!
//! The API server compares it with [`COST_LIMIT`](super::COST_LIMIT) when a selector is written.
//! It follows cel-go's estimator together with Kubernetes' own; where those remember a size under
//! one name and look it up under another, so does this.

mod calls;
mod place;
mod range;

use super::ast::{Comprehension, Entry, ExprId, Kind, Literal};
use super::check::Checked;
use super::types::Type;
use calls::{Call, Charge, Operand, PER_CHARACTER, charge, regex_match};
use place::{Cells, Path, Place, Step};
use range::Range;

const SELECT: Range = Range::fixed(1);
const CALL: Range = Range::fixed(1);
const NEW_LIST: Range = Range::fixed(10);
const NEW_MAP: Range = Range::fixed(30);
const NEW_MESSAGE: Range = Range::fixed(40);

/// The most that evaluating the expression can cost.
pub(crate) fn max_cost(checked: &Checked) -> u64 {
    let nodes = checked.ast.len();
    let mut estimator = Estimator {
        checked,
        paths: vec![None; nodes],
        cells: Cells::default(),
        sizes: vec![None; nodes],
        entries: vec![None; nodes],
        locals: Vec::new(),
    };
    estimator.cost(checked.ast.root()).max
}

/// How large the keys and values in a container are.
#[derive(Debug, Clone, Copy)]
struct Entries {
    is_list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn union(self, other: Self) -> Self {
        Self {
            is_list: self.is_list,
            key: self.key.union(other.key),
            value: self.value.union(other.value),
        }
    }
}

/// What is known of a variable that a loop brought.
#[derive(Debug, Clone, Copy)]
struct Local<'c> {
    name: &'c str,
    path: Option<Path>,
    size: Option<Range>,
    entries: Option<Entries>,
}

struct Estimator<'c> {
    checked: &'c Checked,
    /// By node: where it reads, how large it is, how large its elements are, as far as known.
    paths: Vec<Option<Path>>,
    sizes: Vec<Option<Range>>,
    entries: Vec<Option<Entries>>,
    cells: Cells,
    /// Innermost last.
    locals: Vec<Local<'c>>,
}

/// The part of a loop's range that a variable takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Key,
    Value,
    /// The element of a list, the key of a map.
    Either,
}

impl<'c> Estimator<'c> {
    /// Nesting is bounded by the parser, so is this recursion.
    fn cost(&mut self, id: ExprId) -> Range {
        match self.checked.ast.kind(id) {
            Kind::Literal(_) => Range::ZERO,
            Kind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path,
                    None => (**name == *"device").then_some(Path::Fixed(Place::Device)),
                };
                set(&mut self.paths, id, path);
                SELECT
            }
            Kind::Select {
                operand, test_only, ..
            } if *test_only => self.cost(*operand),
            Kind::Select { operand, field, .. } => {
                let mut sum = self.cost(*operand);
                let operand_type = self.checked.type_of(*operand);
                // Only fields of maps and of `device` can be selected; what is dynamic is free.
                if matches!(operand_type, Type::Map(..) | Type::Object(_)) {
                    sum = sum.plus(SELECT);
                }
                let path = self.stepped(*operand, Step::Field(field));
                set(&mut self.paths, id, path);
                sum
            }
            Kind::Call {
                function,
                target,
                args,
            } => self.call(id, function, *target, args),
            Kind::List { elements, .. } => self.list(id, elements),
            Kind::Map(entries) => self.map(id, entries),
            Kind::Struct { fields, .. } => fields
                .iter()
                .fold(NEW_MESSAGE, |sum, field| sum.plus(self.cost(field.value))),
            Kind::Comprehension(comprehension) => {
                if self.is_binding(comprehension) {
                    self.binding(id, comprehension)
                } else {
                    self.comprehension(id, comprehension)
                }
            }
        }
    }

    fn local(&self, name: &str) -> Option<&Local<'c>> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    /// The variable that the node names, if it names one.
    fn named_local(&self, id: ExprId) -> Option<&Local<'c>> {
        match self.checked.ast.kind(id) {
            Kind::Ident(name) => self.local(name),
            _ => None,
        }
    }

    fn path(&self, id: ExprId) -> Option<Path> {
        match self.named_local(id) {
            Some(local) => local.path,
            None => get(&self.paths, id),
        }
    }

    fn place(&self, id: ExprId) -> Option<Place> {
        self.cells.place(self.path(id)?)
    }

    fn stepped(&mut self, id: ExprId, step: Step<'_>) -> Option<Path> {
        let path = self.path(id)?;
        self.cells.step(path, step)
    }

    fn size(&mut self, id: ExprId) -> Option<Range> {
        if let Some(size) = get(&self.sizes, id) {
            return Some(size);
        }
        let kind = self.checked.ast.kind(id);
        if let Some(size) = written_size(kind) {
            return Some(Range::fixed(size as u64));
        }
        if let Some(place) = self.place(id) {
            set(&mut self.sizes, id, Some(place.size()));
            return Some(place.size());
        }
        if is_scalar(self.checked.type_of(id)) {
            return Some(Range::fixed(1));
        }
        self.named_local(id).and_then(|local| local.size)
    }

    fn size_or_unknown(&mut self, id: ExprId) -> Range {
        self.size(id).unwrap_or(Range::UNKNOWN)
    }

    fn entries(&self, id: ExprId) -> Option<Entries> {
        get(&self.entries, id).or_else(|| self.named_local(id).and_then(|local| local.entries))
    }

    fn operand(&mut self, id: ExprId) -> Operand<'c> {
        let int = match self.checked.ast.kind(id) {
            Kind::Literal(Literal::Int(value)) => Some(*value),
            _ => None,
        };
        Operand {
            ty: self.checked.type_of(id),
            place: self.place(id),
            size: self.size(id),
            int,
        }
    }

    fn call(
        &mut self,
        id: ExprId,
        function: &'c str,
        target: Option<ExprId>,
        args: &'c [ExprId],
    ) -> Range {
        if let ("dyn", [arg]) = (function, args) {
            let cost = self.cost(*arg);
            self.copy_sizes(id, *arg);
            return CALL.plus(cost);
        }
        let mut operands = Vec::with_capacity(args.len());
        let mut arg_costs = Vec::with_capacity(args.len());
        for arg in args {
            arg_costs.push(self.cost(*arg));
            operands.push(self.operand(*arg));
        }
        let mut sum = Range::ZERO;
        let mut target_operand = None;
        if let Some(target) = target {
            sum = self.cost(target);
            target_operand = Some(self.operand(target));
        }
        let overloads = self.checked.overloads(id);
        let mut worst = Range::NOTHING;
        let mut result_size: Option<Range> = None;
        for overload in overloads.iter().copied() {
            let call = Call {
                function,
                overload,
                target: target_operand.as_ref(),
                args: &operands,
            };
            let charged = self.overload(id, call, args, &arg_costs);
            worst = worst.union(charged.cost);
            result_size = match (result_size, charged.result_size) {
                (Some(before), Some(size)) => Some(before.union(size)),
                (before, size) => before.or(size),
            };
            if let ("index_list" | "index_map", [container, _]) = (overload, args) {
                result_size = self.entries(*container).map(|entries| entries.value);
                let path = self.stepped(*container, Step::Elements);
                set(&mut self.paths, id, path);
            }
            if result_size.is_none() {
                result_size = self.size(id);
            }
        }
        if overloads.is_empty() {
            return Range::ZERO;
        }
        if result_size.is_some() {
            set(&mut self.sizes, id, result_size);
        }
        sum.plus(worst)
    }

    /// One overload's cost with the arguments', and its result's size.
    fn overload(
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
            ("in_list", _, [_, list]) => with_args(list.size_or_unknown(), None),
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

    fn conditional(
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

    fn list(&mut self, id: ExprId, elements: &[ExprId]) -> Range {
        let mut sum = Range::ZERO;
        let mut value = Range::NOTHING;
        for element in elements {
            sum = sum.plus(self.cost(*element));
            value = value.union(self.size_or_unknown(*element));
        }
        if elements.is_empty() {
            value = Range::ZERO;
        }
        let entries = Entries {
            is_list: true,
            key: Range::fixed(1),
            value,
        };
        set(&mut self.entries, id, Some(entries));
        sum.plus(NEW_LIST)
    }

    fn map(&mut self, id: ExprId, entries: &[Entry]) -> Range {
        let mut sum = Range::ZERO;
        let (mut key, mut value) = (Range::NOTHING, Range::NOTHING);
        for entry in entries {
            sum = sum.plus(self.cost(entry.key));
            sum = sum.plus(self.cost(entry.value));
            key = key.union(self.size_or_unknown(entry.key));
            value = value.union(self.size_or_unknown(entry.value));
        }
        if entries.is_empty() {
            (key, value) = (Range::ZERO, Range::ZERO);
        }
        let entries = Entries {
            is_list: false,
            key,
            value,
        };
        set(&mut self.entries, id, Some(entries));
        sum.plus(NEW_MAP)
    }

    /// Whether the loop only gives a name to a value, as `cel.bind` does.
    fn is_binding(&self, comprehension: &Comprehension) -> bool {
        let range = self.checked.ast.kind(comprehension.iter_range);
        let condition = self.checked.ast.kind(comprehension.loop_condition);
        matches!(range, Kind::List { elements, .. } if elements.is_empty())
            && *condition == Kind::Literal(Literal::Bool(false))
            && *comprehension.accu_var != *"__result__"
    }

    fn binding(&mut self, id: ExprId, comprehension: &'c Comprehension) -> Range {
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

    fn comprehension(&mut self, id: ExprId, comprehension: &'c Comprehension) -> Range {
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

    fn copy_sizes(&mut self, to: ExprId, from: ExprId) {
        if let Some(size) = self.size(from) {
            set(&mut self.sizes, to, Some(size));
        }
        if let Some(entries) = self.entries(from) {
            set(&mut self.entries, to, Some(entries));
        }
    }
}

fn get<T: Copy>(values: &[Option<T>], id: ExprId) -> Option<T> {
    values.get(id.index()).copied().flatten()
}

fn set<T>(values: &mut [Option<T>], id: ExprId, value: Option<T>) {
    if let Some(slot) = values.get_mut(id.index()) {
        *slot = value;
    }
}

/// The size of what is written out in the expression.
fn written_size(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Literal(Literal::String(text)) => Some(text.chars().count()),
        Kind::Literal(Literal::Bytes(bytes)) => Some(bytes.len()),
        Kind::Literal(_) => Some(1),
        Kind::List { elements, .. } => Some(elements.len()),
        Kind::Map(entries) => Some(entries.len()),
        _ => None,
    }
}

fn is_scalar(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => {
            true
        }
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}
