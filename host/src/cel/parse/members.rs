//! Names, calls, selections, indices and literals.

use super::{Parsed, Parser, Part, most_levels};
use crate::cel::ErrorKind;
use crate::cel::ast::{Kind, Literal, operator};
use crate::cel::lex::{Token, TokenKind};
use crate::cel::literal::{self, Invalid};
use crate::cel::source::Problem;

/// Words that neither variables nor functions may be called.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

impl Parser<'_> {
    /// A primary with its selections, calls and indices.
    pub(super) fn member(&mut self) -> Parsed {
        let mut part = self.primary()?;
        loop {
            if let Some(dot) = self.accept(".") {
                part = self.selection(part, dot)?;
            } else if let Some(bracket) = self.accept("[") {
                let function = match self.accept("?") {
                    Some(_) => operator::OPT_INDEX,
                    None => operator::INDEX,
                };
                let index = self.expr()?;
                self.expect("]")?;
                part = self.operation(bracket.start, function, &[part, index])?;
            } else {
                return Ok(part);
            }
        }
    }

    pub(super) fn selection(&mut self, operand: Part, dot: Token) -> Parsed {
        let optional = self.accept("?").is_some();
        let name = self.token();
        let field: Box<str> = match name.kind {
            TokenKind::Ident => self.text(name).into(),
            TokenKind::EscapedIdent => self.text(name).trim_matches('`').into(),
            _ => return Err(self.unexpected("{'?', IDENTIFIER, ESC_IDENTIFIER}")),
        };
        self.advance();
        if optional {
            let text = Kind::Literal(Literal::String(field));
            let field = self.leaf(name.start, text);
            return self.operation(dot.start, operator::OPT_SELECT, &[operand, field]);
        }
        if name.kind == TokenKind::Ident && self.is("(") {
            let (open, args) = self.arguments()?;
            let levels = 1 + operand.levels.max(most_levels(&args));
            let ids = args.iter().map(|arg| arg.id).collect();
            let id = self.macro_or_call(open.start, &field, Some(operand.id), ids)?;
            return Ok(Part { id, levels });
        }
        let kind = Kind::Select {
            operand: operand.id,
            field,
            test_only: false,
        };
        Ok(Part {
            levels: 1 + operand.levels,
            id: self.tree.push(dot.start, kind),
        })
    }

    /// `(a, b, ...)` and where it opens.
    pub(super) fn arguments(&mut self) -> Parsed<(Token, Vec<Part>)> {
        let open = self.expect("(")?;
        let mut args = Vec::new();
        if self.accept(")").is_some() {
            return Ok((open, args));
        }
        loop {
            args.push(self.expr()?);
            if self.accept(",").is_none() {
                self.expect(")")?;
                return Ok((open, args));
            }
        }
    }

    pub(super) fn primary(&mut self) -> Parsed {
        let token = self.token();
        match token.kind {
            TokenKind::Symbol("(") => {
                self.advance();
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Symbol("[") => self.list(),
            TokenKind::Symbol("{") => self.map(),
            TokenKind::Ident | TokenKind::Symbol(".") => self.name(),
            _ => self.literal(),
        }
    }

    /// An identifier, a global call or a message literal, with or without a leading dot.
    pub(super) fn name(&mut self) -> Parsed {
        let dot = self.accept(".");
        let token = self.expect_name()?;
        if self.message_ahead() {
            return self.message(dot, token);
        }
        let word = self.text(token);
        if RESERVED.contains(&word) {
            let position = dot.unwrap_or(token).start;
            let message = format!("reserved identifier: {word}");
            self.problems
                .push(Problem::at(ErrorKind::Syntax, position, message));
        }
        let name = format!("{}{word}", if dot.is_some() { "." } else { "" });
        if !self.is("(") {
            return Ok(self.leaf(token.start, Kind::Ident(name.into())));
        }
        let (open, args) = self.arguments()?;
        Ok(Part {
            levels: most_levels(&args),
            id: self.call(open.start, &name, &args)?,
        })
    }

    pub(super) fn literal(&mut self) -> Parsed {
        let start = self.token();
        let negative = self.is("-") && self.negative_literal_ahead();
        if negative {
            self.advance();
        }
        let token = self.token();
        let text = self.text(token);
        let value: Result<Literal, Invalid> = match token.kind {
            TokenKind::Int => literal::int(text, negative),
            TokenKind::Uint => literal::uint(text),
            TokenKind::Float => literal::double(text, negative),
            TokenKind::String => literal::string(text),
            TokenKind::Bytes => literal::bytes(text),
            TokenKind::Symbol("true") => Ok(Literal::Bool(true)),
            TokenKind::Symbol("false") => Ok(Literal::Bool(false)),
            TokenKind::Symbol("null") => Ok(Literal::Null),
            _ => return Err(self.no_expression()),
        };
        self.advance();
        let id = match value {
            Ok(value) => self.tree.push(start.start, Kind::Literal(value)),
            Err(reason) => self.stand_in(Problem::at(ErrorKind::Syntax, start.start, reason)),
        };
        Ok(Part { id, levels: 0 })
    }
}
