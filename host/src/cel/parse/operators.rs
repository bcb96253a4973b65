//! Operators, from the conditional down to signs, with CEL's precedence.

use super::{Parsed, Parser, Part, most_levels};
use crate::cel::ast::{ExprId, Kind, Literal, operator};
use crate::cel::lex::TokenKind;

impl Parser<'_> {
    /// `condition ? then : otherwise`, right associative.
    pub(super) fn expr(&mut self) -> Parsed {
        self.enter(|depth| &mut depth.expr)?;
        let condition = self.or()?;
        let part = match self.accept("?") {
            None => condition,
            Some(question) => {
                let then = self.or()?;
                self.expect(":")?;
                let otherwise = self.expr()?;
                self.operation(
                    question.start,
                    operator::CONDITIONAL,
                    &[condition, then, otherwise],
                )?
            }
        };
        self.leave(|depth| &mut depth.expr);
        Ok(part)
    }

    pub(super) fn or(&mut self) -> Parsed {
        self.logical("||", operator::LOGICAL_OR, Self::and)
    }

    pub(super) fn and(&mut self) -> Parsed {
        self.logical("&&", operator::LOGICAL_AND, Self::relation_at_start)
    }

    /// A chain of `&&` or `||` as a balanced tree, however long it is.
    pub(super) fn logical(
        &mut self,
        symbol: &'static str,
        function: &str,
        operand: fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut terms = vec![operand(self)?];
        let mut positions = Vec::new();
        while let Some(token) = self.accept(symbol) {
            positions.push(token.start);
            terms.push(operand(self)?);
        }
        Ok(Part {
            levels: most_levels(&terms),
            id: self.balanced(function, &terms, &positions),
        })
    }

    pub(super) fn balanced(&mut self, function: &str, terms: &[Part], positions: &[u32]) -> ExprId {
        let middle = positions.len() / 2;
        let (Some((left, right)), Some(position)) =
            (terms.split_at_checked(middle + 1), positions.get(middle))
        else {
            return terms.first().map_or_else(
                || self.tree.push(0, Kind::Literal(Literal::Null)),
                |term| term.id,
            );
        };
        let left = self.balanced(function, left, positions.get(..middle).unwrap_or_default());
        let after = positions.get(middle + 1..).unwrap_or_default();
        let right = self.balanced(function, right, after);
        self.tree.push(
            *position,
            Kind::Call {
                function: function.into(),
                target: None,
                args: vec![left, right],
            },
        )
    }

    pub(super) fn relation_at_start(&mut self) -> Parsed {
        self.enter(|depth| &mut depth.relation)?;
        let mut left = self.calc(0)?;
        while let Some((symbol, function)) = relation_operator(self.peek()) {
            let token = self.expect(symbol)?;
            // The right side is a relation of its own that binds tighter: one level more.
            self.enter(|depth| &mut depth.relation)?;
            let right = self.calc(0)?;
            self.leave(|depth| &mut depth.relation);
            left = self.operation(token.start, function, &[left, right])?;
        }
        self.leave(|depth| &mut depth.relation);
        Ok(left)
    }

    /// Sums and products whose operators bind at least as tight as `tightness`.
    pub(super) fn calc(&mut self, tightness: u8) -> Parsed {
        self.enter(|depth| &mut depth.calc)?;
        let mut left = self.unary()?;
        while let Some((symbol, function, binds)) = calc_operator(self.peek())
            && binds >= tightness
        {
            let token = self.expect(symbol)?;
            let right = self.calc(binds + 1)?;
            left = self.operation(token.start, function, &[left, right])?;
        }
        self.leave(|depth| &mut depth.calc);
        Ok(left)
    }

    /// Any number of `!` or of `-` before a member; pairs cancel out.
    pub(super) fn unary(&mut self) -> Parsed {
        let (symbol, function) = match self.peek() {
            TokenKind::Symbol("!") => ("!", operator::LOGICAL_NOT),
            TokenKind::Symbol("-") if !self.negative_literal_ahead() => ("-", operator::NEGATE),
            _ => return self.member(),
        };
        let first = self.expect(symbol)?;
        let mut odd = true;
        while self.accept(symbol).is_some() {
            odd = !odd;
        }
        let operand = self.member()?;
        if !odd {
            return Ok(operand);
        }
        Ok(Part {
            levels: operand.levels,
            id: self.call(first.start, function, &[operand])?,
        })
    }

    pub(super) fn negative_literal_ahead(&self) -> bool {
        matches!(self.ahead(1).kind, TokenKind::Int | TokenKind::Float)
    }
}

fn relation_operator(kind: TokenKind) -> Option<(&'static str, &'static str)> {
    let TokenKind::Symbol(symbol) = kind else {
        return None;
    };
    let function = match symbol {
        "<" => operator::LESS,
        "<=" => operator::LESS_EQUALS,
        ">" => operator::GREATER,
        ">=" => operator::GREATER_EQUALS,
        "==" => operator::EQUALS,
        "!=" => operator::NOT_EQUALS,
        "in" => operator::IN,
        _ => return None,
    };
    Some((symbol, function))
}

/// The operator, its function and how tight it binds.
fn calc_operator(kind: TokenKind) -> Option<(&'static str, &'static str, u8)> {
    let TokenKind::Symbol(symbol) = kind else {
        return None;
    };
    let (function, binds) = match symbol {
        "+" => (operator::ADD, 1),
        "-" => (operator::SUBTRACT, 1),
        "*" => (operator::MULTIPLY, 2),
        "/" => (operator::DIVIDE, 2),
        "%" => (operator::MODULO, 2),
        _ => return None,
    };
    Some((symbol, function, binds))
}
