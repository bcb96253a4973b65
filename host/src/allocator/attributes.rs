//! Attribute values as small numbers, so that constraints compare numbers.
//!
//! A column holds one attribute of all devices. It is made when a constraint first names the
//! attribute and serves all later calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::resource::v1::DeviceAttribute;

use super::inventory::Inventory;

/// Beyond this many columns all are dropped and built anew, as with expressions.
const MOST: usize = 256;

/// All columns made so far.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    columns: RwLock<HashMap<String, Arc<Column>>>,
}

/// One attribute of all devices.
#[derive(Debug)]
pub(super) struct Column {
    codes: Vec<u32>,
    lists: Vec<Box<[u32]>>,
}

/// What a device has for an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Nothing.
    Missing,
    /// A value of a type that is not known.
    Unknown,
    /// A single value.
    One(u32),
    /// A list of values, sorted.
    Many(&'a [u32]),
}

const MISSING: u32 = 0;
const UNKNOWN: u32 = 1;
const FIRST: u32 = 2;
const LIST: u32 = 1 << 31;

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Element<'a> {
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Version(&'a str),
}

impl Attributes {
    pub(super) fn column(&self, inventory: &Inventory, name: &str, lists: bool) -> Arc<Column> {
        let columns = self.columns.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(column) = columns.get(name) {
            return column.clone();
        }
        drop(columns);
        let column = Arc::new(Column::new(inventory, name, lists));
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        if columns.len() >= MOST {
            columns.clear();
        }
        columns.entry(name.to_owned()).or_insert(column).clone()
    }
}

/// Looks an attribute up as upstream does: by the full name, and if the domain is the driver's also
/// by the bare one.
pub(super) fn lookup<'a, T>(
    entries: Option<&'a BTreeMap<String, T>>,
    driver: &str,
    name: &str,
) -> Option<&'a T> {
    let entries = entries?;
    if let Some(found) = entries.get(name) {
        return Some(found);
    }
    let (domain, id) = name.split_once('/')?;
    if domain != driver {
        return None;
    }
    entries.get(id)
}

impl Column {
    fn new(inventory: &Inventory, name: &str, lists: bool) -> Self {
        let mut column = Self {
            codes: Vec::with_capacity(inventory.devices.len()),
            lists: Vec::new(),
        };
        let mut numbers: HashMap<Element<'_>, u32> = HashMap::new();
        let mut list_numbers: HashMap<Box<[u32]>, u32> = HashMap::new();
        for device in 0..inventory.devices.len() as u32 {
            let slice = inventory.slice(inventory.published(device).slice);
            let attributes = inventory.device(device).attributes.as_ref();
            let Some(attribute) = lookup(attributes, &slice.object.spec.driver, name) else {
                column.codes.push(MISSING);
                continue;
            };
            let mut elements: Vec<u32> = elements(attribute, lists)
                .into_iter()
                .map(|element| {
                    let next = numbers.len() as u32 + FIRST;
                    *numbers.entry(element).or_insert(next)
                })
                .collect();
            elements.sort_unstable();
            elements.dedup();
            column.codes.push(match elements.as_slice() {
                [] => UNKNOWN,
                [one] => *one,
                _ => {
                    let next = column.lists.len() as u32;
                    let elements = elements.into_boxed_slice();
                    LIST | *list_numbers.entry(elements).or_insert_with_key(|elements| {
                        column.lists.push(elements.clone());
                        next
                    })
                }
            });
        }
        column
    }

    /// A number that is the same for devices with the same value.
    pub(super) fn code(&self, device: u32) -> u32 {
        self.codes.get(device as usize).copied().unwrap_or(MISSING)
    }

    #[inline]
    pub(super) fn value(&self, device: u32) -> Value<'_> {
        match self.code(device) {
            MISSING => Value::Missing,
            UNKNOWN => Value::Unknown,
            list if list & LIST != 0 => self
                .lists
                .get((list ^ LIST) as usize)
                .map_or(Value::Unknown, |elements| Value::Many(elements)),
            one => Value::One(one),
        }
    }
}

fn elements(attribute: &DeviceAttribute, lists: bool) -> Vec<Element<'_>> {
    if lists {
        if let Some(ints) = attribute.ints.as_deref().filter(|list| !list.is_empty()) {
            return ints.iter().copied().map(Element::Int).collect();
        }
        if let Some(bools) = attribute.bools.as_deref().filter(|list| !list.is_empty()) {
            return bools.iter().copied().map(Element::Bool).collect();
        }
        if let Some(texts) = attribute.strings.as_deref().filter(|list| !list.is_empty()) {
            return texts.iter().map(|text| Element::Text(text)).collect();
        }
        if let Some(texts) = attribute
            .versions
            .as_deref()
            .filter(|list| !list.is_empty())
        {
            return texts.iter().map(|text| Element::Version(text)).collect();
        }
    }
    let single = match attribute {
        DeviceAttribute { int: Some(int), .. } => Element::Int(*int),
        DeviceAttribute {
            bool: Some(bool), ..
        } => Element::Bool(*bool),
        DeviceAttribute {
            string: Some(text), ..
        } => Element::Text(text),
        DeviceAttribute {
            version: Some(text),
            ..
        } => Element::Version(text),
        _ => return Vec::new(),
    };
    vec![single]
}
