//! Checks the answers of `publish` and `assess`: tables that are rectangular, positions that exist.
//!
//! Names and values are checked against the limits of the API where a ResourceSlice is made of them.

use std::collections::BTreeSet;

use super::{fault, position, text};
use crate::policy::about::Hook;
use crate::policy::failure::CallError;
use crate::policy::inventory::{Announcement, Incident, RequestPolicy, Taint, TaintChange};
use crate::policy::types::{Quantity, Value};

/// Devices that one node may announce.
const MOST_DEVICES: usize = 16_384;

/// Bytes of a label key, qualified.
const MOST_KEY: usize = 317;

/// Bytes of a label value.
const MOST_LABEL: usize = 63;

pub(in crate::policy) fn announcement(
    answer: &Announcement,
    units: usize,
) -> Result<(), CallError> {
    let hook = Hook::Publish;
    let (devices, strings) = (answer.devices.len(), answer.strings.len());
    if devices > MOST_DEVICES {
        return Err(fault(
            hook,
            "devices",
            format!("has {devices} entries; at most {MOST_DEVICES} are allowed"),
        ));
    }
    for (at, column) in [
        ("attribute-names", &answer.attribute_names),
        ("capacity-names", &answer.capacity_names),
    ] {
        column
            .iter()
            .try_for_each(|&name| position(hook, || at.to_owned(), name, strings))?;
        let distinct: BTreeSet<_> = column
            .iter()
            .filter_map(|&name| text_at(answer, name))
            .collect();
        if distinct.len() != column.len() {
            return Err(fault(hook, at, "holds a name twice"));
        }
    }
    rectangle(
        "attributes",
        answer.attributes.len(),
        devices,
        answer.attribute_names.len(),
    )?;
    rectangle(
        "capacities",
        answer.capacities.len(),
        devices,
        answer.capacity_names.len(),
    )?;

    let mut names = BTreeSet::new();
    for (at, device) in answer.devices.iter().enumerate() {
        position(hook, || format!("devices[{at}].name"), device.name, strings)?;
        position(hook, || format!("devices[{at}].unit"), device.unit, units)?;
        if !names.insert(text_at(answer, device.name)) {
            return Err(fault(
                hook,
                format!("devices[{at}].name"),
                "is the name of an earlier device",
            ));
        }
    }
    for (at, value) in answer.attributes.iter().enumerate() {
        let here = || format!("attributes[{at}]");
        match value {
            Value::String(text) | Value::Version(text) => position(hook, here, *text, strings)?,
            Value::Strings(texts) | Value::Versions(texts) => {
                texts
                    .iter()
                    .try_for_each(|&text| position(hook, here, text, strings))?;
            }
            Value::Absent | Value::Int(_) | Value::Bool(_) | Value::Ints(_) | Value::Bools(_) => {}
        }
    }
    for (at, capacity) in answer.capacities.iter().enumerate() {
        let Some(capacity) = capacity else { continue };
        let here = || format!("capacities[{at}]");
        quantity(hook, here, capacity.total)?;
        match &capacity.requests {
            RequestPolicy::Unrestricted => {}
            RequestPolicy::Values(values) => {
                quantity(hook, here, values.default)?;
                values
                    .values
                    .iter()
                    .try_for_each(|&value| quantity(hook, here, value))?;
                if !(1..=10).contains(&values.values.len()) || !values.values.is_sorted() {
                    return Err(fault(hook, here(), "must list 1 to 10 values, ascending"));
                }
            }
            RequestPolicy::Range(range) => {
                let parts = [Some(range.default), Some(range.min), range.max, range.step];
                parts
                    .into_iter()
                    .flatten()
                    .try_for_each(|part| quantity(hook, here, part))?;
            }
        }
    }
    for (at, counter) in answer.counters.iter().enumerate() {
        position(
            hook,
            || format!("counters[{at}].counter-set"),
            counter.counter_set,
            strings,
        )?;
        position(
            hook,
            || format!("counters[{at}].name"),
            counter.name,
            strings,
        )?;
        quantity(hook, || format!("counters[{at}].total"), counter.total)?;
    }
    for (at, consumption) in answer.consumption.iter().enumerate() {
        position(
            hook,
            || format!("consumption[{at}].device"),
            consumption.device,
            devices,
        )?;
        position(
            hook,
            || format!("consumption[{at}].counter"),
            consumption.counter,
            answer.counters.len(),
        )?;
        quantity(
            hook,
            || format!("consumption[{at}].amount"),
            consumption.amount,
        )?;
    }
    answer
        .taints
        .iter()
        .enumerate()
        .try_for_each(|(at, mark)| taint(hook, &format!("taints[{at}]"), mark, devices))
}

