//! How each device is doing, for the kubelet.

use super::illness::Illness;
use crate::devices::Announced;
use crate::node::plugin::{DeviceHealth, Health};

/// A device is unhealthy while it has a taint that keeps pods away.
pub(super) fn report(node: &str, base: &Announced, illness: &Illness) -> Vec<DeviceHealth> {
    let devices = base.devices.iter().map(|one| &one.device.name);
    devices
        .map(|device| {
            let complaint = illness.complaint(device);
            DeviceHealth {
                pool: node.to_owned(),
                device: device.clone(),
                health: match complaint {
                    Some(_) => Health::Unhealthy,
                    None => Health::Healthy,
                },
                message: complaint.unwrap_or_default().to_owned(),
            }
        })
        .collect()
}
