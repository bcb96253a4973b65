//! The parser: recursive descent over the tokens, macros expanded as their calls are met.
//!
//! Upstream's parser refuses what nests deeper than 250 levels, counted in two ways: grammar rules
//! entered within themselves while reading, and operators, selections and calls above one another
//! in the tree. Both counts are kept here by the same rules, so that the same expressions are
//! refused. They also bound every recursion over the tree, here and in all later passes.

use super::ErrorKind;
use super::ast::{Ast, Builder, Entry, ExprId, Field, Kind, Literal, operator};
use super::expand;
use super::lex::{Token, TokenKind, lex};
use super::literal::{self, Invalid};
use super::source::{Problem, in_order};

/// Levels of nesting upstream accepts, by either count.
const MOST_LEVELS: usize = 250;

/// Code points upstream reads.
const MOST_CODE_POINTS: usize = 100_000;

/// Nodes an expression may expand to. `optMap` repeats what it is called on, so a chain of them
/// doubles with every link.
const MOST_NODES: usize = 200_000;

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

/// Reads `source`; the tree has its macros expanded.
pub(crate) fn parse(source: &str) -> Result<Ast, Vec<Problem>> {
    let size = source.chars().count();
    if size > MOST_CODE_POINTS {
        return Err(vec![Problem::of_the_whole(
            ErrorKind::InvalidArgument,
            format!(
                "expression code point size exceeds limit: size: {size}, limit {MOST_CODE_POINTS}"
            ),
        )]);
    }
    let tokens = lex(source).map_err(|problem| vec![problem])?;
    let mut parser = Parser {
        source,
        tokens: &tokens,
        at: 0,
        tree: Ast::builder(),
        depth: Depth::default(),
        problems: Vec::new(),
    };
    let root = parser.whole();
    match root {
        Ok(root) if parser.problems.is_empty() => Ok(parser.tree.finish(root)),
        Ok(_) => Err(in_order(parser.problems)),
        Err(problem) => {
            parser.problems.push(problem);
            Err(in_order(parser.problems))
        }
    }
}

/// A subtree and how many counted levels it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) id: ExprId,
    levels: usize,
}

/// How deep in themselves the rules are that can nest faster than expressions do.
#[derive(Debug, Default)]
struct Depth {
    expr: usize,
    relation: usize,
    calc: usize,
}

struct Parser<'s> {
    source: &'s str,
    tokens: &'s [Token],
    at: usize,
    tree: Builder,
    depth: Depth,
    /// What is wrong without keeping the rest from being read.
    problems: Vec<Problem>,
}

type Parsed<T = Part> = Result<T, Problem>;

impl<'s> Parser<'s> {
    fn token(&self) -> Token {
        self.ahead(0)
    }

    /// The token `distance` after the next; the end stays the end.
    fn ahead(&self, distance: usize) -> Token {
        self.tokens
            .get(self.at + distance)
            .or(self.tokens.last())
            .copied()
            .unwrap_or(Token {
                kind: TokenKind::End,
                start: 0,
                end: 0,
            })
    }

    fn peek(&self) -> TokenKind {
        self.token().kind
    }

    fn advance(&mut self) -> Token {
        let token = self.token();
        self.at += 1;
        token
    }

    fn is(&self, symbol: &'static str) -> bool {
        self.peek() == TokenKind::Symbol(symbol)
    }

    fn accept(&mut self, symbol: &'static str) -> Option<Token> {
        self.is(symbol).then(|| self.advance())
    }

    fn expect(&mut self, symbol: &'static str) -> Parsed<Token> {
        self.accept(symbol)
            .ok_or_else(|| self.unexpected(&format!("'{symbol}'")))
    }

    fn expect_name(&mut self) -> Parsed<Token> {
        if self.peek() == TokenKind::Ident {
            Ok(self.advance())
        } else {
            Err(self.unexpected("IDENTIFIER"))
        }
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let token = self.token();
        let shown = match token.kind {
            TokenKind::End => "<EOF>",
            _ => token.text(self.source),
        };
        Problem::at(
            ErrorKind::Syntax,
            token.start,
            format!("Syntax error: mismatched input '{shown}' expecting {expected}"),
        )
    }

