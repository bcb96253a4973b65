//! Compares what a component exports with the WIT of this host.
//!
//! The runtime compares types too, but names neither the type nor the place. Whoever built a policy
//! against another version of the package needs just that.

use std::sync::LazyLock;

use wasmparser::PrimitiveValType;
use wasmparser::component_types::{
    ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentInstanceType,
    ComponentValType,
};
use wasmparser::types::TypesRef;
use wit_parser::{Function, Resolve, SourceMap, Type, TypeDefKind};

/// The version of the package that this host serves. Guests of any patch release of it are served.
pub const PACKAGE_VERSION: semver::Version = semver::Version::new(0, 1, 0);

/// The package's name.
const PACKAGE: &str = "supercargo:policy";

/// The WIT, as vendors get it.
const SOURCES: [(&str, &str); 6] = [
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("about.wit", include_str!("../../../wit/about.wit")),
    (
        "allocation.wit",
        include_str!("../../../wit/allocation.wit"),
    ),
    (
        "configuration.wit",
        include_str!("../../../wit/configuration.wit"),
    ),
    ("inventory.wit", include_str!("../../../wit/inventory.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

static CONTRACT: LazyLock<Result<Resolve, String>> = LazyLock::new(|| {
    let mut sources = SourceMap::default();
    for (name, text) in SOURCES {
        sources.push_str(name, text);
    }
    let group = sources.parse().map_err(|(_, error)| error.to_string())?;
    let mut resolve = Resolve::default();
    resolve
        .push_group(group)
        .map_err(|error| error.to_string())?;
    Ok(resolve)
});

/// A difference between what a component exports and the WIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The interface, such as `allocation`.
    pub interface: String,
    /// The function.
    pub function: String,
    /// The named type that differs, where it is within one.
    pub type_name: Option<String>,
    /// Its field or case, or the function's parameter or result, where it is one of these.
    pub field: Option<String>,
    /// What the WIT says.
    pub expected: String,
    /// What the component has.
    pub found: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.interface, self.function)?;
        if let Some(name) = &self.type_name {
            write!(out, ", type `{name}`")?;
        }
        if let Some(field) = &self.field {
            write!(out, ", `{field}`")?;
        }
        write!(out, ": expected {}, found {}", self.expected, self.found)
    }
}

/// A line of the WIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file in `wit/`.
    pub file: &'static str,
    /// Its number, from 1.
    pub number: usize,
    /// Its text, without what is around it.
    pub text: &'static str,
}

impl Mismatch {
    /// Where the WIT says what is expected: the field or case, else the type, else the function.
    #[must_use]
    pub fn line(&self) -> Option<Line> {
        let files = || SOURCES.into_iter();
        let Some(name) = &self.type_name else {
            let own = format!("{}.wit", self.interface);
            let start = format!("{}: func(", self.function);
            return files()
                .filter(|(file, _)| *file == own)
                .find_map(|(file, text)| {
                    Line::find(file, text, 0, |line| line.starts_with(&start))
                });
        };
        // A type is looked for in the function's own interface first: names may repeat.
        let own = format!("{}.wit", self.interface);
        let (mut near, far): (Vec<_>, Vec<_>) = files().partition(|(file, _)| *file == own);
        near.extend(far);
        let (file, text, head) = near.into_iter().find_map(|(file, text)| {
            let head = Line::find(file, text, 0, |line| {
                let mut words = line.split_whitespace();
                words.next().is_some_and(|kind| {
                    ["record", "variant", "enum", "flags", "type"].contains(&kind)
                }) && words.next() == Some(name.as_str())
            })?;
            Some((file, text, head))
        })?;
        let Some(field) = &self.field else {
            return Some(head);
        };
        let end = Line::find(file, text, head.number, |line| line == "}")?.number;
        let is_field = |line: &str| {
            let rest = line.trim_start_matches('%').strip_prefix(field.as_str());
            rest.is_some_and(|rest| rest.starts_with([':', '(', ',']))
        };
        Line::find(file, text, head.number, is_field)
            .filter(|line| line.number < end)
            .or(Some(head))
    }
}

impl Line {
    fn find(
        file: &'static str,
        text: &'static str,
        after: usize,
        is: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let mut lines = text.lines().zip(1..).skip(after);
        lines
            .find(|(line, _)| is(line.trim()))
            .map(|(line, number)| Self {
                file,
                number,
                text: line.trim(),
            })
    }
}

/// The name of an interface as components export it.
pub(super) fn export_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{PACKAGE_VERSION}")
}

/// An export that is an interface of this package, in whatever version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exported<'n> {
    pub(super) interface: &'n str,
    pub(super) version: Option<semver::Version>,
}

