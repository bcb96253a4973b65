//! Lists, maps and message literals, with trailing commas and optional entries.

use super::{Parsed, Parser, Part};
use crate::cel::ast::{Entry, Field, Kind};
use crate::cel::lex::{Token, TokenKind};

impl Parser<'_> {
    /// Whether names joined by dots and then a brace come next.
    pub(super) fn message_ahead(&self) -> bool {
        let mut distance = 0;
        while self.ahead(distance).kind == TokenKind::Symbol(".")
            && self.ahead(distance + 1).kind == TokenKind::Ident
        {
            distance += 2;
        }
        self.ahead(distance).kind == TokenKind::Symbol("{")
    }

    pub(super) fn message(&mut self, dot: Option<Token>, first: Token) -> Parsed {
        let mut type_name = format!(
            "{}{}",
            if dot.is_some() { "." } else { "" },
            self.text(first)
        );
        while self.accept(".").is_some() {
            let part = self.expect_name()?;
            type_name.push('.');
            type_name.push_str(self.text(part));
        }
        let open = self.expect("{")?;
        let (mut fields, mut levels) = (Vec::new(), 0);
        let mut more = !self.is("}") && !self.is(",");
        while more {
            let optional = self.accept("?").is_some();
            let name = self.token();
            let text: Box<str> = match name.kind {
                TokenKind::Ident => self.text(name).into(),
                TokenKind::EscapedIdent => self.text(name).trim_matches('`').into(),
                _ => return Err(self.unexpected("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}")),
            };
            self.advance();
            let colon = self.expect(":")?;
            let value = self.expr()?;
            levels = levels.max(value.levels);
            fields.push(Field {
                position: colon.start,
                name: text,
                value: value.id,
                optional,
            });
            more = self.another("}");
        }
        self.close("}")?;
        let type_name = type_name.into();
        let id = self
            .tree
            .push(open.start, Kind::Struct { type_name, fields });
        Ok(Part { id, levels })
    }

    /// After an element: takes the comma if another element follows it.
    pub(super) fn another(&mut self, close: &'static str) -> bool {
        let more = self.is(",") && self.ahead(1).kind != TokenKind::Symbol(close);
        if more {
            self.advance();
        }
        more
    }

    /// A trailing comma and the closing bracket.
    pub(super) fn close(&mut self, bracket: &'static str) -> Parsed<()> {
        self.accept(",");
        self.expect(bracket)?;
        Ok(())
    }

    pub(super) fn list(&mut self) -> Parsed {
        let open = self.expect("[")?;
        let (mut elements, mut optional, mut levels) = (Vec::new(), Vec::new(), 0);
        let mut more = !self.is("]") && !self.is(",");
        while more {
            if self.accept("?").is_some() {
                optional.push(u32::try_from(elements.len()).unwrap_or(u32::MAX));
            }
            let element = self.expr()?;
            levels = levels.max(element.levels);
            elements.push(element.id);
            more = self.another("]");
        }
        self.close("]")?;
        let kind = Kind::List { elements, optional };
        let id = self.tree.push(open.start, kind);
        Ok(Part { id, levels })
    }

    pub(super) fn map(&mut self) -> Parsed {
        let open = self.expect("{")?;
        let (mut entries, mut levels) = (Vec::new(), 0);
        let mut more = !self.is("}") && !self.is(",");
        while more {
            let optional = self.accept("?").is_some();
            let key = self.expr()?;
            let colon = self.expect(":")?;
            let value = self.expr()?;
            levels = levels.max(key.levels).max(value.levels);
            entries.push(Entry {
                position: colon.start,
                key: key.id,
                value: value.id,
                optional,
            });
            more = self.another("}");
        }
        self.close("}")?;
        let id = self.tree.push(open.start, Kind::Map(entries));
        Ok(Part { id, levels })
    }
}
