//! Of the NVLink groups that can hold a request, take the tightest: the one where the least is left over.
//!
//! The same policy stands beside this one in C, JavaScript and Python, and answers alike.

use supercargo_guest::prelude::*;
use supercargo_guest::situation::Amount;
use supercargo_guest::topology::Groups;

const NVLINK_GROUP: Attribute<str> = Attribute::string("supercargo.dev", "nvlinkGroup");

/// Takes GPUs from the tightest group.
pub struct TightestGroup;

impl Policy for TightestGroup {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[NVLINK_GROUP.name()];
}

impl Select for TightestGroup {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut taken: Vec<Device<'_>> = Vec::new();
        let (mut wanted, mut held) = (0_u32, 0_u32);
        let mut proposal = Proposal::exact();
        for request in situation.requests() {
            let Amount::Exactly(count) = request.amount() else {
                continue;
            };
            let free = request.devices().filter(|device| !taken.contains(device));
            // A group that is no text is none: the attribute is declared as text.
            let group_of =
                |device: Device<'_>| device.get(NVLINK_GROUP).and(device.key(NVLINK_GROUP));
            let groups = Groups::by(free, group_of);
            let Some(group) = groups.tightest(count as usize) else {
                continue;
            };
            wanted += count;
            held += group.devices().len() as u32;
            let devices = group.devices().iter().take(count as usize).copied();
            taken.extend(devices.clone());
            proposal = proposal.assign(request, devices);
        }
        if wanted == 0 {
            return Err(Refusal::new("no NVLink group holds what is asked for"));
        }
        Ok(proposal
            .score(100.0 * f64::from(wanted) / f64::from(held))
            .reason("the tightest NVLink group that holds the request")
            .into())
    }
}

supercargo_guest::export!(TightestGroup: select);
