//! The `publish` hook: hardware as it is asked about, and what comes back as the API writes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{
    CapacityRequestPolicy, CapacityRequestPolicyRange, Counter, CounterSet, Device,
    DeviceAttribute, DeviceCapacity, DeviceCounterConsumption, DeviceTaint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use supercargo_host::journal::{Question, Reply, Subject, Verdict};
use supercargo_host::policy::inventory::{
    self as asked, Announcement, Hardware, PublishedCapacity, RequestPolicy, TaintEffect,
};
use supercargo_host::policy::types::Value;
use supercargo_host::policy::{Quantity, Texts};
use supercargo_host::quantity;

use crate::devices::{Announced, AnnouncedDevice, Fact, Source, Unit};
use crate::node::slices::{self, Owner};
use crate::serving::Serving;

/// Asks the policy what is announced. The error is why it did not say, or why it cannot be published.
pub(super) fn ask(
    serving: &Serving,
    source: &dyn Source,
    owner: &Owner,
    units: &[Unit],
) -> Result<Announced, String> {
    let description = serving.policy.description();
    let named = description.interests.node_name;
    let hardware = hardware(source.name(), named.then_some(owner.node.as_str()), units);
    let name = &description.name;
    let answer = serving.policy.publish(&hardware, None);
    let announced = match &answer {
        Err(error) => Err(format!("policy {name}: {error}")),
        Ok(answer) => read(answer, units)
            .ok_or_else(|| format!("policy {name}: a position is out of range"))
            .and_then(|announced| {
                slices::check(owner, &announced).map_err(|defects| {
                    format!("what the policy announces cannot be published: {defects}")
                })?;
                Ok(announced)
            }),
    };
    serving.record(|| {
        let subject = Subject {
            node: owner.node.clone(),
            ..Subject::default()
        };
        let verdict = match (&answer, &announced) {
            (Ok(_), Err(reason)) => Verdict::Refused(reason.clone()),
            _ => Verdict::Accepted,
        };
        let reply = Reply::of(&answer, Reply::Announcement);
        (subject, Question::Publish(hardware), reply, verdict)
    });
    announced
}

/// Hardware as a policy is asked about it.
pub(crate) fn hardware(source: &str, node: Option<&str>, units: &[Unit]) -> Hardware {
    let mut texts = Texts::default();
    let mut position = |text: &str| texts.position(&Arc::from(text));
    let source = position(source);
    let mut found = Vec::new();
    let mut facts = Vec::new();
    for (at, unit) in (0..).zip(units) {
        found.push(asked::Unit {
            id: position(&unit.id.0),
            source,
        });
        for (name, fact) in &unit.facts {
            facts.push(asked::Fact {
                unit: at,
                name: position(name),
                value: match fact {
                    Fact::Int(number) => Value::Int(*number),
                    Fact::Bool(flag) => Value::Bool(*flag),
                    Fact::Text(text) => Value::String(position(text)),
                    Fact::Version(version) => Value::Version(position(version)),
                    Fact::Texts(texts) => {
                        Value::Strings(texts.iter().map(|text| position(text)).collect())
                    }
                },
            });
        }
    }
    Hardware {
        node: node.map(Arc::from),
        strings: texts.into_strings(),
        units: found,
        facts,
    }
}

