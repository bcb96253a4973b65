//! What a call costs when it runs, in upstream's units: the rules of cel-go's tracker, of its
//! extensions and of Kubernetes' own estimator, in the order in which upstream asks them.
//!
//! The rule of a call is fixed when the selector is planned. It may depend on the overload that the
//! checker chose: where `dyn` left several, upstream charges one unit for what would otherwise
//! cost by size.

use super::ast::operator;
use super::evaluate::{Failure, Frame};
use super::value::{Value, characters};

/// What traversing one character or byte costs.
const SCAN: f64 = 0.1;

/// What one character of a regular expression costs.
const REGEX: f64 = 0.25;

/// What making a list costs.
pub(crate) const LIST: u64 = 10;

/// What making a map costs.
pub(crate) const MAP: u64 = 30;

/// What making a message costs.
pub(crate) const STRUCT: u64 = 40;

/// An argument or a result: nothing where it failed.
pub(crate) type Operand<'v, 'a> = Option<&'v Value<'a>>;

/// The rule by which a call is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Price {
    /// One unit.
    One,
    /// Reading the first argument.
    ReadFirst,
    /// Reading the second argument.
    ReadSecond,
    /// Reading the first argument and writing as much.
    ReadTwice,
    /// Reading two arguments and writing both.
    ReadBoth,
    /// Comparing up to the length of the shorter.
    Shorter,
    /// The same, but one unit for the types that Kubernetes adds.
    Equality,
    /// The number of elements of the second argument.
    Elements,
    /// Applying a regular expression.
    Matches,
    /// Looking for a string in a string.
    Contains,
    /// Walking the first argument with everything in it.
    Traversal,
    /// Writing the result, twice.
    Join,
    /// `containsIP`; with a text, reading it.
    ContainsIp { text: bool },
    /// `containsCIDR`; with a text, reading it.
    ContainsCidr { text: bool },
    /// Applying the expression of a format.
    Validate,
    /// Making a list as long as the result.
    Output,
    /// Making a list as long as the first argument, for each level.
    Flatten,
    /// Comparing the elements of this argument with one another.
    SelfCompare(usize),
    /// Comparing two lists so many times.
    Sets(u64),
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream's units are computed so"
)]
fn scaled(size: u64, factor: f64) -> u64 {
    // The same in whole numbers: no product this small rounds across one.
    if size <= u64::from(u32::MAX) {
        if factor == SCAN {
            return size.div_ceil(10);
        }
        if factor == REGEX {
            return size.div_ceil(4);
        }
    }
    (size as f64 * factor).ceil() as u64
}

impl Price {
    /// The rule for a call.
    pub(crate) fn of(function: &str, overload: Option<&str>) -> Self {
        Self::of_extension(overload)
            .or_else(|| Self::of_kubernetes(function, overload))
            .unwrap_or_else(|| Self::of_language(overload))
    }

    fn of_extension(overload: Option<&str>) -> Option<Self> {
        Some(match overload? {
            "list_slice" | "lists_range" | "list_reverse" => Self::Output,
            "list_flatten" | "list_flatten_int" => Self::Flatten,
            "list_distinct" => Self::SelfCompare(0),
            "list_sets_contains_list" | "list_sets_intersects_list" => Self::Sets(1),
            "list_sets_equivalent_list" => Self::Sets(2),
            overload if overload.starts_with("list_") && overload.ends_with("_sort") => {
                Self::SelfCompare(0)
            }
            overload if overload.ends_with("_sortByAssociatedKeys") => Self::SelfCompare(1),
            _ => return None,
        })
    }

    fn of_kubernetes(function: &str, overload: Option<&str>) -> Option<Self> {
        Some(match function {
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => {
                Self::Traversal
            }
            "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "cidr" | "isIP"
            | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => Self::ReadFirst,
            "ip" if overload == Some("cidr_ip") => Self::One,
            "ip" => Self::ReadFirst,
            "replace" | "split" | "ip.isCanonical" => Self::ReadTwice,
            "join" => Self::Join,
            "find" | "findAll" => Self::Matches,
            "containsIP" => Self::ContainsIp {
                text: overload == Some("cidr_contains_ip_string"),
            },
            "containsCIDR" => Self::ContainsCidr {
                text: overload == Some("cidr_contains_cidr_string"),
            },
            "validate" => Self::Validate,
            operator::EQUALS => Self::Equality,
            _ => return None,
        })
    }

    fn of_language(overload: Option<&str>) -> Self {
        match overload {
            Some("starts_with_string" | "ends_with_string") => Self::ReadSecond,
            Some("string_to_bytes" | "bytes_to_string" | "strings_quote" | "string_format") => {
                Self::ReadFirst
            }
            Some("in_list") => Self::Elements,
            Some(
                "less_string"
                | "greater_string"
                | "less_equals_string"
                | "greater_equals_string"
                | "less_bytes"
                | "greater_bytes"
                | "less_equals_bytes"
                | "greater_equals_bytes"
                | "equals"
                | "not_equals",
            ) => Self::Shorter,
            Some("add_string" | "add_bytes") => Self::ReadBoth,
            Some("matches" | "matches_string") => Self::Matches,
            Some("contains_string") => Self::Contains,
            _ => Self::One,
        }
    }

    /// Whether the result has to be known.
    pub(crate) fn needs_result(self) -> bool {
        matches!(self, Self::Join | Self::Output)
    }

