//! Cards that a bridge joins in pairs: two for one claim come from one bridge, and a single one is
//! taken where the bridge is of no use any more.

use supercargo_guest::prelude::*;
use supercargo_guest::topology::Groups;

/// The bridge that a card is on: any value, the same for both of a pair.
const BRIDGE: Attribute<str> = Attribute::string("gpu.example.com", "bridge");

/// Keeps pairs.
pub struct PairsTogether;

impl Policy for PairsTogether {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[BRIDGE.name()];
}

impl Select for PairsTogether {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut taken: Vec<Device<'_>> = Vec::new();
        let mut proposal = Proposal::prefer().reason("whole pairs, then what no pair needs");
        for request in situation.feasible()? {
            let free = request.devices().filter(|device| !taken.contains(device));
            if let Some(chosen) = together(&Groups::of(free, BRIDGE), request.count()) {
                taken.extend(chosen.iter().copied());
                proposal = proposal.assign(request, chosen);
            }
        }
        Ok(proposal.into())
    }
}

/// A single card is best one without a bridge; everything else is what `pack` does by itself.
fn together<'a>(pairs: &Groups<'a>, count: usize) -> Option<Vec<Device<'a>>> {
    match (count, pairs.loose()) {
        (1, [single, ..]) => Some(vec![*single]),
        _ => pairs.pack(count),
    }
}

supercargo_guest::export!(PairsTogether: select);