impl<'n> Exported<'n> {
    /// Reads an export's name; none of other packages.
    pub(super) fn read(name: &'n str) -> Option<Self> {
        let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, semver::Version::parse(version).ok()),
            None => (rest, None),
        };
        Some(Self { interface, version })
    }

    /// Whether this host serves the version.
    pub(super) fn is_served(&self) -> bool {
        self.version.as_ref().is_some_and(|version| {
            (version.major, version.minor) == (PACKAGE_VERSION.major, PACKAGE_VERSION.minor)
                && version.pre.is_empty()
        })
    }
}

/// The first difference of each function of an interface, or none.
pub(super) fn compare(
    interface: &str,
    types: TypesRef<'_>,
    found: &ComponentInstanceType,
) -> Vec<Mismatch> {
    let contract = match &*CONTRACT {
        Ok(contract) => contract,
        // The WIT is part of this program and a test reads it; if it were broken, nothing could match.
        Err(error) => {
            return vec![Mismatch {
                interface: interface.to_owned(),
                function: String::new(),
                type_name: None,
                field: None,
                expected: format!("a readable contract ({error})"),
                found: "none".to_owned(),
            }];
        }
    };
    let Some((_, expected)) = contract
        .interfaces
        .iter()
        .find(|(_, candidate)| candidate.name.as_deref() == Some(interface))
    else {
        return Vec::new();
    };
    expected
        .functions
        .values()
        .filter_map(|function| {
            let compared = match found.exports.get(&function.name).map(|item| &item.ty) {
                Some(ComponentEntityType::Func(id)) => match types.get(*id) {
                    Some(found) => Compare { contract, types }.function(function, found),
                    None => Err(Difference::new("a function", "nothing")),
                },
                Some(_) => Err(Difference::new("a function", "something else")),
                None => Err(Difference::new("a function", "nothing")),
            };
            compared.err().map(|difference| Mismatch {
                interface: interface.to_owned(),
                function: function.name.clone(),
                type_name: difference.type_name,
                field: difference.field,
                expected: difference.expected,
                found: difference.found,
            })
        })
        .collect()
}

/// A difference, with its place as far as the way back up has told.
struct Difference {
    type_name: Option<String>,
    field: Option<String>,
    expected: String,
    found: String,
}

impl Difference {
    fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            type_name: None,
            field: None,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Names the field, unless a type further in was named already.
    fn at_field(mut self, field: &str) -> Self {
        if self.type_name.is_none() && self.field.is_none() {
            self.field = Some(field.to_owned());
        }
        self
    }

    fn in_type(mut self, name: &str) -> Self {
        if self.type_name.is_none() {
            self.type_name = Some(name.to_owned());
        }
        self
    }
}

type Compared = Result<(), Difference>;

struct Compare<'c> {
    contract: &'c Resolve,
    types: TypesRef<'c>,
}

