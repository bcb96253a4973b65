//! Attributes and capacities by name and type, declared once as constants.

use std::fmt;
use std::marker::PhantomData;

use crate::bindings::exports::supercargo::policy::types::Value;

/// The qualified name of an attribute, a capacity or a label.
///
/// ```
/// use supercargo_guest::{Attribute, Name};
///
/// const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");
/// assert_eq!(NUMA.name().to_string(), "resource.kubernetes.io/numaNode");
/// assert_eq!(Name::new("", "index").to_string(), "index");
/// ```
#[derive(Clone, Copy)]
pub struct Name {
    domain: &'static str,
    name: &'static str,
}

impl Name {
    /// A name in a domain; with an empty domain it is looked up in that of each device's driver.
    ///
    /// ```
    /// let name = supercargo_guest::Name::new("gpu.nvidia.com", "uuid");
    /// assert_eq!(name.to_string(), "gpu.nvidia.com/uuid");
    /// ```
    #[must_use]
    pub const fn new(domain: &'static str, name: &'static str) -> Self {
        Self { domain, name }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Names are constants, so the same one mostly lies at the same place.
        let same = |a: &'static str, b: &'static str| std::ptr::eq(a, b) || a == b;
        same(self.name, other.name) && same(self.domain, other.domain)
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.domain.is_empty() {
            write!(f, "{}/", self.domain)?;
        }
        f.write_str(self.name)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A declared attribute and the type it is read as.
///
/// Declare it as a constant, list its [`Attribute::name`] in [`Policy::ATTRIBUTES`], and read it
/// with [`Device::get`].
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// const INDEX: Attribute<i64> = Attribute::int("gpu.nvidia.com", "index");
/// const MODEL: Attribute<str> = Attribute::string("gpu.nvidia.com", "productName");
///
/// pub struct Lowest;
/// impl Policy for Lowest {
///     type Settings = NoSettings;
///     const ATTRIBUTES: &'static [Name] = &[INDEX.name(), MODEL.name()];
/// }
///
/// fn is_second_h100(device: Device<'_>) -> bool {
///     device.get(INDEX) == Some(1) && device.get(MODEL).is_some_and(|m| m.contains("H100"))
/// }
/// ```
///
/// [`Policy::ATTRIBUTES`]: crate::Policy::ATTRIBUTES
/// [`Device::get`]: crate::Device::get
pub struct Attribute<K: ?Sized> {
    name: Name,
    kind: PhantomData<fn(&K)>,
}

impl<K: ?Sized> Attribute<K> {
    const fn of(domain: &'static str, name: &'static str) -> Self {
        Self {
            name: Name::new(domain, name),
            kind: PhantomData,
        }
    }

    /// Its qualified name, for the list of what a policy reads.
    ///
    /// ```
    /// use supercargo_guest::{Attribute, Name};
    /// const INDEX: Attribute<i64> = Attribute::int("gpu.nvidia.com", "index");
    /// const READ: &[Name] = &[INDEX.name()];
    /// assert_eq!(READ[0], Name::new("gpu.nvidia.com", "index"));
    /// ```
    #[must_use]
    pub const fn name(self) -> Name {
        self.name
    }
}

impl<K: ?Sized> Clone for Attribute<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized> Copy for Attribute<K> {}

impl<K: ?Sized> fmt::Debug for Attribute<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({})", self.name)
    }
}

impl<K: ?Sized> From<Attribute<K>> for Name {
    fn from(attribute: Attribute<K>) -> Self {
        attribute.name
    }
}

/// Says that an attribute is a semantic version.
///
/// ```
/// use supercargo_guest::{Attribute, Version};
/// const DRIVER: Attribute<Version> = Attribute::version("gpu.nvidia.com", "driverVersion");
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Version {}

