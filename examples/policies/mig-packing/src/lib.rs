//! GPU partitions (MIG), placed where they cost the fewest future placements.
//!
//! A driver that partitions GPUs on demand publishes every profile at every place as a device, and
//! the memory slices of each GPU as counters that these draw from. First fit takes the first by
//! name: one slice of each profile at the front of the GPU, so that after a few small partitions no
//! GPU has room for a large one although most of it is free.
//!
//! Here each candidate is judged by what it destroys. The settings list the placements that matter,
//! most precious first (whole GPU, half, quarter, ...). For a candidate we count, profile by
//! profile, how many placements that are possible now would no longer be; the candidate with the
//! least loss wins, the most precious profile deciding first. So a small partition goes to a GPU
//! that is broken already, there beside the others, and a whole GPU is opened last.

mod board;
mod pick;
mod settings;

use supercargo_guest::prelude::*;

use board::Boards;
use pick::{Pick, Picker};

pub use settings::{Geometry, Profile};

/// Places GPU partitions where they cost the fewest future placements.
pub struct MigPacking;

impl Policy for MigPacking {
    type Settings = Geometry;
    const CONTEXT: Context = Context::COUNTERS;
}

impl Select for MigPacking {
    fn select(geometry: &Geometry, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let requests = situation.feasible()?;
        let boards = Boards::read(situation, geometry);
        let mut picker = Picker::new(situation, geometry, boards);
        let before = picker.clone();

        // Large partitions first: what is left suits small ones, not the other way round.
        let mut order: Vec<_> = requests.iter().collect();
        order.sort_by_key(|request| std::cmp::Reverse(before.least_slices(**request)));
        let mut proposals = Proposals::new();
        let mut exact = Proposal::exact();
        let mut picks: Vec<Pick<'_>> = Vec::new();
        let mut complete = true;
        for request in order {
            let from = picks.len();
            for _ in 0..request.count() {
                match picker.best(*request) {
                    Some(pick) => picks.push(pick),
                    None => complete = false,
                }
            }
            let own = picks.iter().skip(from).map(|pick| pick.device);
            exact = exact.assign(*request, own);
        }
        if complete {
            proposals.push(
                exact
                    .score(picker.score(&picks))
                    .reason(reason(&picks, geometry)),
            );
        }

        // As a preference too: what this policy does not see may stand against the exact choice.
        let mut preference = Proposal::prefer().reason("what destroys least first");
        for request in requests {
            preference = preference.assign(request, before.ranked(request));
        }
        proposals.push(preference.score(picker.score(&picks)));
        Ok(proposals)
    }
}

/// What the choice costs, in the profile that is hurt most.
fn reason(picks: &[Pick<'_>], geometry: &Geometry) -> String {
    let lost = |profile: usize| -> u32 {
        picks
            .iter()
            .filter_map(|pick| pick.loss.get(profile))
            .copied()
            .map(u32::from)
            .sum()
    };
    let mut named = geometry
        .profiles
        .iter()
        .enumerate()
        .map(|(i, p)| (lost(i), &p.name));
    match named.find(|(lost, _)| *lost > 0) {
        None => "no placement that is possible now is lost".to_owned(),
        Some((1, name)) => format!("the least loss there is: one placement of {name}"),
        Some((lost, name)) => format!("the least loss there is: {lost} placements of {name}"),
    }
}

supercargo_guest::export!(MigPacking: select);
