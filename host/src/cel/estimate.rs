//! The static estimate: what an expression can cost at worst, told from types and API limits.
//!
//! The API server compares it with [`COST_LIMIT`](super::COST_LIMIT) when a selector is written.
//! It follows cel-go's estimator together with Kubernetes' own; where those remember a size under
//! one name and look it up under another, so does this.

mod calls;
mod loops;
mod overloads;
mod place;
mod range;
#[cfg(test)]
mod tests;

use super::ast::{Entry, ExprId, Kind, Literal};
use super::check::Checked;
use super::types::Type;
use calls::{Call, Operand};
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
