//! What one call costs, beyond its arguments, and how large its result is.
//!
//! cel-go charges by overload; Kubernetes and the extensions charge first, by function.

use super::place::{Place, Step};
use super::range::Range;
use crate::cel::types::{Object, Type};

/// An argument as the account sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand<'c> {
    pub(super) ty: &'c Type,
    pub(super) place: Option<Place>,
    pub(super) size: Option<Range>,
    /// The value if it is an int literal.
    pub(super) int: Option<i64>,
}

/// One call of a known function with one of its overloads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'c> {
    pub(super) function: &'c str,
    pub(super) overload: &'static str,
    pub(super) target: Option<&'c Operand<'c>>,
    pub(super) args: &'c [Operand<'c>],
}

/// The charge for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) cost: Range,
    pub(super) result_size: Option<Range>,
}

/// Cost units per character looked at once.
pub(super) const PER_CHARACTER: f64 = 0.1;
/// Cost units per character of a regular expression, for each unit of the text's.
const PER_REGEX_CHARACTER: f64 = 0.25;
const NEW_LIST: u64 = 10;
/// The longest regular expression behind a named format.
const LONGEST_FORMAT_REGEX: f64 = 128.0;
/// The longest name of a format.
const LONGEST_FORMAT_NAME: u64 = 64;
/// The bytes of an IPv4 and of an IPv6 address.
const ADDRESS: Range = Range { min: 4, max: 16 };
const AUTHORIZATION_CHECK: u64 = 350_000;

impl Operand<'_> {
    pub(super) fn size_or_unknown(&self) -> Range {
        self.size.unwrap_or(Range::UNKNOWN)
    }

    /// A first type parameter, and how large values of it are here.
    fn element(&self) -> Option<(&Type, Range)> {
        let [element, _] = self.ty.parameters();
        let place = self.place.and_then(|place| place.step(Step::Elements));
        Some((element?, place.map_or(Range::UNKNOWN, Place::size)))
    }

    /// A literal's value, 0 for negative ones.
    fn literal_or(&self, default: u64) -> u64 {
        self.int
            .map_or(default, |value| u64::try_from(value).unwrap_or(0))
    }
}

fn cost(cost: Range) -> Charge {
    Charge {
        cost,
        result_size: None,
    }
}

fn sized(cost: Range, result_size: Range) -> Charge {
    Charge {
        cost,
        result_size: Some(result_size),
    }
}

const ONE: Range = Range::fixed(1);

/// The charge for the call itself, arguments not included. None if it is cel-go's usual one.
pub(super) fn charge(call: Call<'_>) -> Option<Charge> {
    list_extension(call).or_else(|| kubernetes(call))
}

/// Functions of cel-go's list and set extensions.
fn list_extension(call: Call<'_>) -> Option<Charge> {
    let allocating = |factor: f64, size: Range| {
        let cost = size.scaled(factor).plus(ONE).plus(Range::fixed(NEW_LIST));
        Some(sized(cost, size))
    };
    let sort = |by: &Operand<'_>, factor: f64| {
        let size = by.size_or_unknown();
        allocating(factor, size.times(size))
    };
    let text = 2.0 + PER_CHARACTER;
    match (call.overload, call.target, call.args) {
        ("list_slice", Some(list), [start, end]) => {
            let end = end.literal_or(list.size_or_unknown().max);
            let size = Range::fixed(end.wrapping_sub(start.literal_or(0)));
            allocating(1.0, size)
        }
        ("list_flatten", Some(list), []) => allocating(1.0, list.size_or_unknown()),
        ("list_flatten_int", Some(list), [depth]) => {
            allocating(depth.literal_or(u64::MAX) as f64, list.size_or_unknown())
        }
        ("lists_range", None, [end]) => allocating(1.0, Range::fixed(end.literal_or(u64::MAX))),
        ("list_reverse", Some(list), []) => allocating(1.0, list.size_or_unknown()),
        ("list_distinct", Some(list), []) => sort(list, 2.0),
        ("list_string_sort" | "list_bytes_sort", Some(list), []) => sort(list, text),
        (
            "list_string_sortByAssociatedKeys" | "list_bytes_sortByAssociatedKeys",
            Some(_),
            [keys],
        ) => sort(keys, text),
        (overload, Some(list), []) if overload.ends_with("_sort") => sort(list, 2.0),
        (overload, Some(_), [keys]) if overload.ends_with("_sortByAssociatedKeys") => {
            sort(keys, 2.0)
        }
        (overload, _, [left, right]) if overload.starts_with("list_sets_") => {
            let factor = if overload == "list_sets_equivalent_list" {
                2.0
            } else {
                1.0
            };
            let pairs = left.size_or_unknown().times(right.size_or_unknown());
            Some(cost(pairs.scaled(factor).plus(ONE)))
        }
        _ => None,
    }
}

