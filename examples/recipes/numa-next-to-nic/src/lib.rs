//! A claim for a GPU and a NIC gets both from one NUMA node, so that no packet crosses the CPUs'
//! interconnect on its way. The two have drivers of their own; the attribute is the same for both.

use supercargo_guest::prelude::*;
use supercargo_guest::topology::{Aligned, aligned};

/// The NUMA node, under the name that all drivers share.
const NUMA_NODE: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");
/// How many NUMA nodes are proposed, where several would do.
const WAYS: usize = 8;

/// Puts a GPU next to its NIC.
pub struct NumaNextToNic;

impl Policy for NumaNextToNic {
    type Settings = NoSettings;
    const ATTRIBUTES: &'static [Name] = &[NUMA_NODE.name()];
}

impl Select for NumaNextToNic {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut ways = aligned(&situation.feasible()?, NUMA_NODE);
        if ways.is_empty() {
            return Err(Refusal::new("no NUMA node has all that the claim asks for"));
        }
        // Where the least is left over, the other nodes stay as they are for the next claim.
        ways.sort_by_key(Aligned::spare);
        Ok(ways.iter().take(WAYS).map(on_one_node).collect())
    }
}

fn on_one_node(way: &Aligned<'_>) -> Proposal {
    let proposal = Proposal::exact().reason("all on one NUMA node");
    way.assignments()
        .iter()
        .fold(proposal, |proposal, (request, devices)| {
            proposal.assign(*request, devices.iter().copied())
        })
}

supercargo_guest::export!(NumaNextToNic: select);