    /// What the call costs. Where upstream's tracker panics, the evaluation ends.
    pub(crate) fn cost<'a>(
        self,
        args: &[Operand<'_, 'a>],
        result: Operand<'_, 'a>,
        frame: &mut Frame<'a>,
    ) -> Result<u64, Failure> {
        let size = |index: usize| match args.get(index) {
            Some(Some(value)) => value.size(&frame.domains),
            _ => 1,
        };
        Ok(match self {
            Self::One => 1,
            Self::ReadFirst => scaled(size(0), SCAN),
            Self::ReadSecond => scaled(size(1), SCAN),
            Self::ReadTwice => scaled(size(0).saturating_mul(2), SCAN),
            Self::ReadBoth => scaled(size(0).saturating_add(size(1)), SCAN),
            Self::Equality if matches!(args.first(), Some(Some(value)) if is_kubernetes(value)) => {
                1
            }
            Self::Shorter | Self::Equality => {
                let inner = |index: usize| match args.get(index) {
                    Some(Some(value)) => inner_size(value, frame),
                    _ => 1,
                };
                scaled(inner(0).min(inner(1)), SCAN)
            }
            Self::Elements => size(1),
            Self::Matches => {
                scaled(size(0).saturating_add(1), SCAN).saturating_mul(scaled(size(1), REGEX))
            }
            Self::Contains => scaled(size(0), SCAN).saturating_mul(scaled(size(1), SCAN)),
            Self::Traversal => match args.first() {
                Some(Some(value)) => traversal(value, frame)?,
                _ => 1,
            },
            Self::Join => {
                let written = result.map_or(1, |value| value.size(&frame.domains));
                scaled(written.saturating_mul(2), SCAN)
            }
            Self::ContainsIp { text } => {
                let read = if text { scaled(size(1), SCAN) } else { 0 };
                scaled(size(0) * 2, SCAN) + read
            }
            Self::ContainsCidr { text } => {
                let read = if text { scaled(size(1), SCAN) } else { 0 };
                scaled(size(0) * 2, SCAN) + scaled(size(0), SCAN) + 1 + read
            }
            Self::Validate => match args.first() {
                Some(Some(Value::Format(format))) => scaled(size(1).saturating_add(1), SCAN)
                    .saturating_mul(scaled(format.regex_size, REGEX)),
                _ => 1,
            },
            Self::Output => allocation(result.map_or(1, |value| value.size(&frame.domains)), 1.0),
            Self::Flatten => {
                #[expect(clippy::cast_precision_loss, reason = "upstream's units")]
                let depth = match args.get(1) {
                    None => 1.0,
                    Some(Some(Value::Int(depth))) => *depth as f64,
                    Some(other) => return Err(not_a("types.Int", *other)),
                };
                allocation(size(0), depth)
            }
            Self::SelfCompare(index) => match args.get(index).copied().flatten() {
                Some(Value::List(list)) => {
                    let reads = matches!(list.get(0), Some(Value::String(_) | Value::Bytes(_)));
                    let factor = if reads { 2.0 + SCAN } else { 2.0 };
                    allocation(list.len().saturating_mul(list.len()), factor)
                }
                other => return Err(not_a("traits.Lister", other)),
            },
            Self::Sets(times) => size(0)
                .saturating_mul(size(1))
                .saturating_mul(times)
                .saturating_add(1),
        })
    }
}

/// Comparing two strings up to the length of the shorter.
pub(crate) fn shorter(a: &str, b: &str) -> u64 {
    scaled(characters(a).min(characters(b)), SCAN)
}

/// Making a list by so many steps.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream's units are computed so"
)]
fn allocation(size: u64, factor: f64) -> u64 {
    let factor = if factor < 0.0 { 1.0 } else { factor };
    ((size as f64 * factor) as u64).saturating_add(1 + LIST)
}

/// Upstream's tracker takes the type for granted and panics.
fn not_a(wanted: &str, found: Operand<'_, '_>) -> Failure {
    let found = found.map_or("*types.Err", Value::type_name);
    Failure::internal(format_args!(
        "interface conversion: {found} is not {wanted}"
    ))
}

fn is_kubernetes(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Quantity(_)
            | Value::Capacity(_)
            | Value::ConstantQuantity(_)
            | Value::Semver(_)
            | Value::Url(_)
            | Value::Ip(_)
            | Value::Cidr(_)
            | Value::Format(_)
    )
}

/// The size, of an optional that of its value.
fn inner_size<'a>(value: &Value<'a>, frame: &Frame<'a>) -> u64 {
    let mut value = value;
    while let Value::Optional(Some(inner)) = value {
        value = inner;
    }
    value.size(&frame.domains)
}

/// What walking a value costs.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream's units are computed so"
)]
fn traversal<'a>(value: &Value<'a>, frame: &mut Frame<'a>) -> Result<u64, Failure> {
    frame.work(1)?;
    let text = |len: usize| (len as f64 * SCAN) as u64;
    Ok(match value {
        Value::String(value) => text(value.as_str().len()),
        Value::Bytes(bytes) => text(bytes.len()),
        Value::List(list) => {
            let mut cost = 0u64;
            for item in list.iter() {
                cost = cost.saturating_add(traversal(&item, frame)?);
            }
            cost
        }
        Value::Map(map) => {
            let mut cost = 0u64;
            for (key, value) in map.to_vec(&frame.domains) {
                cost = cost
                    .saturating_add(traversal(&key, frame)?)
                    .saturating_add(traversal(&value, frame)?);
            }
            cost
        }
        _ => 1,
    })
}
