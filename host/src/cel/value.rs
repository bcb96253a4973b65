//! Values of the language while a selector is evaluated.
//!
//! Most of what a selector looks at is already in memory: text of the device, constants of the
//! program. A value therefore borrows where it can ([`Text`], [`List`], [`Map`]) and shares by
//! count where something was computed, so that the usual selector allocates nothing.

mod compare;
mod key;
mod list;
mod map;
mod show;

use std::net::IpAddr;
use std::sync::Arc;

use crate::quantity::Quantity;

pub(crate) use compare::{compare, equal, is_comparable};
pub(crate) use key::{Key, UnhashableKey, double_as_int, double_as_uint};
pub(crate) use list::List;
pub(crate) use map::{Entries, Map};
pub(crate) use show::show;

use super::device::Domains;
use super::library::formats::NamedFormat;
use super::library::url::Url;

/// A string, borrowed from the device or the program, or computed.
#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

/// A point in time with the offset from UTC in which it was written: only printing looks at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timestamp {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// Seconds east of UTC.
    pub(crate) offset: i32,
}

/// An address with a prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

/// A quantity that was parsed or computed.
#[derive(Debug, Clone)]
pub(crate) struct QuantityValue {
    pub(crate) quantity: Quantity,
    /// The same as a whole number, where that is quick to tell.
    pub(crate) whole: Option<i64>,
    /// The answer of `add` or `sub`. Upstream's `==` does not know such values on its right-hand
    /// side and fails; the same selector has to fail here.
    pub(crate) computed: bool,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    Timestamp(Timestamp),
    /// Nanoseconds.
    Duration(i64),
    List(List<'a>),
    Map(Map<'a>),
    /// The run-time name of a type.
    Type(&'static str),
    Optional(Option<Arc<Value<'a>>>),
    Quantity(Arc<QuantityValue>),
    /// A capacity of the device, not parsed yet.
    Capacity(&'a str),
    /// The text of a version that is known to parse.
    Semver(Text<'a>),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Format(&'static NamedFormat),
    /// Quantities of the device that are constants of the program.
    ConstantQuantity(&'a QuantityValue),
}

impl<'a> Value<'a> {
    /// A borrowed string.
    pub(crate) fn text(text: &'a str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    /// A computed string.
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::String(Text::from(text.into()))
    }

    /// A computed list.
    pub(crate) fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Shared(Arc::new(items)))
    }

    /// An optional that has a value.
    pub(crate) fn some(self) -> Self {
        Self::Optional(Some(Arc::new(self)))
    }

    /// A computed map.
    pub(crate) fn entries(entries: Entries<'a>) -> Self {
        Self::Map(Map::Shared(Arc::new(entries)))
    }

    /// The string, if it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The run-time name of the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Quantity(_) | Self::Capacity(_) | Self::ConstantQuantity(_) => {
                "kubernetes.Quantity"
            }
            Self::Semver(_) => "kubernetes.Semver",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Format(_) => "kubernetes.NamedFormat",
        }
    }

    /// The size that the cost account goes by: characters, bytes, elements, entries, and one for
    /// everything without a size.
    pub(crate) fn size(&self, domains: &Domains<'a>) -> u64 {
        match self {
            Self::String(text) => characters(text.as_str()),
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(domains),
            Self::Ip(IpAddr::V4(_)) => 4,
            Self::Ip(IpAddr::V6(_)) => 16,
            Self::Cidr(cidr) => u64::from(cidr.bits.div_ceil(8)),
            _ => 1,
        }
    }

    /// What `optional.ofNonZeroValue` takes for no value.
    pub(crate) fn is_zero(&self, domains: &Domains<'a>) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Int(value) | Self::Duration(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::String(text) => text.as_str().is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            // The first instant of year one.
            Self::Timestamp(time) => time.seconds == -62_135_596_800 && time.nanos == 0,
            Self::List(list) => list.len() == 0,
            Self::Map(map) => map.is_zero(domains),
            _ => false,
        }
    }

    /// The same value, borrowing what can be borrowed.
    pub(crate) fn borrowed(&'a self) -> Value<'a> {
        match self {
            Self::String(Text::Shared(text)) => Value::text(text),
            Self::Semver(Text::Shared(text)) => Value::Semver(Text::Borrowed(text)),
            Self::List(List::Shared(items)) => Value::List(List::Items(items)),
            Self::Map(Map::Shared(entries)) => Value::Map(Map::Entries(entries)),
            Self::Quantity(quantity) => Value::ConstantQuantity(quantity),
            other => other.clone(),
        }
    }
}

/// The number of characters; most text is short and ASCII.
pub(crate) fn characters(text: &str) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    text.chars().count() as u64
}