/// The answer as objects of the API; `None`: a position in it does not exist, which the engine has
/// ruled out.
pub(crate) fn read(answer: &Announcement, units: &[Unit]) -> Option<Announced> {
    let text = |at: u32| answer.strings.get(usize::try_from(at).ok()?).cloned();
    let names =
        |column: &[u32]| -> Option<Vec<String>> { column.iter().map(|at| text(*at)).collect() };
    let attribute_names = names(&answer.attribute_names)?;
    let capacity_names = names(&answer.capacity_names)?;
    let mut devices = Vec::with_capacity(answer.devices.len());
    for (at, published) in answer.devices.iter().enumerate() {
        let row = |columns: usize| at * columns..(at + 1) * columns;
        let attributes = answer.attributes.get(row(attribute_names.len()))?;
        let capacities = answer.capacities.get(row(capacity_names.len()))?;
        let mut device = Device {
            name: text(published.name)?,
            allow_multiple_allocations: published.shareable.then_some(true),
            ..Device::default()
        };
        for (name, value) in attribute_names.iter().zip(attributes) {
            if let Some(attribute) = attribute(value, &text)? {
                let all = device.attributes.get_or_insert_default();
                all.insert(name.clone(), attribute);
            }
        }
        for (name, value) in capacity_names.iter().zip(capacities) {
            if let Some(published) = value {
                let all = device.capacity.get_or_insert_default();
                all.insert(name.clone(), capacity(published));
            }
        }
        devices.push(AnnouncedDevice {
            device,
            unit: units.get(usize::try_from(published.unit).ok()?)?.id.clone(),
        });
    }
    let mut sets: BTreeMap<String, BTreeMap<String, Counter>> = BTreeMap::new();
    for counter in &answer.counters {
        let set = sets.entry(text(counter.counter_set)?).or_default();
        let value = written(counter.total);
        set.insert(text(counter.name)?, Counter { value });
    }
    for used in &answer.consumption {
        let counter = answer.counters.get(usize::try_from(used.counter).ok()?)?;
        let device = devices.get_mut(usize::try_from(used.device).ok()?)?;
        let set = text(counter.counter_set)?;
        let all = device.device.consumes_counters.get_or_insert_default();
        let place = match all.iter().position(|entry| entry.counter_set == set) {
            Some(place) => place,
            None => {
                all.push(DeviceCounterConsumption {
                    counter_set: set,
                    ..DeviceCounterConsumption::default()
                });
                all.len() - 1
            }
        };
        let value = written(used.amount);
        let counters = &mut all.get_mut(place)?.counters;
        counters.insert(text(counter.name)?, Counter { value });
    }
    for taint in &answer.taints {
        let device = devices.get_mut(usize::try_from(taint.device).ok()?)?;
        let taints = device.device.taints.get_or_insert_default();
        taints.push(DeviceTaint {
            key: taint.key.clone(),
            value: (!taint.value.is_empty()).then(|| taint.value.clone()),
            effect: effect(taint.effect).to_owned(),
            time_added: None,
        });
    }
    Some(Announced {
        devices,
        counter_sets: sets
            .into_iter()
            .map(|(name, counters)| CounterSet { name, counters })
            .collect(),
    })
}

/// How the API writes what a taint does.
pub(super) fn effect(effect: TaintEffect) -> &'static str {
    match effect {
        TaintEffect::None => "None",
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    }
}

/// A value; the inner `None`: the device does not have the attribute.
fn attribute(
    value: &Value,
    text: &dyn Fn(u32) -> Option<String>,
) -> Option<Option<DeviceAttribute>> {
    let texts = |at: &[u32]| at.iter().map(|at| text(*at)).collect::<Option<Vec<_>>>();
    let mut attribute = DeviceAttribute::default();
    match value {
        Value::Absent => return Some(None),
        Value::Int(number) => attribute.int = Some(*number),
        Value::Bool(flag) => attribute.bool = Some(*flag),
        Value::String(at) => attribute.string = Some(text(*at)?),
        Value::Version(at) => attribute.version = Some(text(*at)?),
        Value::Ints(numbers) => attribute.ints = Some(numbers.clone()),
        Value::Bools(flags) => attribute.bools = Some(flags.clone()),
        Value::Strings(at) => attribute.strings = Some(texts(at)?),
        Value::Versions(at) => attribute.versions = Some(texts(at)?),
    }
    Some(Some(attribute))
}

fn capacity(published: &PublishedCapacity) -> DeviceCapacity {
    let policy = match &published.requests {
        RequestPolicy::Unrestricted => None,
        RequestPolicy::Values(values) => Some(CapacityRequestPolicy {
            default: Some(written(values.default)),
            valid_values: Some(values.values.iter().copied().map(written).collect()),
            valid_range: None,
        }),
        RequestPolicy::Range(range) => Some(CapacityRequestPolicy {
            default: Some(written(range.default)),
            valid_values: None,
            valid_range: Some(CapacityRequestPolicyRange {
                min: written(range.min),
                max: range.max.map(written),
                step: range.step.map(written),
            }),
        }),
    };
    DeviceCapacity {
        value: written(published.total),
        request_policy: policy,
    }
}

/// A quantity as people write it: whole mebibytes as such, everything else in decimal.
fn written(quantity: Quantity) -> Written {
    const MEBIBYTE: i64 = 1 << 20;
    if quantity.nanos == 0 && quantity.units >= MEBIBYTE && quantity.units % MEBIBYTE == 0 {
        return Written(format!("{}Mi", quantity.units / MEBIBYTE));
    }
    Written(quantity::Quantity::from_nanos(quantity.as_nanos()).to_string())
}
