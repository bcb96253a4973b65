//! Why a part of a selector has no value.
//!
//! Most failures are values to the language: `&&`, `||` and `?:` may never look at them. Those
//! that [end the evaluation](Failure::ends_evaluation) are not: running out of cost, and what makes
//! upstream's evaluator panic.

use std::borrow::Cow;
use std::fmt;

use crate::cel::ErrorKind;
use crate::cel::value::UnhashableKey;

/// A failure. Small, for it travels in every result.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    ends_evaluation: bool,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            ends_evaluation: false,
        }))
    }

    /// A failure that nothing absorbs.
    pub(crate) fn end(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            ends_evaluation: true,
        }))
    }

    /// An argument that is outside of what the function takes.
    pub(crate) fn argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Arguments of types that no overload takes.
    pub(crate) fn no_such_overload() -> Self {
        Self::new(ErrorKind::Type, "no such overload")
    }

    /// Arguments of types that no overload of `function` takes.
    pub(crate) fn no_such_overload_of(function: &str, types: &[&str]) -> Self {
        let types = types.join(", ");
        Self::new(
            ErrorKind::Type,
            format!("no such overload: {function}({types})"),
        )
    }

    pub(crate) fn overflow(message: &'static str) -> Self {
        Self::new(ErrorKind::Overflow, message)
    }

    pub(crate) fn nan() -> Self {
        Self::argument("NaN values cannot be ordered")
    }

    pub(crate) fn no_such_key(key: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NoSuchKey, format!("no such key: {key}"))
    }

    /// The cost limit is exceeded.
    pub(crate) fn cost_exceeded() -> Self {
        Self::end(
            ErrorKind::CostExceeded,
            "operation cancelled: actual cost limit exceeded",
        )
    }

    /// Where upstream's evaluator panics.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::end(ErrorKind::Other, format!("internal error: {message}"))
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether no operator may absorb it.
    pub(crate) fn ends_evaluation(&self) -> bool {
        self.0.ends_evaluation
    }
}

impl From<UnhashableKey> for Failure {
    fn from(key: UnhashableKey) -> Self {
        Self::internal(format_args!(
            "runtime error: hash of unhashable type {}",
            key.0
        ))
    }
}
