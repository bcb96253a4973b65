//! The parser: recursive descent over the tokens, macros expanded as their calls are met.
//!
//! Upstream's parser refuses what nests deeper than 250 levels, counted in two ways: grammar rules
//! entered within themselves while reading, and operators, selections and calls above one another
//! in the tree. Both counts are kept here by the same rules, so that the same expressions are
//! refused. They also bound every recursion over the tree, here and in all later passes.

mod braces;
mod members;
mod operators;
#[cfg(test)]
mod tests;

use super::ErrorKind;
use super::ast::{Ast, Builder, ExprId, Kind, Literal};
use super::expand;
use super::lex::{Token, TokenKind, lex};
use super::source::{Problem, in_order};

/// Levels of nesting upstream accepts, by either count.
const MOST_LEVELS: usize = 250;

/// Code points upstream reads.
const MOST_CODE_POINTS: usize = 100_000;

/// Nodes an expression may expand to. `optMap` repeats what it is called on, so a chain of them
/// doubles with every link.
const MOST_NODES: usize = 200_000;

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
        self.unfit("mismatched", expected)
    }

    /// For where an expression should start. As upstream says it: a token before one is too much.
    fn no_expression(&self) -> Problem {
        let wrong = if starts_expression(self.ahead(1).kind) {
            "extraneous"
        } else {
            "mismatched"
        };
        self.unfit(wrong, EXPRESSION_STARTS)
    }

    fn unfit(&self, wrong: &str, expected: &str) -> Problem {
        let token = self.token();
        let shown = match token.kind {
            TokenKind::End => "<EOF>",
            _ => token.text(self.source),
        };
        Problem::at(
            ErrorKind::Syntax,
            token.start,
            format!("Syntax error: {wrong} input '{shown}' expecting {expected}"),
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
}

/// What an expression can start with, as upstream lists it.
const EXPRESSION_STARTS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

fn starts_expression(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Symbol(symbol) => matches!(
            symbol,
            "[" | "{" | "(" | "." | "-" | "!" | "true" | "false" | "null"
        ),
        TokenKind::EscapedIdent | TokenKind::End => false,
        _ => true,
    }
}

fn most_levels(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.levels).max().unwrap_or(0)
}
