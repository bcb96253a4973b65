//! GPUs that are linked with each other, taken so that whole groups stay free.
//!
//! First fit takes the lowest numbers, which are linked only by luck: two claims of two GPUs each
//! can leave a node of two groups of four with neither group whole. Here a claim gets its GPUs from
//! the *tightest* group that holds them all, the one where the least is left over. What no group
//! holds takes the largest groups whole, which keeps the most pairs linked: the sum of squares of
//! parts that add up to a number is greatest where the greatest part is as great as it can be.

mod rank;
mod settings;

use supercargo_guest::prelude::*;
use supercargo_guest::topology::{Aligned, Groups, aligned};

pub use settings::{GroupBy, Split, Tuning};

/// The group of GPUs that NVLink connects directly: any value, equal within a group. GPU drivers
/// publish no such attribute of their own yet.
pub const NVLINK_GROUP: Attribute<str> = Attribute::string("supercargo.dev", "nvlinkGroup");
/// The PCIe root complex.
pub const PCIE_ROOT: Attribute<str> = Attribute::string("resource.kubernetes.io", "pcieRoot");
/// The NUMA node.
pub const NUMA_NODE: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");

/// How many groups are proposed for a claim that several could hold.
const WAYS: usize = 4;

/// Gives a claim the GPUs with the most NVLink bandwidth.
pub struct NvlinkGroups;

impl Policy for NvlinkGroups {
    type Settings = Tuning;
    const ATTRIBUTES: &'static [Name] = &[NVLINK_GROUP.name(), PCIE_ROOT.name(), NUMA_NODE.name()];
}

impl Select for NvlinkGroups {
    fn select(tuning: &Tuning, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let attribute = tuning.group_by.attribute();
        let requests = situation.feasible()?;
        let mut devices: Vec<_> = requests
            .iter()
            .flat_map(|request| request.devices())
            .collect();
        devices.sort_unstable();
        devices.dedup();
        let all = Groups::of(devices, attribute);
        if all.iter().next().is_none() {
            return unlinked(&requests, attribute);
        }

        let mut proposals = Proposals::new();
        if let Some(single) = single_loose(&requests, &all) {
            proposals.push(single);
        }
        let mut ways = aligned(&requests, attribute);
        ways.sort_by_key(Aligned::spare);
        proposals.extend(ways.iter().take(WAYS).map(whole));
        match tuning.split {
            Split::Allow => proposals.extend(split(&requests, attribute, &all)),
            Split::Refuse if proposals.is_empty() => {
                let wanted: usize = requests.iter().map(|request| request.count()).sum();
                let largest = all
                    .iter()
                    .map(|group| group.devices().len())
                    .max()
                    .unwrap_or(0);
                return Err(Refusal::new(format!(
                    "no group by {attribute} has {wanted} free devices, the largest has {largest}"
                )));
            }
            Split::Refuse => {}
        }
        Ok(proposals)
    }
}

/// All in one group.
fn whole(way: &Aligned<'_>) -> Proposal {
    let mut proposal = Proposal::exact();
    let mut used = 0;
    for (request, devices) in way.assignments() {
        used += devices.len();
        proposal = proposal.assign(*request, devices.iter().copied());
    }
    let reason = if way.spare() == 0 {
        "a whole group"
    } else {
        "the tightest group that holds all"
    };
    proposal
        .score(rank::score(1.0, used, used + way.spare()))
        .reason(reason)
}

/// A device that is linked with nothing is best for who needs no link.
fn single_loose<'a>(requests: &[Request<'a>], all: &Groups<'a>) -> Option<Proposal> {
    let [request] = requests else { return None };
    let loose = *all.loose().first().filter(|_| request.count() == 1)?;
    let reason = "a device without links, so that groups stay whole";
    Some(
        Proposal::exact()
            .assign(*request, [loose])
            .score(100.0)
            .reason(reason),
    )
}

/// As few groups as can be, as a preference, so that constraints which this policy does not see can
/// still be met.
fn split<'a>(requests: &[Request<'a>], attribute: Name, all: &Groups<'a>) -> Option<Proposal> {
    let mut order: Vec<&Request<'a>> = requests.iter().collect();
    order.sort_by_key(|request| std::cmp::Reverse(request.count()));
    let mut taken: Vec<Device<'a>> = Vec::new();
    let mut proposal = Proposal::prefer();
    for request in order {
        let free = request.devices().filter(|device| !taken.contains(device));
        let packed = Groups::of(free, attribute).pack(request.count())?;
        taken.extend(packed.iter().copied());
        proposal = proposal.assign(*request, packed);
    }
    let (linked, touched) = rank::linked(&taken, all);
    Some(
        proposal
            .score(rank::score(linked, taken.len(), touched))
            .reason("no group holds all: as few groups as can be"),
    )
}

/// Nothing is known of links, so nothing is better than the host's own order.
fn unlinked(requests: &[Request<'_>], attribute: Name) -> Result<Proposals, Refusal> {
    let order = |proposal: Proposal, request: &Request<'_>| {
        proposal.assign(*request, request.devices().collect::<Vec<_>>())
    };
    let proposal = requests.iter().fold(Proposal::prefer(), order);
    Ok(proposal
        .score(50.0)
        .reason(format!("no device has {attribute}"))
        .into())
}

supercargo_guest::export!(NvlinkGroups: select);
