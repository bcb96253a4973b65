//! A policy that announces each unit under a name of its own and taints what falls ill too often.

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::inventory::{
    Announcement, ClearedTaint, Consumption, Hardware, Incident, PublishedCapacity,
    PublishedCounter, PublishedDevice, RequestPolicy, RequestRange, Taint, TaintChange,
    TaintEffect, Value, nothing,
};
use supercargo_guest::prelude::*;

/// What it does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Orders {
    /// What devices are called; a number follows.
    pub name: String,
    /// Units that are not announced.
    pub hide: Vec<String>,
    /// Whether to announce a text that is longer than the API takes.
    pub babble: bool,
    /// Whether to crash rather than judge.
    pub crash: bool,
    /// Whether to taint with a key of somebody else's domain.
    pub trespass: bool,
    /// How often something must happen before it matters.
    pub patience: u32,
}

/// Follows its orders.
pub struct Warden;

impl Policy for Warden {
    type Settings = Orders;
}

impl Publish for Warden {
    fn publish(orders: &Orders, hardware: &Hardware) -> Result<Announcement, Refusal> {
        if orders.name.is_empty() {
            return Err(Refusal::new("the devices have no name yet"));
        }
        let mut texts = hardware.strings.clone();
        let mut text = |written: &str| {
            texts.push(written.to_owned());
            texts.len() as u32 - 1
        };
        let mut answer = nothing();
        answer.attribute_names = vec![text("uuid"), text("example.com/rack")];
        answer.capacity_names = vec![text("memory")];
        let (boards, slots) = (text("boards"), text("slots"));
        let rack = text(&"r".repeat(if orders.babble { 65 } else { 3 }));
        for (unit, found) in (0..).zip(&hardware.units) {
            if orders.hide.contains(&hardware.strings[found.id as usize]) {
                continue;
            }
            let fact = |wanted: &str| {
                let mut facts = hardware.facts.iter().filter(|fact| fact.unit == unit);
                let known = facts.find(|fact| hardware.strings[fact.name as usize] == wanted);
                known.map_or(Value::Absent, |fact| fact.value.clone())
            };
            let device = answer.devices.len() as u32;
            answer.devices.push(PublishedDevice {
                name: text(&format!("{}-{unit}", orders.name)),
                unit,
                shareable: true,
            });
            answer.attributes.push(fact("nvml.uuid"));
            answer.attributes.push(Value::String(rack));
            let memory = match fact("nvml.memory-bytes") {
                Value::Int(bytes) => bytes,
                _ => return Err(Refusal::new("a unit without memory")),
            };
            let whole = |units: i64| Quantity::new(units).into();
            answer.capacities.push(Some(PublishedCapacity {
                total: whole(memory),
                requests: RequestPolicy::Range(RequestRange {
                    default: whole(1 << 30),
                    min: whole(1 << 30),
                    max: None,
                    step: Some(whole(1 << 20)),
                }),
            }));
            answer.consumption.push(Consumption {
                device,
                counter: 0,
                amount: whole(1),
            });
        }
        answer.counters.push(PublishedCounter {
            counter_set: boards,
            name: slots,
            total: Quantity::new(answer.devices.len() as i64).into(),
        });
        answer.strings = texts;
        Ok(answer)
    }
}

impl Assess for Warden {
    fn assess(orders: &Orders, incident: &Incident) -> Result<Vec<TaintChange>, Refusal> {
        if orders.crash {
            std::process::abort();
        }
        let event = &incident.event;
        let Some(device) = event.device else {
            return Err(Refusal::new("the node is somebody else's business"));
        };
        if event.source == "recovered" {
            let mine = incident
                .taints
                .iter()
                .filter(|taint| taint.device == device);
            return Ok(mine
                .map(|taint| {
                    TaintChange::Clear(ClearedTaint {
                        device,
                        key: taint.key.clone(),
                    })
                })
                .collect());
        }
        if event.occurrences <= orders.patience {
            return Ok(Vec::new());
        }
        let domain = if orders.trespass {
            "example.com"
        } else {
            "gpu.nvidia.com"
        };
        Ok(vec![TaintChange::Set(Taint {
            device,
            key: format!("{domain}/{}", event.source),
            value: format!("seen-{}", event.occurrences),
            effect: TaintEffect::NoExecute,
        })])
    }
}

supercargo_guest::export!(Warden: publish, assess);
