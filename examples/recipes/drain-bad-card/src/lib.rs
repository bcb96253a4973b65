//! A card that reports memory errors gets no new claims; one that is lost loses those it has, too; one
//! that is well again is back.

use supercargo_guest::inventory::{ClearedTaint, Incident, Taint, TaintChange, TaintEffect};
use supercargo_guest::prelude::*;

/// What a card is marked with, in the driver's own domain.
const KEY: &str = "gpu.example.com/unhealthy";
/// So many memory errors are an accident; more are a fault.
const PATIENCE: u32 = 3;

/// Drains cards.
pub struct DrainBadCard;

impl Policy for DrainBadCard {
    type Settings = NoSettings;
}

impl Assess for DrainBadCard {
    fn assess(_: &NoSettings, incident: &Incident) -> Result<Vec<TaintChange>, Refusal> {
        let devices = match incident.event.device {
            Some(device) => device..device + 1,
            None => 0..u32::try_from(incident.devices.len()).unwrap_or(u32::MAX),
        };
        Ok(devices
            .filter_map(|device| change(incident, device))
            .collect())
    }
}

/// What follows for one card.
fn change(incident: &Incident, device: u32) -> Option<TaintChange> {
    let (event, key) = (&incident.event, KEY.to_owned());
    let effect = match event.source.as_str() {
        "ecc" if event.occurrences > PATIENCE => TaintEffect::NoSchedule,
        "lost" => TaintEffect::NoExecute,
        "recovered" if is_marked(incident, device) => {
            return Some(TaintChange::Clear(ClearedTaint { device, key }));
        }
        _ => return None,
    };
    let value = event.source.clone();
    Some(TaintChange::Set(Taint {
        device,
        key,
        value,
        effect,
    }))
}

fn is_marked(incident: &Incident, device: u32) -> bool {
    let mut taints = incident.taints.iter();
    taints.any(|taint| taint.device == device && taint.key == KEY)
}

supercargo_guest::export!(DrainBadCard: assess);
