//! What is in use in a random world.

use fastrand::Rng;
use serde_json::Value;
use supercargo_host::allocator::{AllocatedState, DeviceId};

use super::chance;

/// Some of the devices, as claims that came before would have left them.
pub(super) fn in_use(rng: &mut Rng, slices: &[Value]) -> AllocatedState {
    let mut state = AllocatedState::default();
    let share = rng.u8(..40);
    for spec in slices.iter().filter_map(|slice| slice.get("spec")) {
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let (driver, pool) = (text(spec.get("driver")), text(spec.pointer("/pool/name")));
        for device in spec
            .get("devices")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !chance(rng, share) {
                continue;
            }
            let id = DeviceId {
                driver: driver.as_str().into(),
                pool: pool.as_str().into(),
                device: text(device.get("name")).into(),
            };
            if device.get("allowMultipleAllocations").is_none() || chance(rng, 10) {
                state.devices.insert(id);
                continue;
            }
            state
                .shared
                .insert((id.clone(), format!("share-{}", rng.u16(..)).into()));
            if device.pointer("/capacity/memory").is_some()
                && chance(rng, 80)
                && let Ok(amount) = format!("{}Gi", rng.u8(1..8) * 5).parse()
            {
                state
                    .capacity
                    .entry(id)
                    .or_default()
                    .insert("memory".to_owned(), amount);
            }
        }
    }
    if chance(rng, 10) {
        let gone = DeviceId {
            driver: "gpu.example.com".into(),
            pool: "node-1".into(),
            device: "gone".into(),
        };
        state.devices.insert(gone);
    }
    state
}