impl Compare<'_> {
    fn function(&self, expected: &Function, found: &ComponentFuncType) -> Compared {
        if found.async_ {
            return Err(Difference::new("a function", "an async function"));
        }
        let names = |names: &[&str]| format!("parameters ({})", names.join(", "));
        let expected_names: Vec<_> = expected
            .params
            .iter()
            .map(|param| param.name.as_str())
            .collect();
        let found_names: Vec<_> = found.params.iter().map(|(name, _)| name.as_str()).collect();
        if expected_names != found_names {
            return Err(Difference::new(names(&expected_names), names(&found_names)));
        }
        for (param, (_, ty)) in expected.params.iter().zip(&found.params) {
            self.value(&param.ty, ty)
                .map_err(|d| d.at_field(&param.name))?;
        }
        self.optional(expected.result.as_ref(), found.result.as_ref())
            .map_err(|d| d.at_field("result"))
    }

    fn optional(&self, expected: Option<&Type>, found: Option<&ComponentValType>) -> Compared {
        match (expected, found) {
            (None, None) => Ok(()),
            (Some(expected), Some(found)) => self.value(expected, found),
            (Some(expected), None) => Err(Difference::new(self.expected_name(expected), "nothing")),
            (None, Some(found)) => Err(Difference::new("nothing", self.found_name(found))),
        }
    }

    fn value(&self, expected: &Type, found: &ComponentValType) -> Compared {
        let differs = || {
            Err(Difference::new(
                self.expected_name(expected),
                self.found_name(found),
            ))
        };
        let Type::Id(id) = expected else {
            return match (primitive(expected), self.found_primitive(found)) {
                (Some(expected), Some(found)) if expected == found => Ok(()),
                _ => differs(),
            };
        };
        let Some(definition) = self.contract.types.get(*id) else {
            return differs();
        };
        let compared = match (&definition.kind, self.defined(found)) {
            (TypeDefKind::Type(alias), _) => return self.value(alias, found),
            (TypeDefKind::Record(expected), Some(ComponentDefinedType::Record(found))) => self
                .members(
                    "fields",
                    expected
                        .fields
                        .iter()
                        .map(|field| (field.name.as_str(), Some(&field.ty)))
                        .collect(),
                    found
                        .fields
                        .iter()
                        .map(|(name, ty)| (name.as_str(), Some(ty)))
                        .collect(),
                ),
            (TypeDefKind::Variant(expected), Some(ComponentDefinedType::Variant(found))) => self
                .members(
                    "cases",
                    expected
                        .cases
                        .iter()
                        .map(|case| (case.name.as_str(), case.ty.as_ref()))
                        .collect(),
                    found
                        .cases
                        .iter()
                        .map(|(name, case)| (name.as_str(), case.ty.as_ref()))
                        .collect(),
                ),
            (TypeDefKind::Enum(expected), Some(ComponentDefinedType::Enum(found))) => self.members(
                "cases",
                expected
                    .cases
                    .iter()
                    .map(|case| (case.name.as_str(), None))
                    .collect(),
                found.iter().map(|name| (name.as_str(), None)).collect(),
            ),
            (TypeDefKind::Flags(expected), Some(ComponentDefinedType::Flags(found))) => self
                .members(
                    "flags",
                    expected
                        .flags
                        .iter()
                        .map(|flag| (flag.name.as_str(), None))
                        .collect(),
                    found.iter().map(|name| (name.as_str(), None)).collect(),
                ),
            (TypeDefKind::List(expected), Some(ComponentDefinedType::List { element, .. })) => {
                self.value(expected, element)
            }
            (TypeDefKind::Option(expected), Some(ComponentDefinedType::Option { ty, .. })) => {
                self.value(expected, ty)
            }
            (TypeDefKind::Result(expected), Some(ComponentDefinedType::Result { ok, err, .. })) => {
                self.optional(expected.ok.as_ref(), ok.as_ref())
                    .and_then(|()| self.optional(expected.err.as_ref(), err.as_ref()))
            }
            // Another kind of type altogether: whoever holds it names the place.
            _ => return differs(),
        };
        match &definition.name {
            Some(name) => compared.map_err(|difference| difference.in_type(name)),
            None => compared,
        }
    }

    /// Compares named parts, in order: order is part of a type.
    fn members(
        &self,
        what: &str,
        expected: Vec<(&str, Option<&Type>)>,
        found: Vec<(&str, Option<&ComponentValType>)>,
    ) -> Compared {
        for (at, (name, ty)) in expected.iter().enumerate() {
            match found.get(at) {
                Some((found_name, found_ty)) if found_name == name => {
                    self.optional(*ty, *found_ty)
                        .map_err(|difference| difference.at_field(name))?;
                }
                other => {
                    let there = if found.iter().any(|(found_name, _)| found_name == name) {
                        format!("it elsewhere: {what} are in another order")
                    } else {
                        other.map_or_else(|| "nothing".to_owned(), |(name, _)| format!("`{name}`"))
                    };
                    return Err(Difference::new(format!("`{name}`"), there).at_field(name));
                }
            }
        }
        match found.get(expected.len()) {
            Some((extra, _)) => Err(Difference::new(
                format!("no more {what}"),
                format!("`{extra}`"),
            )
            .at_field(extra)),
            None => Ok(()),
        }
    }

    fn defined(&self, ty: &ComponentValType) -> Option<&ComponentDefinedType> {
        match ty {
            ComponentValType::Type(id) => self.types.get(*id),
            ComponentValType::Primitive(_) => None,
        }
    }

    fn found_primitive(&self, ty: &ComponentValType) -> Option<PrimitiveValType> {
        match ty {
            ComponentValType::Primitive(primitive) => Some(*primitive),
            ComponentValType::Type(_) => match self.defined(ty) {
                Some(ComponentDefinedType::Primitive(primitive)) => Some(*primitive),
                _ => None,
            },
        }
    }

    fn found_name(&self, ty: &ComponentValType) -> String {
        if let Some(primitive) = self.found_primitive(ty) {
            return primitive.to_string();
        }
        match self.defined(ty) {
            Some(ComponentDefinedType::List { element, .. }) => {
                format!("list<{}>", self.shallow(element))
            }
            Some(ComponentDefinedType::Option { ty, .. }) => {
                format!("option<{}>", self.shallow(ty))
            }
            _ => self.shallow(ty).to_owned(),
        }
    }

    /// The kind of a type, without what is in it.
    fn shallow(&self, ty: &ComponentValType) -> &'static str {
        match self.defined(ty) {
            None | Some(ComponentDefinedType::Primitive(_)) => {
                self.found_primitive(ty).map_or("a type", primitive_name)
            }
            Some(ComponentDefinedType::Record(_)) => "a record",
            Some(ComponentDefinedType::Variant(_)) => "a variant",
            Some(ComponentDefinedType::List { .. }) => "a list",
            Some(ComponentDefinedType::Tuple(_)) => "a tuple",
            Some(ComponentDefinedType::Flags(_)) => "flags",
            Some(ComponentDefinedType::Enum(_)) => "an enum",
            Some(ComponentDefinedType::Option { .. }) => "an option",
            Some(ComponentDefinedType::Result { .. }) => "a result",
            Some(_) => "a type that this package does not use",
        }
    }

    fn expected_name(&self, ty: &Type) -> String {
        match ty {
            Type::Id(id) => match self.contract.types.get(*id) {
                Some(definition) => match (&definition.name, &definition.kind) {
                    (Some(name), _) => format!("`{name}`"),
                    (None, TypeDefKind::List(element)) => {
                        format!("list<{}>", self.expected_name(element))
                    }
                    (None, TypeDefKind::Option(some)) => {
                        format!("option<{}>", self.expected_name(some))
                    }
                    (None, kind) => kind.as_str().to_owned(),
                },
                None => "a type".to_owned(),
            },
            other => primitive(other).map_or("a type", primitive_name).to_owned(),
        }
    }
}