/// Functions that Kubernetes' own estimator knows.
fn kubernetes(call: Call<'_>) -> Option<Charge> {
    let parsed = |text: &Operand<'_>| cost(text.size_or_unknown().scaled(PER_CHARACTER));
    Some(match (call.function, call.target, call.args) {
        ("check", ..) => cost(Range::fixed(AUTHORIZATION_CHECK)),
        (
            "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name"
            | "allowed" | "reason" | "error" | "errored",
            ..,
        ) => cost(ONE),
        ("fieldSelector" | "labelSelector", _, [selector]) => {
            let length = selector.size_or_unknown();
            let requirements = length.scaled(0.5).scaled(50.0);
            let parse = length.scaled(PER_CHARACTER);
            cost(Range::fixed(NEW_LIST).plus(parse).plus(requirements))
        }
        (
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes",
            Some(target),
            _,
        ) => cost(search(call.function, target)),
        ("url", _, [text]) => sized(parsed(text).cost, text.size_or_unknown()),
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => {
            sized(parsed(text).cost, text.size_or_unknown())
        }
        ("replace", Some(text), [old, new, ..]) => replace(text, old, new),
        ("split", Some(text), args) => {
            let size = text.size_or_unknown();
            // A limit of -1 is none.
            let limit = args.get(1).and_then(|limit| limit.int);
            let most = limit.map_or(size.max, |limit| limit as u64);
            sized(size.scaled(2.0 * PER_CHARACTER), Range::up_to(most))
        }
        ("join", Some(list), args) => join(list, args.first()),
        ("find" | "findAll", Some(text), [regex, ..]) => {
            let size = text.size_or_unknown();
            sized(regex_match(size, regex), Range::up_to(size.max))
        }
        ("ip", ..) if call.overload == "cidr_ip" => cost(ONE),
        (
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver",
            _,
            [text, ..],
        ) => parsed(text),
        ("ip.isCanonical", _, [text, ..]) => {
            cost(text.size_or_unknown().scaled(2.0 * PER_CHARACTER))
        }
        (
            "masked"
            | "prefixLength"
            | "family"
            | "isUnspecified"
            | "isLoopback"
            | "isLinkLocalMulticast"
            | "isLinkLocalUnicast"
            | "isGlobalUnicast"
            | "format.named"
            | "sign"
            | "asInteger"
            | "isInteger"
            | "asApproximateFloat"
            | "isGreaterThan"
            | "isLessThan"
            | "compareTo"
            | "add"
            | "sub"
            | "major"
            | "minor"
            | "patch"
            | "getScheme"
            | "getHostname"
            | "getHost"
            | "getPort"
            | "getEscapedPath"
            | "getQuery",
            ..,
        ) => cost(ONE),
        ("containsIP" | "containsCIDR", _, [other, ..]) => contains_address(call, other),
        ("validate", _, [text, ..]) => cost(
            parsed(text)
                .cost
                .scaled(LONGEST_FORMAT_REGEX * PER_REGEX_CHARACTER),
        ),
        ("_==_", _, [left, right]) => cost(object_equality(left.ty, right)?),
        _ => return None,
    })
}

/// One pass over a list, its strings included, or over a string.
fn search(function: &str, target: &Operand<'_>) -> Range {
    let size = target.size_or_unknown();
    match target.element() {
        Some((Type::String | Type::Bytes, element)) => {
            size.times(ONE.plus(element.scaled(PER_CHARACTER)))
        }
        Some(_) => size,
        None if function == "includes" => size,
        None => size.scaled(PER_CHARACTER),
    }
}

fn replace(text: &Operand<'_>, old: &Operand<'_>, new: &Operand<'_>) -> Charge {
    let (size, old, new) = (
        text.size_or_unknown(),
        old.size_or_unknown(),
        new.size_or_unknown(),
    );
    let quotient = |size: u64, by: u64| (size as f64 / by as f64).ceil() as u64;
    // How many replacements there are, and how much of the text stays.
    let (most, most_kept) = if old.min == 0 {
        (size.max.saturating_add(1), size.max)
    } else if new.max <= old.min {
        (0, size.max)
    } else {
        (quotient(size.max, old.min), 0)
    };
    let (least, least_kept) = if old.max == 0 {
        (size.min.saturating_add(1), size.min)
    } else if old.max <= new.min {
        (0, size.min)
    } else {
        (quotient(size.min, old.max), 0)
    };
    let count = Range {
        min: least,
        max: most,
    };
    let kept = Range {
        min: least_kept,
        max: most_kept,
    };
    sized(
        size.scaled(2.0 * PER_CHARACTER),
        count.times(new).plus(kept),
    )
}

fn join(list: &Operand<'_>, separator: Option<&Operand<'_>>) -> Charge {
    let length = list.size_or_unknown();
    let mut size = list
        .element()
        .map_or(Range::ZERO, |(_, element)| length.times(element));
    if let Some(separator) = separator {
        let separators = Range {
            min: length.min.saturating_sub(1),
            max: length.max.saturating_sub(1),
        };
        size = size.plus(separator.size_or_unknown().times(separators));
    }
    sized(size.scaled(PER_CHARACTER), size)
}

/// Matching a text of a size against a regular expression.
pub(super) fn regex_match(text: Range, regex: &Operand<'_>) -> Range {
    let text = text.plus(ONE).scaled(PER_CHARACTER);
    text.times(regex.size_or_unknown().scaled(PER_REGEX_CHARACTER))
}

fn contains_address(call: Call<'_>, other: &Operand<'_>) -> Charge {
    let mut sum = ADDRESS.plus(ADDRESS).scaled(PER_CHARACTER);
    if call.function == "containsCIDR" {
        sum = sum.plus(ADDRESS.scaled(PER_CHARACTER)).plus(ONE);
    }
    if matches!(
        call.overload,
        "cidr_contains_ip_string" | "cidr_contains_cidr_string"
    ) {
        sum = sum.plus(other.size_or_unknown().scaled(PER_CHARACTER));
    }
    cost(sum)
}

/// Equality of two values of one of Kubernetes' own types.
fn object_equality(left: &Type, right: &Operand<'_>) -> Option<Range> {
    match (left, right.ty) {
        (Type::Object(Object::Device), _) => None,
        (Type::Object(left), Type::Object(other)) if left == other => Some(match left {
            Object::NamedFormat => Range {
                min: 1,
                max: LONGEST_FORMAT_NAME,
            }
            .scaled(PER_CHARACTER),
            Object::Url => Range {
                min: 1,
                max: right.size.map_or(1, |size| size.max),
            }
            .scaled(PER_CHARACTER),
            _ => ONE,
        }),
        _ => None,
    }
}
