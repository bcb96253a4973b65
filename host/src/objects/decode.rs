//! Trees to typed objects, telling everything that does not fit at once.
//!
//! The generated types accept unknown fields and stop at the first wrong type. This deserializer
//! sits below them: it learns from each type which fields it has, notes what is unknown, repeated
//! or of the wrong type with its path and line, and goes on with an empty value. So one run tells
//! all mistakes of a document, and an object is used only when there are none.

use std::cell::RefCell;
use std::fmt;

use k8s_openapi::jiff;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};

use super::path::Path;
use super::tree::{Entry, Tree, Value};

/// Something that does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) kind: MisfitKind,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MisfitKind {
    /// The type `owner` has no such field, but `known`.
    UnknownField {
        owner: &'static str,
        field: String,
        known: &'static [&'static str],
        /// What its value is.
        found: String,
        /// Further fields with the same mistake.
        more: Vec<String>,
    },
    Repeated {
        field: String,
        first_line: usize,
    },
    WrongType {
        /// The type's name where a mapping was expected.
        owner: Option<&'static str>,
        expected: &'static str,
        found: String,
    },
    Other(String),
}

/// Reads a tree as `T`; empty misfits mean that all of it was understood.
pub(crate) fn decode<T: DeserializeOwned>(tree: &Tree, path: Path<'_>) -> (Option<T>, Vec<Misfit>) {
    let log = Log::default();
    let value = T::deserialize(Decoder {
        tree,
        path: &path,
        log: &log,
    });
    let mut misfits = log.0.into_inner();
    match value {
        Ok(value) => (Some(value), misfits),
        Err(error) => {
            if misfits.is_empty() {
                let kind = MisfitKind::Other(error.to_string());
                misfits.push(Misfit {
                    line: tree.line,
                    path: path.to_string(),
                    kind,
                });
            }
            (None, misfits)
        }
    }
}

#[derive(Default)]
struct Log(RefCell<Vec<Misfit>>);

/// A tree on its way into a type. The tree outlives the walk (`'de`), the path to it does not.
#[derive(Clone, Copy)]
struct Decoder<'de, 'p> {
    tree: &'de Tree,
    path: &'p Path<'p>,
    log: &'p Log,
}

/// serde's error; everything foreseen goes to the log instead.
#[derive(Debug)]
pub(crate) struct Stop(String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Nothing<'de> = MapDeserializer<'de, std::iter::Empty<(&'de str, &'de str)>, Stop>;

fn no_entries<'de>() -> Nothing<'de> {
    MapDeserializer::new(std::iter::empty())
}

fn no_items() -> SeqDeserializer<std::iter::Empty<&'static str>, Stop> {
    SeqDeserializer::new(std::iter::empty())
}

impl<'de> Decoder<'de, '_> {
    fn note(&self, line: usize, path: &Path<'_>, kind: MisfitKind) {
        let misfit = Misfit {
            line,
            path: path.to_string(),
            kind,
        };
        self.log.0.borrow_mut().push(misfit);
    }

    fn expected(&self, owner: Option<&'static str>, expected: &'static str) {
        let found = self.tree.value.describe();
        self.note(
            self.tree.line,
            self.path,
            MisfitKind::WrongType {
                owner,
                expected,
                found,
            },
        );
    }

    fn integer(&self, expected: &'static str, min: i64, max: i64) -> i64 {
        let value = match &self.tree.value {
            Value::Number(text) => text.parse::<i64>().ok().filter(|n| (min..=max).contains(n)),
            _ => None,
        };
        if value.is_none() && self.tree.value != Value::Null {
            self.expected(None, expected);
        }
        value.unwrap_or_default()
    }

    fn string(&self) -> &'de str {
        match &self.tree.value {
            Value::String(text) => text,
            Value::Null => "",
            _ => {
                self.expected(None, "a string");
                ""
            }
        }
    }
}

