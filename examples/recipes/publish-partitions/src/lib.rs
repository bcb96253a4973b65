//! Each card is announced three times: whole and as two halves. All three draw from one counter, so
//! that Kubernetes gives out either the whole or the halves, and nobody has to partition in advance.

use supercargo_guest::inventory::{
    self, Announcement, Consumption, Fact, Hardware, PublishedCapacity, PublishedCounter,
    PublishedDevice, RequestPolicy, Value,
};
use supercargo_guest::prelude::*;

/// What the host knows of a card's memory, in bytes.
const MEMORY_FACT: &str = "nvml.memory-bytes";

/// Announces halves.
pub struct PublishPartitions;

impl Policy for PublishPartitions {
    type Settings = NoSettings;
}

impl Publish for PublishPartitions {
    fn publish(_: &NoSettings, hardware: &Hardware) -> Result<Announcement, Refusal> {
        let mut strings = hardware.strings.clone();
        let mut text = |written: String| {
            strings.push(written);
            u32::try_from(strings.len() - 1).unwrap_or(u32::MAX)
        };
        let mut answer = inventory::nothing();
        let memory = text("memory".to_owned());
        answer.attribute_names = vec![text("part".to_owned())];
        answer.capacity_names = vec![memory];
        for (card, _) in (0..).zip(&hardware.units) {
            let bytes = memory_of(hardware, card)?;
            answer.counters.push(PublishedCounter {
                counter_set: text(format!("card-{card}")),
                name: memory,
                total: Quantity::new(bytes).into(),
            });
            let half = bytes / 2;
            let parts = [
                ("", "whole", bytes),
                ("-a", "half", half),
                ("-b", "half", half),
            ];
            for (ending, part, size) in parts {
                let size = Quantity::new(size);
                answer.consumption.push(Consumption {
                    device: u32::try_from(answer.devices.len()).unwrap_or(u32::MAX),
                    counter: card,
                    amount: size.into(),
                });
                answer.devices.push(PublishedDevice {
                    name: text(format!("card-{card}{ending}")),
                    unit: card,
                    shareable: false,
                });
                answer.attributes.push(Value::String(text(part.to_owned())));
                answer.capacities.push(Some(PublishedCapacity {
                    total: size.into(),
                    requests: RequestPolicy::Unrestricted,
                }));
            }
        }
        answer.strings = strings;
        Ok(answer)
    }
}

/// Equal strings have equal positions, so the name is looked for once and not read again.
fn memory_of(hardware: &Hardware, card: u32) -> Result<i64, Refusal> {
    let name = hardware.strings.iter().position(|text| text == MEMORY_FACT);
    let known = |fact: &&Fact| fact.unit == card && Some(fact.name as usize) == name;
    match hardware.facts.iter().find(known).map(|fact| &fact.value) {
        Some(Value::Int(bytes)) => Ok(*bytes),
        _ => Err(Refusal::new(format!("unit {card} has no {MEMORY_FACT}"))),
    }
}

supercargo_guest::export!(PublishPartitions: publish);
