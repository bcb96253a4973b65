//! Copies of subtrees, for macros that use an argument twice.

use super::Expansion;
use crate::cel::ast::{Comprehension, Entry, ExprId, Field, Kind};

impl Expansion<'_> {
    /// The same subtree once more, each node at its old place.
    pub(super) fn copy(&mut self, id: ExprId) -> ExprId {
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

    pub(super) fn copies(&mut self, ids: Vec<ExprId>) -> Vec<ExprId> {
        ids.into_iter().map(|id| self.copy(id)).collect()
    }
}