pub(in crate::policy) fn taint_changes(
    changes: &[TaintChange],
    incident: &Incident,
) -> Result<(), CallError> {
    let (hook, devices) = (Hook::Assess, incident.devices.len());
    for (at, change) in changes.iter().enumerate() {
        match change {
            TaintChange::Set(mark) => taint(hook, &format!("[{at}]"), mark, devices)?,
            TaintChange::Clear(cleared) => {
                position(hook, || format!("[{at}].device"), cleared.device, devices)?;
                let stands = |set: &crate::policy::inventory::CurrentTaint| {
                    set.device == cleared.device && *set.key == *cleared.key
                };
                if !incident.taints.iter().any(stands) {
                    return Err(fault(
                        hook,
                        format!("[{at}]"),
                        "clears a taint that this policy did not set",
                    ));
                }
            }
        }
    }
    Ok(())
}

fn taint(hook: Hook, at: &str, taint: &Taint, devices: usize) -> Result<(), CallError> {
    position(hook, || format!("{at}.device"), taint.device, devices)?;
    text(hook, || format!("{at}.key"), &taint.key, MOST_KEY)?;
    text(hook, || format!("{at}.value"), &taint.value, MOST_LABEL)?;
    if taint.key.is_empty() {
        return Err(fault(hook, format!("{at}.key"), "is empty"));
    }
    Ok(())
}

fn rectangle(at: &str, cells: usize, rows: usize, columns: usize) -> Result<(), CallError> {
    if rows.checked_mul(columns) == Some(cells) {
        Ok(())
    } else {
        Err(fault(
            Hook::Publish,
            at,
            format!("has {cells} cells; {rows} devices by {columns} names are expected"),
        ))
    }
}

fn quantity(hook: Hook, at: impl Fn() -> String, quantity: Quantity) -> Result<(), CallError> {
    if !quantity.is_valid() {
        Err(fault(
            hook,
            at(),
            format!(
                "has {} nanos; at most 999999999 are allowed",
                quantity.nanos
            ),
        ))
    } else if quantity.units < 0 {
        Err(fault(hook, at(), "is negative"))
    } else {
        Ok(())
    }
}

fn text_at(answer: &Announcement, text: u32) -> Option<&str> {
    answer
        .strings
        .get(usize::try_from(text).ok()?)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::inventory::{
        ClearedTaint, CurrentTaint, HealthEvent, PublishedDevice, TaintEffect,
    };

    fn two_gpus() -> Announcement {
        let device = |name| PublishedDevice {
            name,
            unit: 0,
            shareable: false,
        };
        Announcement {
            strings: vec![
                "gpu-0".into(),
                "gpu-1".into(),
                "model".into(),
                "h100".into(),
            ],
            attribute_names: vec![2],
            capacity_names: Vec::new(),
            devices: vec![device(0), device(1)],
            attributes: vec![Value::String(3), Value::Absent],
            capacities: Vec::new(),
            counters: Vec::new(),
            consumption: Vec::new(),
            taints: Vec::new(),
        }
    }

    #[test]
    fn a_rectangular_table_with_positions_that_exist_passes() {
        assert_eq!(announcement(&two_gpus(), 1), Ok(()));
    }

    #[test]
    fn each_fault_is_named_by_its_place() {
        let at = |change: fn(&mut Announcement)| {
            let mut answer = two_gpus();
            change(&mut answer);
            match announcement(&answer, 1) {
                Err(CallError::BadAnswer { at, .. }) => at,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(at(|a| a.attributes.truncate(1)), "attributes");
        assert_eq!(at(|a| a.attributes[1] = Value::Version(4)), "attributes[1]");
        assert_eq!(at(|a| a.devices[1].name = 0), "devices[1].name");
        assert_eq!(at(|a| a.devices[0].unit = 1), "devices[0].unit");
        assert_eq!(at(|a| a.attribute_names = vec![9]), "attribute-names");
    }

    #[test]
    fn only_taints_of_the_policy_can_be_cleared() {
        let incident = Incident {
            devices: vec!["gpu-0".into()],
            taints: vec![CurrentTaint {
                device: 0,
                key: "x/ill".into(),
                effect: TaintEffect::NoSchedule,
            }],
            event: HealthEvent {
                device: Some(0),
                source: "recovered".into(),
                code: 0,
                message: "".into(),
                occurrences: 1,
                seconds_since_first: 0,
            },
        };
        let clear = |key: &str| {
            [TaintChange::Clear(ClearedTaint {
                device: 0,
                key: key.into(),
            })]
        };
        assert_eq!(taint_changes(&clear("x/ill"), &incident), Ok(()));
        assert!(taint_changes(&clear("y/ill"), &incident).is_err());
    }
}
