//! How each device is doing, for the kubelet.

use super::illness::Illness;
use crate::devices::Announced;
use crate::node::plugin::{DeviceHealth, Health};

/// A device is unhealthy while it has a taint that keeps pods away. Whether one without is well nobody
/// can tell while there is a `doubt`: what keeps the hardware from being looked at.
pub(super) fn report(
    node: &str,
    base: &Announced,
    illness: &Illness,
    doubt: Option<&str>,
) -> Vec<DeviceHealth> {
    let devices = base.devices.iter().map(|one| &one.device.name);
    devices
        .map(|device| {
            let (health, message) = match (illness.complaint(device), doubt) {
                (Some(complaint), _) => (Health::Unhealthy, complaint),
                (None, Some(doubt)) => (Health::Unknown, doubt),
                (None, None) => (Health::Healthy, ""),
            };
            DeviceHealth {
                pool: node.to_owned(),
                device: device.clone(),
                health,
                message: message.to_owned(),
            }
        })
        .collect()
}