fn primitive(ty: &Type) -> Option<PrimitiveValType> {
    Some(match ty {
        Type::Bool => PrimitiveValType::Bool,
        Type::U8 => PrimitiveValType::U8,
        Type::U16 => PrimitiveValType::U16,
        Type::U32 => PrimitiveValType::U32,
        Type::U64 => PrimitiveValType::U64,
        Type::S8 => PrimitiveValType::S8,
        Type::S16 => PrimitiveValType::S16,
        Type::S32 => PrimitiveValType::S32,
        Type::S64 => PrimitiveValType::S64,
        Type::F32 => PrimitiveValType::F32,
        Type::F64 => PrimitiveValType::F64,
        Type::Char => PrimitiveValType::Char,
        Type::String => PrimitiveValType::String,
        Type::ErrorContext | Type::Id(_) => return None,
    })
}

fn primitive_name(ty: PrimitiveValType) -> &'static str {
    match ty {
        PrimitiveValType::Bool => "bool",
        PrimitiveValType::S8 => "s8",
        PrimitiveValType::U8 => "u8",
        PrimitiveValType::S16 => "s16",
        PrimitiveValType::U16 => "u16",
        PrimitiveValType::S32 => "s32",
        PrimitiveValType::U32 => "u32",
        PrimitiveValType::S64 => "s64",
        PrimitiveValType::U64 => "u64",
        PrimitiveValType::F32 => "f32",
        PrimitiveValType::F64 => "f64",
        PrimitiveValType::Char => "char",
        PrimitiveValType::String => "string",
        PrimitiveValType::ErrorContext => "error-context",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wit_can_be_read() {
        assert!(CONTRACT.as_ref().is_ok(), "{:?}", CONTRACT.as_ref().err());
    }

    #[test]
    fn a_mismatch_finds_its_line_in_the_wit() {
        let mismatch = |type_name: Option<&str>, field: Option<&str>| Mismatch {
            interface: "allocation".to_owned(),
            function: "select".to_owned(),
            type_name: type_name.map(str::to_owned),
            field: field.map(str::to_owned),
            expected: String::new(),
            found: String::new(),
        };
        let told = |type_name, field| {
            let line = mismatch(type_name, field).line().unwrap();
            (line.file, line.text)
        };
        assert_eq!(
            told(Some("request"), Some("devices")),
            ("allocation.wit", "devices: list<u32>,")
        );
        assert_eq!(
            told(Some("quantity"), Some("nanos")),
            ("types.wit", "nanos: u32,")
        );
        assert_eq!(
            told(Some("value"), Some("bool")),
            ("types.wit", "%bool(bool),")
        );
        assert_eq!(told(Some("request"), Some("colour")).1, "record request {");
        assert!(told(None, Some("settings")).1.starts_with("select: func("));
    }

    #[test]
    fn exports_of_this_package_are_told_from_others() {
        let exported = |name| Exported::read(name).map(|e| (e.interface, e.is_served()));
        assert_eq!(
            exported("supercargo:policy/about@0.1.0"),
            Some(("about", true))
        );
        assert_eq!(
            exported("supercargo:policy/about@0.1.7"),
            Some(("about", true))
        );
        assert_eq!(
            exported("supercargo:policy/about@0.2.0"),
            Some(("about", false))
        );
        assert_eq!(exported("supercargo:policy/about"), Some(("about", false)));
        assert_eq!(exported("supercargo:policyx/about@0.1.0"), None);
        assert_eq!(exported("init"), None);
    }
}
