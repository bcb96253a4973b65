//! Regular expressions with RE2's syntax, on Rust's engine.
//!
//! The two syntaxes are close relatives. A pattern is translated where they differ: Perl classes
//! and word boundaries are ASCII in RE2, what is special inside of brackets differs, and a brace
//! that counts nothing is a character. Both engines take time linear in the text.

mod translate;

use regex::{Regex, RegexBuilder};

use super::{Function, mismatch};
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Text, Value};

/// How large a compiled pattern may get, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Compiles a pattern of RE2's syntax. The problem is worded as upstream words it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate::translate(pattern)
        .map_err(|problem| format!("error parsing regexp: {problem}"))?;
    RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .build()
        .map_err(|problem| match problem {
            regex::Error::CompiledTooBig(_) => {
                "error parsing regexp: expression nests too deeply or is too large".to_owned()
            }
            _ => format!("error parsing regexp: invalid or unsupported syntax: `{pattern}`"),
        })
}

/// Compiles a pattern that is no constant, at the expense of the evaluation.
fn compile_now(pattern: &str, frame: &mut Frame<'_>) -> Result<Regex, String> {
    // Compiling is far dearer than upstream's account thinks: classes are large and counted
    // repetitions multiply.
    let counted = pattern.contains('{');
    let weight = if counted { 50_000 } else { 4_000 };
    if frame.work(weight + 200 * pattern.len() as u64).is_err() {
        return Err("too many expressions are compiled".to_owned());
    }
    compile(pattern)
}

/// A function whose pattern is known when the selector is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegexFunction {
    Matches,
    Find,
    FindAll,
}

impl RegexFunction {
    /// The function of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "matches" => Self::Matches,
            "find" => Self::Find,
            "findAll" => Self::FindAll,
            _ => return None,
        })
    }

    /// Applies a compiled pattern to the arguments of the call (the pattern among them).
    pub(crate) fn apply<'a>(
        self,
        regex: &Regex,
        args: &[Value<'a>],
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        let Some(Value::String(text)) = args.first() else {
            return Err(Failure::no_such_overload());
        };
        let whole = text.as_str();
        match self {
            Self::Matches => Ok(Value::Bool(regex.is_match(whole))),
            Self::Find => Ok(regex.find(whole).map_or_else(
                || Value::text(""),
                |found| part(text, found.start(), found.end()),
            )),
            Self::FindAll => {
                let most = match args.get(2) {
                    None => usize::MAX,
                    Some(Value::Int(most)) => usize::try_from(*most).unwrap_or(usize::MAX),
                    Some(_) => return Err(Failure::no_such_overload()),
                };
                frame.work(whole.len() as u64)?;
                Ok(Value::list(
                    regex
                        .find_iter(whole)
                        .take(most)
                        .map(|found| part(text, found.start(), found.end()))
                        .collect(),
                ))
            }
        }
    }

    fn call<'a>(
        self,
        name: &str,
        args: &[Value<'a>],
        frame: &mut Frame<'a>,
    ) -> Result<Value<'a>, Failure> {
        let (Some(Value::String(_)), Some(Value::String(pattern))) = (args.first(), args.get(1))
        else {
            return Err(match self {
                Self::Matches if matches!(args.first(), Some(Value::String(_))) => {
                    Failure::no_such_overload()
                }
                _ => mismatch(name, args),
            });
        };
        let regex = compile_now(pattern.as_str(), frame).map_err(|problem| {
            Failure::argument(match self {
                Self::Matches => problem,
                Self::Find | Self::FindAll => format!("Illegal regex: {problem}"),
            })
        })?;
        self.apply(&regex, args, frame)
    }
}

fn part<'a>(text: &Text<'a>, start: usize, end: usize) -> Value<'a> {
    match text {
        Text::Borrowed(text) => Value::text(text.get(start..end).unwrap_or_default()),
        Text::Shared(text) => Value::string(text.get(start..end).unwrap_or_default()),
    }
}

/// The functions of this module, for patterns that are no constants.
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "matches" => |frame, args| RegexFunction::Matches.call("matches", args, frame),
        "find" => |frame, args| RegexFunction::Find.call("find", args, frame),
        "findAll" => |frame, args| RegexFunction::FindAll.call("findAll", args, frame),
        _ => return None,
    })
}