impl Attribute<i64> {
    /// A whole number. A list of just one is read as that one, as drivers that moved to lists
    /// publish it.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");
    /// ```
    #[must_use]
    pub const fn int(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<bool> {
    /// A truth, or a list of just one.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const IOMMU: Attribute<bool> = Attribute::bool("gpu.nvidia.com", "iommuFDEnabled");
    /// ```
    #[must_use]
    pub const fn bool(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<str> {
    /// A text, or a list of just one.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const MODEL: Attribute<str> = Attribute::string("gpu.nvidia.com", "productName");
    /// ```
    #[must_use]
    pub const fn string(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<Version> {
    /// A semantic version, or a list of just one.
    ///
    /// ```
    /// use supercargo_guest::{Attribute, Version};
    /// const DRIVER: Attribute<Version> = Attribute::version("gpu.nvidia.com", "driverVersion");
    /// ```
    #[must_use]
    pub const fn version(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<[i64]> {
    /// A list of whole numbers.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const NODES: Attribute<[i64]> = Attribute::ints("resource.kubernetes.io", "numaNode");
    /// ```
    #[must_use]
    pub const fn ints(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<[bool]> {
    /// A list of truths.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const LINKS_UP: Attribute<[bool]> = Attribute::bools("gpu.example.com", "linksUp");
    /// ```
    #[must_use]
    pub const fn bools(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<[&'static str]> {
    /// A list of texts.
    ///
    /// ```
    /// use supercargo_guest::Attribute;
    /// const PEERS: Attribute<[&str]> = Attribute::strings("gpu.example.com", "peers");
    /// ```
    #[must_use]
    pub const fn strings(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

impl Attribute<[Version]> {
    /// A list of semantic versions.
    ///
    /// ```
    /// use supercargo_guest::{Attribute, Version};
    /// const APIS: Attribute<[Version]> = Attribute::versions("gpu.example.com", "apis");
    /// ```
    #[must_use]
    pub const fn versions(domain: &'static str, name: &'static str) -> Self {
        Self::of(domain, name)
    }
}

/// A declared capacity.
///
/// ```
/// use supercargo_guest::{Capacity, Name};
/// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
/// const READ: &[Name] = &[MEMORY.name()];
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    name: Name,
}

impl Capacity {
    /// A capacity in a domain; empty for that of each device's driver.
    ///
    /// ```
    /// use supercargo_guest::Capacity;
    /// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
    /// ```
    #[must_use]
    pub const fn new(domain: &'static str, name: &'static str) -> Self {
        Self {
            name: Name::new(domain, name),
        }
    }

    /// Its qualified name, for the list of what a policy reads.
    ///
    /// ```
    /// use supercargo_guest::Capacity;
    /// assert_eq!(Capacity::new("a.example", "memory").name().to_string(), "a.example/memory");
    /// ```
    #[must_use]
    pub const fn name(self) -> Name {
        self.name
    }
}

/// A type that attributes can be read as: `i64`, `bool`, `str`, [`Version`] and slices of them.
///
/// Implemented here and nowhere else; the constructors of [`Attribute`] choose.
///
/// ```
/// use supercargo_guest::{Attribute, Device, Kind};
///
/// fn count_with<'a, K: Kind + ?Sized>(devices: &[Device<'a>], attribute: Attribute<K>) -> usize {
///     devices.iter().filter(|device| device.get(attribute).is_some()).count()
/// }
/// ```
pub trait Kind: sealed::Read {}

pub(crate) mod sealed {
    use super::Value;

    pub trait Read {
        type Value<'a>;
        fn read<'a>(value: &'a Value, strings: &'a [String]) -> Option<Self::Value<'a>>;
    }
}

use sealed::Read;

impl Kind for i64 {}
impl Read for i64 {
    type Value<'a> = i64;
    fn read<'a>(value: &'a Value, _: &'a [String]) -> Option<i64> {
        match value {
            Value::Int(int) => Some(*int),
            Value::Ints(ints) => only(ints),
            _ => None,
        }
    }
}

impl Kind for bool {}
impl Read for bool {
    type Value<'a> = bool;
    fn read<'a>(value: &'a Value, _: &'a [String]) -> Option<bool> {
        match value {
            Value::Bool(truth) => Some(*truth),
            Value::Bools(truths) => only(truths),
            _ => None,
        }
    }
}

impl Kind for str {}
impl Read for str {
    type Value<'a> = &'a str;
    fn read<'a>(value: &'a Value, strings: &'a [String]) -> Option<&'a str> {
        let position = match value {
            Value::String(text) => *text,
            Value::Strings(texts) => only(texts)?,
            _ => return None,
        };
        text(strings, position)
    }
}

impl Kind for Version {}
impl Read for Version {
    type Value<'a> = semver::Version;
    fn read<'a>(value: &'a Value, strings: &'a [String]) -> Option<semver::Version> {
        let position = match value {
            Value::Version(version) => *version,
            Value::Versions(versions) => only(versions)?,
            _ => return None,
        };
        semver::Version::parse(text(strings, position)?).ok()
    }
}

impl Kind for [i64] {}
impl Read for [i64] {
    type Value<'a> = &'a [i64];
    fn read<'a>(value: &'a Value, _: &'a [String]) -> Option<&'a [i64]> {
        match value {
            Value::Int(int) => Some(std::slice::from_ref(int)),
            Value::Ints(ints) => Some(ints),
            _ => None,
        }
    }
}

impl Kind for [bool] {}
impl Read for [bool] {
    type Value<'a> = &'a [bool];
    fn read<'a>(value: &'a Value, _: &'a [String]) -> Option<&'a [bool]> {
        match value {
            Value::Bool(truth) => Some(std::slice::from_ref(truth)),
            Value::Bools(truths) => Some(truths),
            _ => None,
        }
    }
}

impl Kind for [&'static str] {}
impl Read for [&'static str] {
    type Value<'a> = Vec<&'a str>;
    fn read<'a>(value: &'a Value, strings: &'a [String]) -> Option<Vec<&'a str>> {
        let positions = match value {
            Value::String(text) => std::slice::from_ref(text),
            Value::Strings(texts) => texts,
            _ => return None,
        };
        positions
            .iter()
            .map(|position| text(strings, *position))
            .collect()
    }
}

impl Kind for [Version] {}
impl Read for [Version] {
    type Value<'a> = Vec<semver::Version>;
    fn read<'a>(value: &'a Value, strings: &'a [String]) -> Option<Vec<semver::Version>> {
        let positions = match value {
            Value::Version(version) => std::slice::from_ref(version),
            Value::Versions(versions) => versions,
            _ => return None,
        };
        let parse = |position: &u32| semver::Version::parse(text(strings, *position)?).ok();
        positions.iter().map(parse).collect()
    }
}

/// The value of an attribute of any kind, good for nothing but to be compared with that of another
/// device in the same question: cheaper than the value itself, and indifferent to its type.
///
/// ```
/// use supercargo_guest::{Attribute, Device};
///
/// const RACK: Attribute<str> = Attribute::string("example.com", "rack");
///
/// fn same_rack(a: Device<'_>, b: Device<'_>) -> bool {
///     a.key(RACK).is_some() && a.key(RACK) == b.key(RACK)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Inner);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Inner {
    Bool(bool),
    Int(i64),
    Text(u32),
    Version(u32),
}

impl Key {
    /// None for what is absent and for lists of more or less than one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(Self(match value {
            Value::Absent => return None,
            Value::Int(int) => Inner::Int(*int),
            Value::Bool(truth) => Inner::Bool(*truth),
            Value::String(text) => Inner::Text(*text),
            Value::Version(version) => Inner::Version(*version),
            Value::Ints(ints) => Inner::Int(only(ints)?),
            Value::Bools(truths) => Inner::Bool(only(truths)?),
            Value::Strings(texts) => Inner::Text(only(texts)?),
            Value::Versions(versions) => Inner::Version(only(versions)?),
        }))
    }
}

fn only<T: Copy>(list: &[T]) -> Option<T> {
    match list {
        [one] => Some(*one),
        _ => None,
    }
}

pub(crate) fn text(strings: &[String], position: u32) -> Option<&str> {
    strings.get(position as usize).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_one_reads_as_that_one() {
        assert_eq!(<i64 as Read>::read(&Value::Ints(vec![3]), &[]), Some(3));
        assert_eq!(<i64 as Read>::read(&Value::Ints(vec![3, 4]), &[]), None);
        assert_eq!(Key::of(&Value::Ints(vec![3])), Key::of(&Value::Int(3)));
    }

    #[test]
    fn one_value_reads_as_a_list() {
        assert_eq!(<[i64] as Read>::read(&Value::Int(3), &[]), Some(&[3][..]));
    }

    #[test]
    fn an_attribute_of_another_kind_is_not_there() {
        assert_eq!(<bool as Read>::read(&Value::Int(1), &[]), None);
        assert_eq!(
            <str as Read>::read(&Value::Version(0), &["1.0.0".to_owned()]),
            None
        );
    }
}
