//! What cannot be published, said before the API server refuses all of it.
//!
//! The rules for one slice are [`objects::check`]'s. Here they are told by device rather than by the
//! place in some slice, and what the API server cannot see is added, because it spans slices: readers
//! ignore a pool in which a name is there twice or counters are missing, and tell nobody.

use std::collections::{HashMap, HashSet};
use std::fmt;

use k8s_openapi::api::resource::v1::{Device, ResourceSlice, ResourceSliceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use supercargo_host::objects::{self, Object, Severity};

use super::{Owner, name};
use crate::devices::Announced;

/// How many are told.
const TOLD: usize = 10;

/// One thing that the API does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What it is about: `device gpu-0`, `counter set gpu-0`, or the pool.
    pub subject: String,
    /// The field, such as `attributes[model].string`; empty where the subject says it all.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a pool cannot be published; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defects(pub Vec<Defect>);

impl fmt::Display for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, defect) in self.0.iter().take(TOLD).enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{defect}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Defects {}

/// Checks a pool that is cut into `specs`.
pub(super) fn check(
    owner: &Owner,
    announced: &Announced,
    specs: &[ResourceSliceSpec],
) -> Result<(), Defects> {
    let mut defects = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        limits(name::generate(index, owner), spec, &mut defects);
    }
    whole(announced, &mut defects);
    if defects.is_empty() {
        Ok(())
    } else {
        Err(Defects(defects))
    }
}

/// The limits of one slice.
fn limits(name: String, spec: &ResourceSliceSpec, defects: &mut Vec<Defect>) {
    let slice = ResourceSlice {
        metadata: ObjectMeta {
            generate_name: Some(name),
            ..ObjectMeta::default()
        },
        spec: spec.clone(),
    };
    let problems = objects::check("announced", &Object::ResourceSlice(slice));
    let errors = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error);
    for problem in errors {
        let mut message = problem.message;
        if !problem.cure.is_empty() {
            message.push_str("; ");
            message.push_str(&problem.cure);
        }
        let (subject, field) = place_of(&problem.path, spec);
        defects.push(Defect {
            subject,
            field,
            message,
        });
    }
}

/// `spec.devices[3].attributes[model]` as `device gpu-3` and `attributes[model]`.
fn place_of(path: &str, spec: &ResourceSliceSpec) -> (String, String) {
    let path = path.strip_prefix("spec.").unwrap_or(path);
    let devices = spec.devices.iter().flatten().map(|device| &device.name);
    let sets = spec.shared_counters.iter().flatten().map(|set| &set.name);
    // A slice has one or the other.
    let names: Vec<&String> = devices.chain(sets).collect();
    let lists = [("devices[", "device"), ("sharedCounters[", "counter set")];
    let item = lists.iter().find_map(|(list, kind)| {
        let (index, field) = path.strip_prefix(list)?.split_once(']')?;
        Some((kind, names.get(index.parse::<usize>().ok()?)?, field))
    });
    match item {
        Some((kind, name, field)) => (
            format!("{kind} {name}"),
            field.trim_start_matches('.').to_owned(),
        ),
        None => ("pool".to_owned(), path.to_owned()),
    }
}

/// What spans slices.
fn whole(announced: &Announced, defects: &mut Vec<Defect>) {
    let devices = || announced.devices.iter().map(|announced| &announced.device);
    let sets = announced.counter_sets.iter();
    twice(
        "counter set",
        sets.clone().map(|set| set.name.as_str()),
        defects,
    );
    twice(
        "device",
        devices().map(|device| device.name.as_str()),
        defects,
    );
    let sets: HashMap<_, _> = sets.map(|set| (set.name.as_str(), &set.counters)).collect();
    for (device, number, set, counter) in devices().flat_map(consumed) {
        let message = match (sets.get(set), counter) {
            (None, None) => format!("there is no counter set '{set}'"),
            (Some(counters), Some(counter)) if !counters.contains_key(counter) => {
                format!("counter set '{set}' has no counter '{counter}'")
            }
            _ => continue,
        };
        defects.push(Defect {
            subject: format!("device {}", device.name),
            field: format!("consumesCounters[{number}]"),
            message,
        });
    }
}

/// Names that are there twice, and have not been told for one slice.
fn twice<'a>(kind: &str, names: impl Iterator<Item = &'a str>, defects: &mut Vec<Defect>) {
    let mut seen = HashSet::new();
    for name in names.filter(|name| !seen.insert(*name)) {
        let subject = format!("{kind} {name}");
        let told = |defect: &Defect| defect.subject == subject && defect.field == "name";
        if !defects.iter().any(told) {
            defects.push(Defect {
                subject,
                field: "name".to_owned(),
                message: format!("'{name}' is there twice in the pool"),
            });
        }
    }
}

/// What a device draws from: each set, and each counter of it.
fn consumed(device: &Device) -> impl Iterator<Item = (&Device, usize, &str, Option<&str>)> {
    let consumptions = device.consumes_counters.iter().flatten().enumerate();
    consumptions.flat_map(move |(number, consumption)| {
        let set = consumption.counter_set.as_str();
        let counters = consumption.counters.keys();
        std::iter::once((device, number, set, None))
            .chain(counters.map(move |counter| (device, number, set, Some(counter.as_str()))))
    })
}