macro_rules! integers {
    ($($method:ident => $visit:ident, $type:ty, $expected:literal, $min:expr, $max:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            let value = self.integer($expected, $min, $max);
            visitor.$visit(<$type>::try_from(value).unwrap_or_default())
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'de, '_> {
    type Error = Stop;

    integers! {
        deserialize_i8 => visit_i8, i8, "an integer", i8::MIN.into(), i8::MAX.into();
        deserialize_i16 => visit_i16, i16, "an integer", i16::MIN.into(), i16::MAX.into();
        deserialize_i32 => visit_i32, i32, "an integer of 32 bits", i32::MIN.into(), i32::MAX.into();
        deserialize_i64 => visit_i64, i64, "an integer", i64::MIN, i64::MAX;
        deserialize_u8 => visit_u8, u8, "a positive integer", 0, u8::MAX.into();
        deserialize_u16 => visit_u16, u16, "a positive integer", 0, u16::MAX.into();
        deserialize_u32 => visit_u32, u32, "a positive integer", 0, u32::MAX.into();
        deserialize_u64 => visit_u64, u64, "a positive integer", 0, i64::MAX;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.tree.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(text) => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(value), _) => visitor.visit_i64(value),
                (_, Ok(value)) => visitor.visit_u64(value),
                _ => visitor.visit_f64(text.parse().unwrap_or_default()),
            },
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.tree.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            other => {
                if *other != Value::Null {
                    self.expected(None, "true or false");
                }
                visitor.visit_bool(false)
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let value = match &self.tree.value {
            Value::Number(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        if value.is_none() && self.tree.value != Value::Null {
            self.expected(None, "a number");
        }
        visitor.visit_f64(value.unwrap_or_default())
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.tree.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match (name, &self.tree.value) {
            // Quantities may be written as numbers.
            ("Quantity", Value::Number(text)) => {
                let text: StringDeserializer<Stop> = text.clone().into_deserializer();
                visitor.visit_newtype_struct(text)
            }
            ("Time" | "MicroTime", _) => {
                let mut text = self.string();
                if text.parse::<jiff::Timestamp>().is_err() {
                    if !text.is_empty() {
                        self.expected(None, "a time like 2026-01-31T12:00:00Z");
                    }
                    text = "1970-01-01T00:00:00Z";
                }
                visitor.visit_newtype_struct(StrDeserializer::new(text))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.tree.value {
            Value::List(items) => {
                let items = items.iter().enumerate();
                visitor.visit_seq(Items {
                    decoder: self,
                    items,
                })
            }
            other => {
                if *other != Value::Null {
                    self.expected(None, "a list");
                }
                visitor.visit_seq(no_items())
            }
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.entries(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.entries(Some((name, fields)), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        // Kubernetes' types have none.
        Err(Stop::custom(format!("the enum {name} cannot be read")))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.string())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }
}

impl<'de> Decoder<'de, '_> {
    /// A mapping, of a type with known fields or of keys the user chooses.
    fn entries<V: Visitor<'de>>(
        self,
        typed: Option<(&'static str, &'static [&'static str])>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let Value::Map(entries) = &self.tree.value else {
            if self.tree.value != Value::Null {
                self.expected(typed.map(|(name, _)| name), "a mapping");
            }
            return visitor.visit_map(no_entries());
        };
        let mut taken = Vec::with_capacity(entries.len());
        let mut seen = std::collections::HashMap::with_capacity(entries.len());
        for entry in entries {
            let path = match typed {
                Some(_) => self.path.field(&entry.key),
                None => self.path.key(&entry.key),
            };
            if let Some(first_line) = seen.insert(entry.key.as_str(), entry.line) {
                let field = entry.key.clone();
                self.note(
                    entry.line,
                    &path,
                    MisfitKind::Repeated { field, first_line },
                );
                continue;
            }
            match typed {
                Some((owner, known)) if !known.contains(&entry.key.as_str()) => {
                    let field = entry.key.clone();
                    let found = entry.value.value.describe();
                    let kind = MisfitKind::UnknownField {
                        owner,
                        field,
                        known,
                        found,
                        more: Vec::new(),
                    };
                    self.note(entry.line, &path, kind);
                }
                _ => taken.push(entry),
            }
        }
        let keyed = typed.is_none();
        visitor.visit_map(Entries {
            decoder: self,
            entries: taken.into_iter(),
            value: None,
            keyed,
        })
    }
}

struct Items<'de, 'p, I> {
    decoder: Decoder<'de, 'p>,
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de Tree)>> SeqAccess<'de> for Items<'de, '_, I> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        let Some((index, tree)) = self.items.next() else {
            return Ok(None);
        };
        let path = self.decoder.path.index(index);
        let decoder = Decoder {
            tree,
            path: &path,
            log: self.decoder.log,
        };
        seed.deserialize(decoder).map(Some)
    }
}

struct Entries<'de, 'p, I> {
    decoder: Decoder<'de, 'p>,
    entries: I,
    value: Option<&'de Entry>,
    keyed: bool,
}

impl<'de, I: Iterator<Item = &'de Entry>> MapAccess<'de> for Entries<'de, '_, I> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        self.value = self.entries.next();
        let Some(entry) = self.value else {
            return Ok(None);
        };
        seed.deserialize(StrDeserializer::new(&entry.key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        let entry = self
            .value
            .take()
            .ok_or_else(|| Stop::custom("a value without a key"))?;
        let path = match self.keyed {
            true => self.decoder.path.key(&entry.key),
            false => self.decoder.path.field(&entry.key),
        };
        seed.deserialize(Decoder {
            tree: &entry.value,
            path: &path,
            log: self.decoder.log,
        })
    }
}
