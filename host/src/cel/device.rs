//! How a selector sees a device: `device.driver`, `device.allowMultipleAllocations`, and
//! attributes and capacities by domain and name.
//!
//! Upstream builds maps of maps for every evaluation. Here a lookup goes to the published object
//! itself; only an expression that walks over domains has them collected.

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};

use super::ErrorKind;
use super::evaluate::Failure;
use super::library::semver::{Version, is_plain};
use super::value::{List, Map, Text, Value};

/// The fields of `device`, in order.
pub(crate) const FIELDS: [&str; 4] = [
    "allowMultipleAllocations",
    "attributes",
    "capacity",
    "driver",
];

/// Which of the two maps of maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DomainKind {
    Attributes,
    Capacity,
}

/// A device published by a driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Domains<'a> {
    pub(crate) driver: &'a str,
    /// None while constants are folded: then nothing can ask.
    pub(crate) device: Option<&'a Device>,
}

/// Where the driver's own domain need not be written.
pub(crate) fn split_name<'a>(name: &'a str, driver: &'a str) -> (&'a str, &'a str) {
    name.split_once('/').unwrap_or((driver, name))
}

impl<'a> Domains<'a> {
    /// Fails on the first attribute whose value upstream does not support, whether or not the
    /// selector looks at it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(attributes) = self.device.and_then(|device| device.attributes.as_ref()) else {
            return Ok(());
        };
        for (name, attribute) in attributes {
            // Nearly all attributes have one value that cannot be wrong.
            if attribute.versions.is_none()
                && (attribute.string.is_some()
                    || attribute.int.is_some()
                    || attribute.bool.is_some()
                    || matches!(&attribute.version, Some(version) if is_plain(version)))
            {
                continue;
            }
            check_attribute(name, attribute)?;
        }
        Ok(())
    }

    /// A field of `device`.
    pub(crate) fn field(&self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "driver" => Value::text(self.driver),
            "allowMultipleAllocations" => Value::Bool(self.allow_multiple_allocations()),
            "attributes" => Value::Map(Map::Domains(DomainKind::Attributes)),
            "capacity" => Value::Map(Map::Domains(DomainKind::Capacity)),
            _ => return None,
        })
    }

    /// `device.allowMultipleAllocations`.
    pub(crate) fn allow_multiple_allocations(&self) -> bool {
        self.device
            .and_then(|device| device.allow_multiple_allocations)
            .unwrap_or(false)
    }

    /// The domain as the device or driver spells it, if anything is in it.
    pub(crate) fn domain(&self, kind: DomainKind, domain: &str) -> Option<&'a str> {
        self.qualified_names(kind)
            .map(|name| split_name(name, self.driver).0)
            .find(|found| *found == domain)
    }

    /// The value of a name in a domain.
    pub(crate) fn named(&self, kind: DomainKind, domain: &str, name: &str) -> Option<Value<'a>> {
        // A bare name first: that is where drivers put their own.
        if domain == self.driver
            && !name.contains('/')
            && let Some(value) = self.value(kind, name)
        {
            return Some(value);
        }
        if domain.contains('/') {
            return None;
        }
        let mut joined = [0u8; 160];
        let len = domain.len() + 1 + name.len();
        if let Some(space) = joined.get_mut(..len)
            && let Some((head, tail)) = space.split_at_mut_checked(domain.len())
            && let Some((slash, rest)) = tail.split_first_mut()
        {
            head.copy_from_slice(domain.as_bytes());
            *slash = b'/';
            rest.copy_from_slice(name.as_bytes());
            let joined = std::str::from_utf8(space).unwrap_or_default();
            return self.value(kind, joined);
        }
        self.value(kind, &format!("{domain}/{name}"))
    }

    /// The same where `qualified`, the domain and the name in one, was written down before.
    pub(crate) fn named_as(
        &self,
        kind: DomainKind,
        domain: &str,
        name: &str,
        qualified: &str,
    ) -> Option<Value<'a>> {
        if domain == self.driver
            && !name.contains('/')
            && let Some(value) = self.value(kind, name)
        {
            return Some(value);
        }
        if domain.contains('/') {
            return None;
        }
        self.value(kind, qualified)
    }

    /// The value of a name as the device spells it.
    pub(crate) fn value(&self, kind: DomainKind, name: &str) -> Option<Value<'a>> {
        let device = self.device?;
        match kind {
            DomainKind::Attributes => attribute(device.attributes.as_ref()?.get(name)?),
            DomainKind::Capacity => Some(Value::Capacity(
                &device.capacity.as_ref()?.get(name)?.value.0,
            )),
        }
    }

    /// How many domains there are.
    pub(crate) fn domain_count(&self, kind: DomainKind) -> u64 {
        self.domains(kind).len() as u64
    }

    /// How many names a domain has.
    pub(crate) fn name_count(&self, kind: DomainKind, domain: &str) -> u64 {
        self.names(kind, domain).len() as u64
    }

    /// The domains in order.
    pub(crate) fn domains(&self, kind: DomainKind) -> Vec<&'a str> {
        let mut domains: Vec<&str> = self
            .qualified_names(kind)
            .map(|name| split_name(name, self.driver).0)
            .collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The names of a domain in order, with their values.
    pub(crate) fn names(&self, kind: DomainKind, domain: &str) -> Vec<(&'a str, Value<'a>)> {
        let mut names: Vec<&str> = self
            .qualified_names(kind)
            .map(|name| split_name(name, self.driver))
            .filter_map(|(found, name)| (found == domain).then_some(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter_map(|name| Some((name, self.named(kind, domain, name)?)))
            .collect()
    }

    fn qualified_names(&self, kind: DomainKind) -> impl Iterator<Item = &'a str> {
        let (attributes, capacity) = match (self.device, kind) {
            (Some(device), DomainKind::Attributes) => (device.attributes.as_ref(), None),
            (Some(device), DomainKind::Capacity) => (None, device.capacity.as_ref()),
            (None, _) => (None, None),
        };
        let attributes = attributes.into_iter().flat_map(|map| map.keys());
        let capacity = capacity.into_iter().flat_map(|map| map.keys());
        attributes.chain(capacity).map(String::as_str)
    }
}

