//! Several claims share a device, and each new one gets the device with the most memory left.

use std::cmp::Reverse;

use supercargo_guest::prelude::*;

/// What claims share. Without a domain it is that of each device's own driver.
const MEMORY: Capacity = Capacity::new("", "memory");

/// Prefers what is used least.
pub struct LeastUsed;

impl Policy for LeastUsed {
    type Settings = NoSettings;
    const CAPACITIES: &'static [Name] = &[MEMORY.name()];
    const CONTEXT: Context = Context::CONSUMED_CAPACITY;
}

impl Select for LeastUsed {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut proposal = Proposal::prefer().reason("the most memory left");
        for request in situation.feasible()? {
            let mut devices: Vec<_> = request.devices().collect();
            devices.sort_by_key(|device| Reverse(left(*device)));
            proposal = proposal.assign(request, devices);
        }
        Ok(proposal.into())
    }
}

fn left(device: Device<'_>) -> Option<Quantity> {
    device
        .capacity(MEMORY)?
        .checked_sub(device.consumed(MEMORY))
}

supercargo_guest::export!(LeastUsed: select);
