//! Values in WAVE, the text that the `wasmtime` command line takes and prints.
//!
//! A question is a plain value of the host's own types, whose serde form has the names of the WIT in
//! camelCase and its variants as externally tagged enums. That is all WAVE needs, so this is a serializer
//! and knows no single type. It writes just what wasmtime writes (what is `none` in a record is left
//! out), so answers can be compared as text.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;
use serde::ser::{self, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};
use serde::ser::{SerializeStructVariant, SerializeTupleStruct, SerializeTupleVariant};

/// Why a value has no WAVE form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoWave(String);

impl ser::Error for NoWave {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The value as WAVE.
///
/// # Errors
/// It is a map, or something else that the WIT has no type for.
pub fn wave<T: Serialize + ?Sized>(value: &T) -> Result<String, NoWave> {
    let mut out = String::new();
    value.serialize(Wave(&mut out))?;
    Ok(out)
}

const KEYWORDS: [&str; 8] = ["true", "false", "inf", "nan", "none", "some", "ok", "err"];

/// `counterSet` is `counter-set`.
fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(character.to_ascii_lowercase());
    }
    kebab
}

fn case(name: &str) -> String {
    let name = kebab(name);
    if KEYWORDS.contains(&name.as_str()) {
        format!("%{name}")
    } else {
        name
    }
}

struct Wave<'o>(&'o mut String);

impl Wave<'_> {
    fn show(self, value: impl Display) -> Result<(), NoWave> {
        write!(self.0, "{value}").map_err(|fmt::Error| NoWave("out of memory".to_owned()))
    }
}

fn escaped(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' | '"' | '\'' | '\t' | '\r' | '\n' => out.extend(character.escape_default()),
            control if control.is_control() => out.extend(control.escape_unicode()),
            other => out.extend(other.escape_debug()),
        }
    }
    out.push('"');
}

impl<'o> ser::Serializer for Wave<'o> {
    type Ok = ();
    type Error = NoWave;
    type SerializeSeq = List<'o>;
    type SerializeTuple = List<'o>;
    type SerializeTupleStruct = List<'o>;
    type SerializeTupleVariant = List<'o>;
    type SerializeMap = List<'o>;
    type SerializeStruct = Record<'o>;
    type SerializeStructVariant = Record<'o>;

    fn serialize_bool(self, value: bool) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_i8(self, value: i8) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_i16(self, value: i16) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_i32(self, value: i32) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_i64(self, value: i64) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_u8(self, value: u8) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_u16(self, value: u16) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_u32(self, value: u32) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_u64(self, value: u64) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_f32(self, value: f32) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_f64(self, value: f64) -> Result<(), NoWave> {
        self.show(value)
    }
    fn serialize_char(self, value: char) -> Result<(), NoWave> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<(), NoWave> {
        escaped(value, self.0);
        Ok(())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), NoWave> {
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<(), NoWave> {
        self.show("none")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NoWave> {
        self.serialize_newtype_variant("", 0, "some", value)
    }
    fn serialize_unit(self) -> Result<(), NoWave> {
        self.show("()")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NoWave> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), NoWave> {
        self.show(case(name))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), NoWave> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), NoWave> {
        // The one caller without a type is `some`, which is meant as the keyword.
        let name = if of.is_empty() { name.to_owned() } else { case(name) };
        self.0.push_str(&name);
        self.0.push('(');
        value.serialize(Wave(self.0))?;
        self.0.push(')');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'o>, NoWave> {
        List::begin(self.0, "[", "]")
    }
    fn serialize_tuple(self, _: usize) -> Result<List<'o>, NoWave> {
        List::begin(self.0, "(", ")")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'o>, NoWave> {
        List::begin(self.0, "(", ")")
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<List<'o>, NoWave> {
        self.0.push_str(&case(name));
        List::begin(self.0, "((", "))")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<List<'o>, NoWave> {
        Err(NoWave("a map has no type in the WIT".to_owned()))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Record<'o>, NoWave> {
        Ok(Record::begin(self.0, "}"))
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Record<'o>, NoWave> {
        self.0.push_str(&case(name));
        self.0.push('(');
        Ok(Record::begin(self.0, "})"))
    }
}

struct List<'o> {
    out: &'o mut String,
    first: bool,
    end: &'static str,
}

impl<'o> List<'o> {
    fn begin(out: &'o mut String, begin: &str, end: &'static str) -> Result<Self, NoWave> {
        out.push_str(begin);
        Ok(Self { out, first: true, end })
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push_str(", ");
        }
        value.serialize(Wave(self.out))
    }

    fn finish(self) -> Result<(), NoWave> {
        self.out.push_str(self.end);
        Ok(())
    }
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        self.item(value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

impl SerializeTuple for List<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        self.item(value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

impl SerializeTupleStruct for List<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        self.item(value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

impl SerializeTupleVariant for List<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        self.item(value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

impl SerializeMap for List<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), NoWave> {
        Err(NoWave("a map has no type in the WIT".to_owned()))
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoWave> {
        self.item(value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

struct Record<'o> {
    out: &'o mut String,
    first: bool,
    end: &'static str,
}

impl<'o> Record<'o> {
    fn begin(out: &'o mut String, end: &'static str) -> Self {
        out.push('{');
        Self { out, first: true, end }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), NoWave> {
        let value = wave(value)?;
        if value == "none" {
            return Ok(());
        }
        if !std::mem::replace(&mut self.first, false) {
            self.out.push_str(", ");
        }
        self.out.push_str(&format!("{}: {value}", kebab(name)));
        Ok(())
    }

    fn finish(self) -> Result<(), NoWave> {
        if self.first {
            self.out.push(':');
        }
        self.out.push_str(self.end);
        Ok(())
    }
}

impl SerializeStruct for Record<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), NoWave> {
        self.field(name, value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

impl SerializeStructVariant for Record<'_> {
    type Ok = ();
    type Error = NoWave;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), NoWave> {
        self.field(name, value)
    }
    fn end(self) -> Result<(), NoWave> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use supercargo_host::policy::inventory::{CurrentTaint, TaintEffect};
    use supercargo_host::policy::{Assignment, Choice, Proposal, Value};

    #[test]
    fn answers_are_written_as_wasmtime_writes_them() {
        let proposal = Proposal {
            choice: Choice::Exact(vec![Assignment { request: 0, devices: vec![0, 7] }]),
            score: 80.0,
            reason: "it's \"whole\"\n".to_owned(),
        };
        assert_eq!(
            wave(&[proposal][..]).unwrap(),
            r#"[{choice: exact([{request: 0, devices: [0, 7]}]), score: 80, reason: "it\'s \"whole\"\n"}]"#
        );
    }

    #[test]
    fn keywords_are_marked_and_absent_fields_left_out() {
        let taint = CurrentTaint { device: 0, key: "k".into(), effect: TaintEffect::None };
        assert_eq!(wave(&taint).unwrap(), r#"{device: 0, key: "k", effect: %none}"#);
        assert_eq!(wave(&[Some(1), None][..]).unwrap(), "[some(1), none]");
        assert_eq!(wave(&[Value::Absent, Value::Bool(true)][..]).unwrap(), "[absent, bool(true)]");
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Node {
            host_path: Option<String>,
        }
        assert_eq!(wave(&Node { host_path: None }).unwrap(), "{:}");
        assert_eq!(wave(&Node { host_path: Some("/dev".into()) }).unwrap(), r#"{host-path: some("/dev")}"#);
    }
}
