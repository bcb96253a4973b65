//! `"...".format([...])` with both written out: each clause must suit its argument.

use crate::cel::ErrorKind;
use crate::cel::ast::{ExprId, Kind, Literal};
use crate::cel::check::Checked;
use crate::cel::source::Problem;
use crate::cel::types::Type;

/// The problem with a call, if it is such a call and there is one.
pub(super) fn check(checked: &Checked, call: ExprId) -> Option<Problem> {
    let Kind::Call {
        function,
        target: Some(target),
        args,
    } = checked.ast.kind(call)
    else {
        return None;
    };
    let (Kind::Literal(Literal::String(format)), [list]) =
        (checked.ast.kind(*target), args.as_slice())
    else {
        return None;
    };
    let Kind::List { elements, .. } = checked.ast.kind(*list) else {
        return None;
    };
    if **function != *"format" || !checked.overloads(call).contains(&"string_format") {
        return None;
    }
    let (at, message) = check_clauses(checked, format, elements).err()?;
    let position = checked.ast.node(at.unwrap_or(call)).position;
    Some(Problem::at(ErrorKind::InvalidArgument, position, message))
}

/// A message, and the argument it is about if it is about one.
type Wrong = (Option<ExprId>, String);

fn check_clauses(checked: &Checked, format: &str, args: &[ExprId]) -> Result<(), Wrong> {
    let mut rest = format.bytes().peekable();
    let mut used = 0;
    while let Some(byte) = rest.next() {
        if byte != b'%' || rest.next_if_eq(&b'%').is_some() {
            continue;
        }
        if rest.peek().is_none() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        let Some(arg) = args.get(used) else {
            return Err((None, format!("index {used} out of range")));
        };
        used += 1;
        let clause = read_clause(&mut rest).map_err(|problem| {
            (
                None,
                format!("could not parse formatting clause: {problem}"),
            )
        })?;
        clause
            .check(checked, *arg)
            .map_err(|(at, problem)| (Some(at), format!("error during formatting: {problem}")))?;
    }
    if args.len() > used {
        let given = args.len();
        let message =
            format!("too many arguments supplied to string.format (expected {used}, got {given})");
        return Err((None, message));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    String,
    Decimal,
    Fixed,
    Scientific,
    Binary,
    Hex,
    Octal,
}

/// What follows a percent sign: a precision, if any, and a letter.
fn read_clause(rest: &mut std::iter::Peekable<impl Iterator<Item = u8>>) -> Result<Clause, String> {
    if rest.next_if_eq(&b'.').is_some() {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
            digits.push(char::from(digit));
        }
        if rest.peek().is_none() {
            return Err(
                "error while parsing precision: could not find end of precision specifier"
                    .to_owned(),
            );
        }
        if digits.parse::<i64>().is_err() {
            return Err(format!(
                "error while parsing precision: '{digits}' is not a number of digits"
            ));
        }
    }
    let letter = rest.next().unwrap_or_default();
    Ok(match letter {
        b's' => Clause::String,
        b'd' => Clause::Decimal,
        b'f' => Clause::Fixed,
        b'e' => Clause::Scientific,
        b'b' => Clause::Binary,
        b'x' | b'X' => Clause::Hex,
        b'o' => Clause::Octal,
        other => {
            let shown = char::from(other);
            return Err(format!("unrecognized formatting clause \"{shown}\""));
        }
    })
}

impl Clause {
    fn check(self, checked: &Checked, arg: ExprId) -> Result<(), (ExprId, String)> {
        if self == Self::String {
            return check_string(checked, arg);
        }
        let ty = checked.type_of(arg);
        if *ty == Type::Dyn {
            return Ok(());
        }
        let (fits, takes) = match self {
            Self::String => (true, ""),
            Self::Decimal => (
                matches!(ty, Type::Int | Type::Uint),
                "decimal clause can only be used on integers",
            ),
            Self::Fixed => (
                matches!(ty, Type::Double | Type::String),
                "fixed-point clause can only be used on doubles",
            ),
            Self::Scientific => (
                matches!(ty, Type::Double | Type::String),
                "scientific clause can only be used on doubles",
            ),
            Self::Binary => (
                matches!(ty, Type::Int | Type::Uint | Type::Bool),
                "only integers and bools can be formatted as binary",
            ),
            Self::Hex => (
                matches!(ty, Type::Int | Type::Uint | Type::String | Type::Bytes),
                "only integers, byte buffers, and strings can be formatted as hex",
            ),
            Self::Octal => (
                matches!(ty, Type::Int | Type::Uint),
                "octal clause can only be used on integers",
            ),
        };
        if fits {
            return Ok(());
        }
        Err((arg, format!("{takes}, was given {}", ty.runtime_name())))
    }
}

/// Everything in lists and maps that are written out, too. Nesting is bounded by the parser.
fn check_string(checked: &Checked, arg: ExprId) -> Result<(), (ExprId, String)> {
    let ty = checked.type_of(arg);
    if matches!(
        ty,
        Type::Any | Type::Optional(_) | Type::Object(_) | Type::Error | Type::Variable(_)
    ) {
        let given = ty.runtime_name();
        return Err((
            arg,
            format!(
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {given}"
            ),
        ));
    }
    match checked.ast.kind(arg) {
        Kind::List { elements, .. } => elements
            .iter()
            .try_for_each(|element| check_string(checked, *element)),
        Kind::Map(entries) => entries.iter().try_for_each(|entry| {
            check_string(checked, entry.key)?;
            check_string(checked, entry.value)
        }),
        _ => Ok(()),
    }
}
