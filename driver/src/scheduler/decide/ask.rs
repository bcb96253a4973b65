//! Asking nodes, on as many processors as it is worth.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::{AllocateError, Budget};
use supercargo_host::placement::Answer;
use supercargo_host::policy::CallError;

use super::{Verdict, budget};
use crate::scheduler::miss::Miss;
use crate::scheduler::state::{Found, PodClaims, Stamp};

/// So many nodes are worth a thread: beginning and ending one takes as long as asking a few.
const WORTH_A_THREAD: usize = 64;

/// The processors that questions may use besides the ones that they came on, however many come at once: each
/// thread calls policies, and those run as many at a time as there are processors.
#[derive(Debug)]
pub(super) struct Spare(AtomicUsize);

/// Some of them; given back on drop.
struct Taken<'s> {
    of: &'s Spare,
    count: usize,
}

impl Spare {
    pub(super) fn new() -> Self {
        let all = available_parallelism().map_or(1, NonZeroUsize::get);
        Self(AtomicUsize::new(all.saturating_sub(1)))
    }

    fn take(&self, wanted: usize) -> Taken<'_> {
        let mut count = 0;
        let take = |spare: usize| {
            count = spare.min(wanted);
            Some(spare - count)
        };
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Taken { of: self, count }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.of.0.fetch_add(self.count, Ordering::Relaxed);
    }
}

/// What a node that was asked says; a verdict that holds for this moment only has no stamp.
type Said = (usize, Verdict, Option<Stamp>);

/// Asks the nodes at these places, shard by shard, on as many processors as it is worth. Of nodes for which
/// there was no time nothing is said.
pub(super) fn ask(
    spare: &Spare,
    claims: &PodClaims,
    nodes: &[Option<Found<'_>>],
    mut open: Vec<usize>,
) -> Vec<Said> {
    if open.is_empty() {
        return Vec::new();
    }
    let found = |at: &usize| nodes.get(*at).copied().flatten();
    let shard = |at: &usize| found(at).map(|(shard, _)| Arc::as_ptr(shard));
    open.sort_by_key(shard);
    let parts: Vec<&[usize]> = open.chunk_by(|a, b| shard(a) == shard(b)).collect();
    let claims: Vec<&ResourceClaim> = claims.pending.iter().map(|claim| &**claim).collect();
    let budget = budget();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut said = Vec::new();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let nodes = part.iter().filter_map(|at| Some((*at, found(at)?)));
            ask_shard(&claims, nodes, budget, &mut said);
        }
        said
    };
    let spare = spare.take((open.len() / WORTH_A_THREAD).saturating_sub(1));
    thread::scope(|scope| {
        // Where the system has no more threads, this one does it all.
        let others = (0..spare.count).map(|_| thread::Builder::new().spawn_scoped(scope, work));
        let others: Vec<_> = others.filter_map(Result::ok).collect();
        let mut said = work();
        for other in others {
            said.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        said
    })
}

/// Asks nodes of one shard.
fn ask_shard<'s>(
    claims: &[&ResourceClaim],
    mut nodes: impl Iterator<Item = (usize, Found<'s>)>,
    budget: Budget,
    said: &mut Vec<Said>,
) {
    let Some(first) = nodes.next() else { return };
    let (_, (shard, _)) = first;
    let placement = shard.placement();
    let prepared = placement.allocator().prepare(shard.in_use());
    let plan = prepared.plan(claims);
    for (at, (shard, entry)) in std::iter::once(first).chain(nodes) {
        let decision = placement.place_planned(&plan, &entry.node, budget);
        if let Some(AllocateError::Deadline { .. }) = decision.failure {
            continue;
        }
        let verdict = match (&decision.allocation, &decision.failure) {
            (Some(_), _) => Verdict::Fits {
                score: decision.score,
                free: entry.free(),
            },
            (None, Some(AllocateError::Fatal(why))) => Verdict::Wrong(why.as_str().into()),
            (None, _) => {
                let allocator = placement.allocator();
                let miss = Miss::of(&plan, allocator, &entry.node, &decision);
                Verdict::Misses(Arc::new(miss))
            }
        };
        let holds = !decision.consultations.iter().any(|asked| {
            let answer = &asked.answer;
            matches!(
                answer,
                Answer::Failed(CallError::Timeout { .. } | CallError::Busy)
            )
        });
        said.push((at, verdict, holds.then(|| shard.stamp(entry))));
    }
}
