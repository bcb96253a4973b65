//! The functions that selectors can call.
//!
//! A function is looked up once, when a selector is planned, and dispatches on the types of its
//! arguments when it runs: the checker lets `dyn` through, so every function has to look anyway.
//! What a call costs is decided apart, in [`super::price`].

pub(crate) mod convert;
pub(crate) mod convert_double;
pub(crate) mod formats;
mod lists;
mod net;
pub(crate) mod operators;
mod optionals;
pub(crate) mod quantities;
pub(crate) mod regexes;
pub(crate) mod semver;
mod sets;
mod sort;
mod string_format;
mod strings;
mod time;
pub(crate) mod url;

use super::evaluate::{Failure, Frame};
use super::validate::LiteralRules;
use super::value::Value;

/// A function: its arguments, the target of a member call first, have been evaluated.
pub(crate) type Function = for<'a> fn(&mut Frame<'a>, &[Value<'a>]) -> Result<Value<'a>, Failure>;

/// The function of a name. Where a name stands for unrelated functions, the overload that the
/// checker chose decides.
pub(crate) fn function(name: &str, overload: Option<&str>) -> Option<Function> {
    operators::function(name)
        .or_else(|| convert::function(name))
        .or_else(|| strings::function(name))
        .or_else(|| lists::function(name, overload))
        .or_else(|| sort::function(name))
        .or_else(|| sets::function(name))
        .or_else(|| optionals::function(name))
        .or_else(|| quantities::function(name))
        .or_else(|| semver::function(name))
        .or_else(|| regexes::function(name))
        .or_else(|| net::function(name, overload))
        .or_else(|| url::function(name))
        .or_else(|| formats::function(name))
        .or_else(|| time::function(name))
}

/// No overload of the function takes these arguments.
pub(crate) fn mismatch(function: &str, args: &[Value<'_>]) -> Failure {
    let types: Vec<&str> = args.iter().map(Value::type_name).collect();
    Failure::no_such_overload_of(function, &types)
}

/// What the functions take as literals, for those who check them when a selector is compiled.
pub(crate) const LITERAL_RULES: LiteralRules = LiteralRules {
    is_duration: |text| time::parse_duration(text).is_some(),
    is_timestamp: |text| {
        time::parse_timestamp(text).is_some_and(|time| convert::is_representable(time.seconds))
    },
    is_unix_time: convert::is_representable,
    is_regex: |pattern| regexes::compile(pattern).is_ok(),
};
