//! Lists: of the device, of the program, computed, joined and counted.
//!
//! Joining two lists keeps both, as upstream does, so `a + a` repeated a hundred times is a list
//! of 2^100 elements that takes a hundred small nodes; whoever walks one pays for every element.

use std::sync::Arc;

use super::{Text, Value};

/// A list.
#[derive(Debug, Clone)]
pub(crate) enum List<'a> {
    Items(&'a [Value<'a>]),
    Shared(Arc<Vec<Value<'a>>>),
    Joined(Arc<Joined<'a>>),
    /// The integers from zero up to here.
    Range(u64),
    Ints(&'a [i64]),
    Bools(&'a [bool]),
    Strings(&'a [String]),
    Versions(&'a [String]),
}

/// Two lists, neither of them empty, seen as one.
#[derive(Debug)]
pub(crate) struct Joined<'a> {
    first: List<'a>,
    second: List<'a>,
    len: u64,
}

impl<'a> List<'a> {
    /// The number of elements.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Items(items) => items.len() as u64,
            Self::Shared(items) => items.len() as u64,
            Self::Joined(joined) => joined.len,
            Self::Range(end) => *end,
            Self::Ints(items) => items.len() as u64,
            Self::Bools(items) => items.len() as u64,
            Self::Strings(items) | Self::Versions(items) => items.len() as u64,
        }
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: u64) -> Option<Value<'a>> {
        let mut list = self;
        let mut index = index;
        while let Self::Joined(joined) = list {
            let first = joined.first.len();
            if index < first {
                list = &joined.first;
            } else {
                index -= first;
                list = &joined.second;
            }
        }
        let at = usize::try_from(index).ok()?;
        match list {
            Self::Items(items) => items.get(at).map(Value::borrowed),
            Self::Shared(items) => items.get(at).cloned(),
            Self::Joined(_) => None,
            Self::Range(end) => (index < *end).then(|| Value::Int(index.cast_signed())),
            Self::Ints(items) => items.get(at).map(|value| Value::Int(*value)),
            Self::Bools(items) => items.get(at).map(|value| Value::Bool(*value)),
            Self::Strings(items) => items.get(at).map(|value| Value::text(value)),
            Self::Versions(items) => items
                .get(at)
                .map(|value| Value::Semver(Text::Borrowed(value))),
        }
    }

    /// The elements in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'_, 'a> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    /// This list followed by `other`.
    pub(crate) fn join(self, other: List<'a>) -> List<'a> {
        let (first, second) = (self.len(), other.len());
        if first == 0 {
            return other;
        }
        if second == 0 {
            return self;
        }
        Self::Joined(Arc::new(Joined {
            first: self,
            second: other,
            len: first.saturating_add(second),
        }))
    }

    /// This list followed by `item`: in place where nobody else holds the list.
    pub(crate) fn push(self, item: Value<'a>) -> List<'a> {
        match self {
            Self::Shared(mut items) => match Arc::get_mut(&mut items) {
                Some(own) => {
                    own.push(item);
                    Self::Shared(items)
                }
                None => Self::Shared(items).join(one(item)),
            },
            other => other.join(one(item)),
        }
    }
}

fn one(item: Value<'_>) -> List<'_> {
    List::Shared(Arc::new(vec![item]))
}
