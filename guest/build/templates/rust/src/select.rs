//! Which devices does a claim get? Those of one NUMA node, the one where the least is left over.

use supercargo_guest::prelude::*;
use supercargo_guest::topology::{Aligned, aligned};

use crate::MyPolicy;

/// The NUMA node, under the name that all drivers share.
pub const NUMA_NODE: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");

impl Select for MyPolicy {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let requests = situation.feasible()?;
        let mut ways = aligned(&requests, NUMA_NODE);
        ways.sort_by_key(Aligned::spare);
        let Some(way) = ways.first() else {
            return Err(Refusal::new("no NUMA node has enough free devices"));
        };
        let mut proposal = Proposal::exact()
            .score(100.0)
            .reason("all on one NUMA node");
        for (request, devices) in way.assignments() {
            proposal = proposal.assign(*request, devices.iter().copied());
        }
        Ok(proposal.into())
    }
}