    fn text(&self, token: Token) -> &'s str {
        token.text(self.source)
    }

    fn whole(&mut self) -> Parsed<ExprId> {
        let root = self.expr()?;
        if self.peek() != TokenKind::End {
            return Err(self.unexpected("<EOF>"));
        }
        if root.levels > MOST_LEVELS {
            return Err(Problem::of_the_whole(
                ErrorKind::InvalidArgument,
                "max recursion depth exceeded: split the expression, or join its parts by && or ||, which may be of any length",
            ));
        }
        Ok(root.id)
    }

    /// Notes the problem and stands a constant in for what should have been there.
    fn stand_in(&mut self, problem: Problem) -> ExprId {
        let position = problem.position.unwrap_or(0);
        self.problems.push(problem);
        self.tree.push(position, Kind::Literal(Literal::Null))
    }

    /// Counts one more level of a rule, or refuses it.
    fn enter(&mut self, rule: fn(&mut Depth) -> &mut usize) -> Parsed<()> {
        let depth = rule(&mut self.depth);
        *depth += 1;
        if *depth > MOST_LEVELS {
            return Err(Problem::of_the_whole(
                ErrorKind::InvalidArgument,
                format!("expression recursion limit exceeded: {MOST_LEVELS}"),
            ));
        }
        Ok(())
    }

    fn leave(&mut self, rule: fn(&mut Depth) -> &mut usize) {
        *rule(&mut self.depth) -= 1;
    }

    fn leaf(&mut self, position: u32, kind: Kind) -> Part {
        Part {
            id: self.tree.push(position, kind),
            levels: 0,
        }
    }

    /// A global call, or what the macro of that name makes of it. Operators count as levels,
    /// functions do not.
    fn call(&mut self, position: u32, function: &str, args: &[Part]) -> Parsed<ExprId> {
        let ids = args.iter().map(|arg| arg.id).collect();
        self.macro_or_call(position, function, None, ids)
    }

    fn macro_or_call(
        &mut self,
        position: u32,
        function: &str,
        target: Option<ExprId>,
        args: Vec<ExprId>,
    ) -> Parsed<ExprId> {
        let expanded = match expand::expand(&mut self.tree, position, function, target, &args) {
            Ok(expanded) => expanded,
            Err(problem) => return Ok(self.stand_in(problem)),
        };
        if self.tree.len() > MOST_NODES {
            return Err(Problem::of_the_whole(
                ErrorKind::InvalidArgument,
                format!(
                    "the expression expands to more than {MOST_NODES} terms: shorten its chain of optMap and optFlatMap calls"
                ),
            ));
        }
        Ok(expanded.unwrap_or_else(|| {
            let function = function.into();
            self.tree.push(
                position,
                Kind::Call {
                    function,
                    target,
                    args,
                },
            )
        }))
    }

    fn operation(&mut self, position: u32, function: &str, args: &[Part]) -> Parsed {
        Ok(Part {
            levels: 1 + most_levels(args),
            id: self.call(position, function, args)?,
        })
    }

    /// `condition ? then : otherwise`, right associative.
    fn expr(&mut self) -> Parsed {
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

    fn or(&mut self) -> Parsed {
        self.logical("||", operator::LOGICAL_OR, Self::and)
    }

    fn and(&mut self) -> Parsed {
        self.logical("&&", operator::LOGICAL_AND, Self::relation_at_start)
    }

    /// A chain of `&&` or `||` as a balanced tree, however long it is.
    fn logical(
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

    fn balanced(&mut self, function: &str, terms: &[Part], positions: &[u32]) -> ExprId {
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

    fn relation_at_start(&mut self) -> Parsed {
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
    fn calc(&mut self, tightness: u8) -> Parsed {
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
    fn unary(&mut self) -> Parsed {
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

    fn negative_literal_ahead(&self) -> bool {
        matches!(self.ahead(1).kind, TokenKind::Int | TokenKind::Float)
    }

    /// A primary with its selections, calls and indices.
    fn member(&mut self) -> Parsed {
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

    fn selection(&mut self, operand: Part, dot: Token) -> Parsed {
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
    fn arguments(&mut self) -> Parsed<(Token, Vec<Part>)> {
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

    fn primary(&mut self) -> Parsed {
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
    fn name(&mut self) -> Parsed {
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

    /// Whether names joined by dots and then a brace come next.
    fn message_ahead(&self) -> bool {
        let mut distance = 0;
        while self.ahead(distance).kind == TokenKind::Symbol(".")
            && self.ahead(distance + 1).kind == TokenKind::Ident
        {
            distance += 2;
        }
        self.ahead(distance).kind == TokenKind::Symbol("{")
    }

    fn message(&mut self, dot: Option<Token>, first: Token) -> Parsed {
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
    fn another(&mut self, close: &'static str) -> bool {
        let more = self.is(",") && self.ahead(1).kind != TokenKind::Symbol(close);
        if more {
            self.advance();
        }
        more
    }

    /// A trailing comma and the closing bracket.
    fn close(&mut self, bracket: &'static str) -> Parsed<()> {
        self.accept(",");
        self.expect(bracket)?;
        Ok(())
    }

    fn list(&mut self) -> Parsed {
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

    fn map(&mut self) -> Parsed {
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

    fn literal(&mut self) -> Parsed {
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
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance();
        let id = match value {
            Ok(value) => self.tree.push(start.start, Kind::Literal(value)),
            Err(reason) => self.stand_in(Problem::at(ErrorKind::Syntax, start.start, reason)),
        };
        Ok(Part { id, levels: 0 })
    }
}

fn most_levels(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.levels).max().unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Vec<String> {
        let problems = parse(source).unwrap_err();
        problems
            .into_iter()
            .map(|problem| problem.message)
            .collect()
    }

    fn depth(source: &str) -> usize {
        parse(source).unwrap().depth()
    }

    #[test]
    fn products_bind_tighter_than_sums_and_sums_than_relations() {
        let shape = |source| {
            let tree = parse(source).unwrap();
            let functions: Vec<String> = tree
                .iter()
                .filter_map(|(_, node)| match &node.kind {
                    Kind::Call { function, .. } => Some(function.to_string()),
                    _ => None,
                })
                .collect();
            functions.join(" ")
        };
        assert_eq!(
            shape("1 + 2 * 3 < 4 == a || b && !c"),
            "_*_ _+_ _<_ _==_ !_ _&&_ _||_"
        );
        assert_eq!(shape("a ? b : c ? d : e"), "_?_:_ _?_:_");
        assert_eq!(shape("1 - 2 - -3 - -x"), "_-_ _-_ -_ _-_");
        assert_eq!(
            shape("!!a && --1 == 1 && ---1 == 1"),
            "_==_ -_ _==_ _&&_ _&&_"
        );
    }

    #[test]
    fn trailing_commas_are_fine_in_lists_and_maps_but_not_in_calls() {
        for fine in [
            "[1, 2,]",
            "[,]",
            "[]",
            "{1: 2,}",
            "{,}",
            "{}",
            "[?a, b]",
            "{?'a': b}",
        ] {
            assert!(parse(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "f(1,)", "[1 2]", "[1,,]", "{1}", "{1: 2", "a b", "", "a.1", "a.?f(1)", "a.in",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_the_source() {
        assert_eq!(
            problems("if || [1].all(1, x) || 99999999999999999999 == 1"),
            [
                "reserved identifier: if",
                "argument must be a simple name",
                "invalid int literal"
            ]
        );
    }

    #[test]
    fn nesting_is_refused_where_upstream_refuses_it() {
        let nested = |n: usize, open: &str, inner: &str, close: &str| {
            parse(&format!("{}{inner}{}", open.repeat(n), close.repeat(n))).is_ok()
        };
        for (open, inner, close, most) in [
            ("(", "true", ")", 249),
            ("[", "1", "]", 249),
            ("!(", "true", ")", 249),
            ("true?true:", "true", "", 249),
            ("true==(", "true", ")", 124),
            ("1+(", "1", ")", 124),
            ("1+1*(", "1", ")", 83),
            ("", "device", ".a", 250),
            ("", "device", "[0]", 250),
            ("", "1", "+1", 250),
        ] {
            assert!(nested(most, open, inner, close), "{most} x {open}{close}");
            assert!(!nested(most + 1, open, inner, close), "{open}{close}");
        }
    }

    #[test]
    fn chains_of_and_and_or_may_be_long_and_stay_shallow() {
        assert_eq!(depth(&vec!["a"; 2_500].join("||")), 13);
        assert_eq!(depth(&format!("{}a", "!".repeat(10_001))), 2);
    }

    #[test]
    fn chains_that_double_with_every_link_are_cut_off() {
        let doubling = format!("a{}", ".optMap(x, x)".repeat(100));
        assert!(problems(&doubling)[0].contains("expands to more than"));
    }
}
