//! Devices balanced over NUMA nodes, or kept together on one.
//!
//! Which of the two is right depends on the work: a model that streams from main memory wants all
//! memory controllers (`spread`), one whose threads talk to each other wants one node (`align`).
//! First fit does neither, it fills NUMA node 0 first. All requests of a claim count together, since
//! they are for one pod: a GPU and its NIC are aligned with each other.

mod settings;

use supercargo_guest::prelude::*;
use supercargo_guest::topology::{Aligned, Groups, aligned};

pub use settings::{Mode, Tuning};

/// The NUMA node, under the name that all drivers share.
pub const NUMA_NODE: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");

/// How many NUMA nodes are proposed for a claim that several could hold.
const WAYS: usize = 8;

/// Spreads devices over NUMA nodes, or keeps them together on one.
pub struct SpreadNuma;

impl Policy for SpreadNuma {
    type Settings = Tuning;
    const ATTRIBUTES: &'static [Name] = &[NUMA_NODE.name()];
}

impl Select for SpreadNuma {
    fn select(tuning: &Tuning, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let requests = situation.feasible()?;
        match tuning.mode {
            Mode::Spread => Ok(over_all(
                &requests,
                Groups::spread,
                "balanced over NUMA nodes",
            )),
            Mode::Align => align(&requests, tuning.strict),
        }
    }
}

/// All on one NUMA node, the one where the least is left over; else on as few as can be.
fn align(requests: &[Request<'_>], strict: bool) -> Result<Proposals, Refusal> {
    let mut ways = aligned(requests, NUMA_NODE);
    ways.sort_by_key(Aligned::spare);
    let mut proposals: Proposals = ways.iter().take(WAYS).map(on_one).collect();
    if strict && proposals.is_empty() {
        return Err(Refusal::new(
            "no NUMA node has enough free devices for the whole claim",
        ));
    }
    if !strict {
        proposals.extend(over_all(
            requests,
            Groups::pack,
            "on as few NUMA nodes as can be",
        ));
    }
    Ok(proposals)
}

fn on_one(way: &Aligned<'_>) -> Proposal {
    let assign = |proposal: Proposal, (request, devices): &(Request<'_>, Vec<Device<'_>>)| {
        proposal.assign(*request, devices.clone())
    };
    let proposal = way.assignments().iter().fold(Proposal::exact(), assign);
    proposal.score(100.0).reason("all on one NUMA node")
}

/// Serves request after request by `choose`, as a preference.
fn over_all<'a>(
    requests: &[Request<'a>],
    choose: impl Fn(&Groups<'a>, usize) -> Option<Vec<Device<'a>>>,
    reason: &'static str,
) -> Proposals {
    let mut taken: Vec<Device<'a>> = Vec::new();
    let mut proposal = Proposal::prefer();
    for request in requests {
        let free = request.devices().filter(|device| !taken.contains(device));
        // A request that others left too little for is the host's to complete.
        if let Some(chosen) = choose(&Groups::of(free, NUMA_NODE), request.count()) {
            taken.extend(chosen.iter().copied());
            proposal = proposal.assign(*request, chosen);
        }
    }
    proposal.score(60.0).reason(reason).into()
}

supercargo_guest::export!(SpreadNuma: select);
