//! Maps: literals and what macros build, and the views of the device that are read like maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key::{double_as_int, double_as_uint};
use super::{Key, Text, UnhashableKey, Value};
use crate::cel::device::{DomainKind, Domains, FIELDS};

/// A map with its entries in memory, in the order of its keys. Upstream's order is random.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entries<'a> {
    entries: BTreeMap<Key<'a>, Value<'a>>,
    ordinal: u64,
}

impl<'a> Entries<'a> {
    /// Sets an entry, whatever was there.
    pub(crate) fn set(&mut self, key: &Value<'a>, value: Value<'a>) -> Result<(), UnhashableKey> {
        self.ordinal += 1;
        self.entries.insert(Key::of(key, self.ordinal)?, value);
        Ok(())
    }

    /// Removes the entry of exactly this key.
    pub(crate) fn remove(&mut self, key: &Value<'a>) -> Result<(), UnhashableKey> {
        self.entries.remove(&Key::of(key, 0)?);
        Ok(())
    }

    /// The value of a key; a number is also looked for as the same number of another type.
    pub(crate) fn find(&self, key: &Value<'a>) -> Result<Option<&Value<'a>>, UnhashableKey> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        if let Some(value) = self.entries.get(&Key::of(key, 0)?) {
            return Ok(Some(value));
        }
        Ok(match key {
            Value::Double(double) => double_as_int(*double)
                .and_then(|int| self.entries.get(&Key::Int(int)))
                .or_else(|| {
                    double_as_uint(*double).and_then(|uint| self.entries.get(&Key::Uint(uint)))
                }),
            Value::Int(int) => u64::try_from(*int)
                .ok()
                .and_then(|uint| self.entries.get(&Key::Uint(uint))),
            Value::Uint(uint) => i64::try_from(*uint)
                .ok()
                .and_then(|int| self.entries.get(&Key::Int(int))),
            _ => None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key<'a>, &Value<'a>)> {
        self.entries.iter()
    }
}

/// A map.
#[derive(Debug, Clone)]
pub(crate) enum Map<'a> {
    Entries(&'a Entries<'a>),
    Shared(Arc<Entries<'a>>),
    /// The variable `device`.
    Device,
    /// `device.attributes` or `device.capacity`: of every domain there is.
    Domains(DomainKind),
    /// The names of one domain that there is.
    Names(DomainKind, &'a str),
    /// The names of a domain that there is not.
    Empty,
}

impl<'a> Map<'a> {
    /// The number of entries.
    pub(crate) fn len(&self, domains: &Domains<'a>) -> u64 {
        match self {
            Self::Entries(entries) => entries.len() as u64,
            Self::Shared(entries) => entries.len() as u64,
            Self::Device => FIELDS.len() as u64,
            Self::Domains(kind) => domains.domain_count(*kind),
            Self::Names(kind, domain) => domains.name_count(*kind, domain),
            Self::Empty => 0,
        }
    }

    /// Whether `optional.ofNonZeroValue` takes it for no value: upstream's wrapper around the
    /// maps of domains cannot be asked.
    pub(crate) fn is_zero(&self, domains: &Domains<'a>) -> bool {
        !matches!(self, Self::Domains(_)) && self.len(domains) == 0
    }

    /// The value of a key. A domain that does not exist is an empty map.
    pub(crate) fn find(
        &self,
        key: &Value<'a>,
        domains: &Domains<'a>,
    ) -> Result<Option<Value<'a>>, UnhashableKey> {
        match self {
            Self::Entries(entries) => Ok(entries.find(key)?.cloned()),
            Self::Shared(entries) => Ok(entries.find(key)?.cloned()),
            Self::Device => Ok(key.as_str().and_then(|name| domains.field(name))),
            Self::Domains(kind) => Ok(Some(Value::Map(
                key.as_str()
                    .and_then(|domain| domains.domain(*kind, domain))
                    .map_or(Self::Empty, |domain| Self::Names(*kind, domain)),
            ))),
            Self::Names(kind, domain) => Ok(key
                .as_str()
                .and_then(|name| domains.named(*kind, domain, name))),
            Self::Empty => Ok(None),
        }
    }

    /// Whether `in` finds the key: unlike [`Map::find`] it knows which domains exist.
    pub(crate) fn contains(
        &self,
        key: &Value<'a>,
        domains: &Domains<'a>,
    ) -> Result<bool, UnhashableKey> {
        if let Self::Domains(kind) = self {
            return Ok(key
                .as_str()
                .is_some_and(|domain| domains.domain(*kind, domain).is_some()));
        }
        Ok(self.find(key, domains)?.is_some())
    }

    /// Keys and values, in the order of the keys.
    pub(crate) fn to_vec(&self, domains: &Domains<'a>) -> Vec<(Value<'a>, Value<'a>)> {
        let of = |entries: &Entries<'a>| {
            entries
                .iter()
                .map(|(key, value)| (key.value(), value.clone()))
                .collect()
        };
        match self {
            Self::Entries(entries) => of(entries),
            Self::Shared(entries) => of(entries),
            Self::Device => FIELDS
                .iter()
                .filter_map(|name| Some((Value::text(name), domains.field(name)?)))
                .collect(),
            Self::Domains(kind) => domains
                .domains(*kind)
                .into_iter()
                .map(|domain| (Value::text(domain), Value::Map(Self::Names(*kind, domain))))
                .collect(),
            Self::Names(kind, domain) => domains
                .names(*kind, domain)
                .into_iter()
                .map(|(name, value)| (Value::String(Text::Borrowed(name)), value))
                .collect(),
            Self::Empty => Vec::new(),
        }
    }
}
