//! What follows from a health event? The device gets no new claims until it has recovered.

use supercargo_guest::inventory::{self, ClearedTaint, Incident, Taint, TaintChange, TaintEffect};
use supercargo_guest::prelude::*;

use crate::MyPolicy;

/// The mark of a device that is not well.
const UNHEALTHY: &str = "gpu.example.com/unhealthy";

impl Assess for MyPolicy {
    fn assess(_: &NoSettings, incident: &Incident) -> Result<Vec<TaintChange>, Refusal> {
        let every = 0..u32::try_from(incident.devices.len()).unwrap_or(u32::MAX);
        let devices = incident.event.device.map_or(every, |one| one..one + 1);
        if incident.event.source == "recovered" {
            let mine = |taint: &&inventory::CurrentTaint| {
                taint.key == UNHEALTHY && devices.contains(&taint.device)
            };
            let clear = |taint: &inventory::CurrentTaint| {
                TaintChange::Clear(ClearedTaint {
                    device: taint.device,
                    key: taint.key.clone(),
                })
            };
            return Ok(incident.taints.iter().filter(mine).map(clear).collect());
        }
        let set = |device| {
            TaintChange::Set(Taint {
                device,
                key: UNHEALTHY.to_owned(),
                value: incident.event.source.clone(),
                effect: TaintEffect::NoSchedule,
            })
        };
        Ok(devices.map(set).collect())
    }
}