/// The value of an attribute, in the order in which upstream asks for its fields.
fn attribute(attribute: &DeviceAttribute) -> Option<Value<'_>> {
    Some(if let Some(values) = &attribute.ints {
        Value::List(List::Ints(values))
    } else if let Some(values) = &attribute.bools {
        Value::List(List::Bools(values))
    } else if let Some(values) = &attribute.strings {
        Value::List(List::Strings(values))
    } else if let Some(values) = &attribute.versions {
        Value::List(List::Versions(values))
    } else if let Some(value) = attribute.int {
        Value::Int(value)
    } else if let Some(value) = attribute.bool {
        Value::Bool(value)
    } else if let Some(value) = &attribute.string {
        Value::text(value)
    } else {
        Value::Semver(Text::Borrowed(attribute.version.as_ref()?))
    })
}

/// The check of one attribute, whatever it has.
#[inline(never)]
fn check_attribute(name: &str, attribute: &DeviceAttribute) -> Result<(), Failure> {
    if attribute.ints.is_some() || attribute.bools.is_some() || attribute.strings.is_some() {
        return Ok(());
    }
    if let Some(versions) = &attribute.versions {
        return versions
            .iter()
            .try_for_each(|version| check_version(name, version));
    }
    if attribute.int.is_some() || attribute.bool.is_some() || attribute.string.is_some() {
        return Ok(());
    }
    match &attribute.version {
        Some(version) => check_version(name, version),
        None => Err(Failure::new(
            ErrorKind::Other,
            format!("attribute {name}: unsupported attribute value"),
        )),
    }
}

fn check_version(attribute: &str, version: &str) -> Result<(), Failure> {
    Version::parse(version).map(|_| ()).map_err(|problem| {
        Failure::new(
            ErrorKind::InvalidArgument,
            format!("attribute {attribute}: parse semantic version: {problem}"),
        )
    })
}
