//! The search: upstream's order, upstream's first solution, with everything skipped that cannot be.
//!
//! Depth first, as upstream: claims, requests, alternatives and devices in order, the first complete
//! set wins. The stack is explicit, so neither the number of claims nor of devices is a depth.
//!
//! A search starts naive, because most end without ever going back. Only after some dead ends does
//! it pay to look ahead ([`lookahead`]): then a branch is left as soon as some later request cannot
//! be served any more. That never changes the answer, since only branches without a solution are
//! left, and never hides an error that upstream would have met, since branches are only left where
//! every selector is known to have an answer.

#![expect(
    clippy::indexing_slicing,
    reason = "positions index the view, variants and constraints the plan; both outlive the search \
              and do not change, and the inner loop must not pay for proving it again"
)]

use std::collections::HashMap;
use std::time::Instant;

use smallvec::SmallVec;

use super::amounts::Nanos;
use super::bits::Bits;
use super::nodes::NodeFacts;
use super::plan::{Claims, Count};
use super::usage::PoolUse;
use super::view::{Flags, PoolState, View};
use super::{AllocateError, AllocatedState, Allocator, Budget, Guidance};
use constraints::ConstraintState;
use lookahead::Lookahead;

mod bounds;
mod constraints;
mod counters;
mod guide;
mod judge;
mod lookahead;
mod symmetry;
mod take;
mod validate;

/// Results of a claim at most (`AllocationResultsMaxSize`).
const MOST_RESULTS: i64 = 32;

/// Dead ends after which looking ahead pays.
const PATIENCE: u32 = 2;

/// How often the clock is read.
const STEPS_PER_LOOK: u64 = 64;

/// One search on one node.
pub(super) struct Search<'a> {
    pub(super) allocator: &'a Allocator,
    pub(super) view: &'a View,
    pub(super) plan: &'a Claims<'a>,
    pub(super) uses: &'a [&'a PoolUse<'a>],
    pub(super) state: &'a AllocatedState,
    pub(super) node: NodeFacts<'a>,
    budget: Budget,
    pub(super) steps: u64,
    /// Positions that are not allocated as a whole.
    pub(super) free: Bits,
    /// Positions given to a request of any claim here, other than for admin access or in shares.
    taken: Bits,
    claims: Vec<ClaimState>,
    pub(super) variants: Vec<VariantState>,
    /// Alternatives that guidance insists on, by request.
    pinned: Vec<Option<usize>>,
    guided: bool,
    pub(super) counters: counters::Counters,
    /// Shares given out here, and what is left of the capacity of devices that were looked at.
    shares: HashMap<u32, u32>,
    stock: HashMap<u32, Vec<Nanos>>,
    asked: HashMap<(usize, u32), SmallVec<[Nanos; 4]>>,
    pub(super) picked: Vec<Picked>,
    frames: Vec<Frame>,
    failures: u32,
    lookahead: Option<Box<Lookahead>>,
}

#[derive(Default)]
struct ClaimState {
    /// Positions that the claim got, also for admin access.
    taken: Bits,
    results: i64,
    constraints: Vec<ConstraintState>,
}

/// What is known of a variant on this node.
#[derive(Default)]
pub(super) struct VariantState {
    /// Positions whose verdict is known, and those that fit the variant.
    judged: Bits,
    pub(super) fit: Bits,
    /// Devices wanted.
    pub(super) count: i64,
    /// The devices of an `All` request, in order.
    pub(super) all: Option<Vec<u32>>,
    /// The order in which guidance wants positions tried.
    order: Option<Vec<u32>>,
    /// Guidance allows the positions in `order` and no others.
    exact: bool,
}

/// A device given to a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picked {
    pub(super) variant: usize,
    pub(super) position: u32,
    drew: bool,
}

enum Frame {
    /// Picking a device for a slot of a request.
    Pick {
        variant: usize,
        slot: i64,
        next: u32,
        failed: SmallVec<[u32; 8]>,
    },
    /// A device of an `All` request was taken.
    All,
    /// Choosing among alternatives.
    Choose {
        request: usize,
        next: usize,
        /// All alternatives so far would have exceeded the size of a result.
        exceeded: bool,
    },
    /// A claim is complete.
    Claim,
}

enum Next {
    Request(usize),
    Slot {
        variant: usize,
        slot: i64,
        start: u32,
    },
    /// Resume the topmost `Pick` or `Choose`.
    Resume,
    Back(Dead),
}

/// Why a branch has no solution.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    End,
    /// More results than a claim may have: other devices do not help, other alternatives may.
    Exceeded,
}

type Answer<T> = Result<T, AllocateError>;

impl<'a> Search<'a> {
    pub(super) fn new(
        allocator: &'a Allocator,
        view: &'a View,
        plan: &'a Claims<'a>,
        uses: &'a [&'a PoolUse<'a>],
        state: &'a AllocatedState,
        node: NodeFacts<'a>,
        budget: Budget,
    ) -> Self {
        let len = view.devices.len();
        let mut free = Bits::all(len);
        for (pool, used) in view.pools.iter().zip(uses) {
            if !used.any {
                continue;
            }
            let first = allocator.inventory.pool(pool.pool).devices.start;
            for position in pool.positions.clone() {
                if used.whole.get(view.devices[position as usize] - first) {
                    free.clear(position);
                }
            }
        }
        Self {
            allocator,
            view,
            plan,
            uses,
            state,
            node,
            budget,
            steps: 0,
            free,
            taken: Bits::new(len),
            claims: (plan.claims.iter())
                .map(|claim| ClaimState {
                    taken: Bits::new(len),
                    results: 0,
                    constraints: claim
                        .constraints
                        .iter()
                        .map(|_| ConstraintState::default())
                        .collect(),
                })
                .collect(),
            variants: (plan.variants.iter())
                .map(|variant| VariantState {
                    judged: Bits::new(len),
                    fit: Bits::new(len),
                    count: match variant.count {
                        Count::Exact(count) => count,
                        Count::All => 0,
                    },
                    ..VariantState::default()
                })
                .collect(),
            pinned: vec![None; plan.requests.len()],
            guided: false,
            counters: counters::Counters::default(),
            shares: HashMap::new(),
            stock: HashMap::new(),
            asked: HashMap::new(),
            picked: Vec::new(),
            frames: Vec::new(),
            failures: 0,
            lookahead: None,
        }
    }

    /// Finds the first solution; `false` if there is none.
    pub(super) fn run(&mut self, guidance: &Guidance) -> Answer<bool> {
        self.validate()?;
        if !self.guide(guidance) {
            return Ok(false);
        }
        if self.descend()? {
            return Ok(true);
        }
        if self
            .view
            .pools
            .iter()
            .any(|pool| matches!(pool.state, PoolState::Invalid(_)))
        {
            // Upstream joins its text and a marker without a blank in between.
            return Err(AllocateError::NodeLocal(
                "invalid resource pools were encountered".to_owned(),
            ));
        }
        Ok(false)
    }

    fn step(&mut self) -> Answer<()> {
        let steps = self.steps;
        self.steps += 1;
        if steps >= self.budget.steps {
            return Err(AllocateError::GaveUp { steps });
        }
        if steps.is_multiple_of(STEPS_PER_LOOK) {
            self.look_at_clock()?;
        }
        Ok(())
    }

    fn look_at_clock(&self) -> Answer<()> {
        match self.budget.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(AllocateError::Deadline { steps: self.steps })
            }
            _ => Ok(()),
        }
    }

    fn descend(&mut self) -> Answer<bool> {
        let plan = self.plan;
        let mut next = Next::Request(0);
        loop {
            next = match next {
                Next::Request(index) => {
                    self.step()?;
                    let Some(request) = plan.requests.get(index) else {
                        return Ok(true);
                    };
                    if index > 0 && plan.requests[index - 1].claim != request.claim {
                        self.frames.push(Frame::Claim);
                    }
                    if request.prioritized {
                        self.frames.push(Frame::Choose {
                            request: index,
                            next: 0,
                            exceeded: true,
                        });
                        Next::Resume
                    } else {
                        Next::Slot {
                            variant: request.variants.start,
                            slot: 0,
                            start: 0,
                        }
                    }
                }
                Next::Slot {
                    variant,
                    slot,
                    start,
                } => {
                    self.step()?;
                    self.enter_slot(variant, slot, start)?
                }
                Next::Resume => self.resume()?,
                Next::Back(dead) => match self.back(dead) {
                    Some(next) => next,
                    None => return Ok(false),
                },
            };
        }
    }

    fn enter_slot(&mut self, variant: usize, slot: i64, start: u32) -> Answer<Next> {
        let asked = &self.plan.variants[variant];
        let state = &self.variants[variant];
        if state.all.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Next::Back(Dead::End));
        }
        if slot >= state.count {
            return Ok(Next::Request(asked.request + 1));
        }
        let missing = state.count - slot;
        if missing > MOST_RESULTS - self.claims[asked.claim].results {
            return Ok(Next::Back(Dead::Exceeded));
        }
        if let Some(all) = &state.all {
            let position = all[slot as usize];
            if !self.available(variant, position) || !self.take(variant, position, true)? {
                return Ok(Next::Back(Dead::End));
            }
            self.frames.push(Frame::All);
            return Ok(Next::Slot {
                variant,
                slot: slot + 1,
                start: 0,
            });
        }
        if slot == 0 && state.order.is_none() && !asked.admin {
            let mut open = self.free.clone();
            open.and_not(&self.taken);
            open.and_not(&self.claims[asked.claim].taken);
            if i64::from(open.count()) < missing {
                // Too few whatever the selectors say; but they are asked, as one may have an error.
                for position in open.iter() {
                    self.judge(variant, position)?;
                }
                return Ok(Next::Back(Dead::End));
            }
        }
        self.frames.push(Frame::Pick {
            variant,
            slot,
            next: start,
            failed: SmallVec::new(),
        });
        Ok(Next::Resume)
    }

    /// Continues the topmost frame: the next device, or the next alternative.
    fn resume(&mut self) -> Answer<Next> {
        match self.frames.pop() {
            Some(Frame::Pick {
                variant,
                slot,
                mut next,
                failed,
            }) => {
                if self.lookahead.is_some() && !self.may_succeed(variant, slot, next) {
                    return Ok(Next::Back(Dead::End));
                }
                while let Some((position, following)) = self.candidate(variant, slot, next) {
                    next = following;
                    if !self.available(variant, position)
                        || !self.judge(variant, position)?
                        || self.failed_alike(&failed, position)
                        || !self.take(variant, position, false)?
                    {
                        continue;
                    }
                    self.frames.push(Frame::Pick {
                        variant,
                        slot,
                        next,
                        failed,
                    });
                    return Ok(Next::Slot {
                        variant,
                        slot: slot + 1,
                        start: next,
                    });
                }
                Ok(Next::Back(Dead::End))
            }
            Some(Frame::Choose {
                request,
                next,
                exceeded,
            }) => {
                let variants = self.plan.requests[request].variants.clone();
                let next = match self.pinned[request] {
                    Some(pinned) if next > pinned => variants.len(),
                    Some(pinned) => pinned,
                    None => next,
                };
                if next >= variants.len() {
                    return Ok(Next::Back(if exceeded {
                        Dead::Exceeded
                    } else {
                        Dead::End
                    }));
                }
                self.frames.push(Frame::Choose {
                    request,
                    next: next + 1,
                    exceeded,
                });
                Ok(Next::Slot {
                    variant: variants.start + next,
                    slot: 0,
                    start: 0,
                })
            }
            _ => Ok(Next::Back(Dead::End)),
        }
    }

    /// The position to try from `next` on, and where to go on after it.
    fn candidate(&self, variant: usize, slot: i64, next: u32) -> Option<(u32, u32)> {
        let state = &self.variants[variant];
        match &state.order {
            None if self.plan.variants[variant].admin => {
                (next < self.view.devices.len() as u32).then_some((next, next + 1))
            }
            None => self
                .free
                .next(next)
                .map(|position| (position, position + 1)),
            Some(order) if state.exact => {
                // The n-th device for the n-th slot.
                (i64::from(next) == slot)
                    .then(|| order.get(next as usize))?
                    .map(|position| (*position, next + 1))
            }
            Some(order) => order
                .get(next as usize)
                .map(|position| (*position, next + 1)),
        }
    }

    /// Goes back to the last choice; `None` if there is none left.
    fn back(&mut self, dead: Dead) -> Option<Next> {
        self.failures = self.failures.saturating_add(1);
        if self.failures == PATIENCE && !self.frames.is_empty() {
            self.look_ahead();
        }
        let top = self.frames.last_mut()?;
        match top {
            Frame::Pick { failed, .. } => {
                if let (Some(picked), true) = (self.picked.last(), self.lookahead.is_some()) {
                    failed.push(picked.position);
                }
                self.undo();
                if dead == Dead::Exceeded {
                    self.frames.pop();
                    return Some(Next::Back(dead));
                }
                Some(Next::Resume)
            }
            Frame::All => {
                self.frames.pop();
                self.undo();
                Some(Next::Back(dead))
            }
            Frame::Choose { exceeded, .. } => {
                *exceeded &= dead == Dead::Exceeded;
                Some(Next::Resume)
            }
            Frame::Claim => {
                self.frames.pop();
                Some(Next::Back(Dead::End))
            }
        }
    }

    /// Whether nothing holds the device that the variant could not share it with.
    pub(super) fn available(&self, variant: usize, position: u32) -> bool {
        let variant = &self.plan.variants[variant];
        // A claim lists a device once. Beyond that, admin access neither needs nor blocks a device.
        !self.claims[variant.claim].taken.get(position)
            && (variant.admin || self.free.get(position) && !self.taken.get(position))
    }

    /// The device at a position.
    pub(super) fn device_at(&self, position: u32) -> u32 {
        self.view.devices[position as usize]
    }

    /// What about the device at a position needs a closer look.
    pub(super) fn flags_at(&self, position: u32) -> Flags {
        self.view.flags[position as usize]
    }

    /// Which of the view's pools a position belongs to.
    pub(super) fn pool_at(&self, position: u32) -> usize {
        self.view.pool_of[position as usize] as usize
    }

    /// The alternatives in use: variant and request.
    pub(super) fn chosen(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.frames.iter().filter_map(|frame| match frame {
            Frame::Choose { request, next, .. } => {
                let first = self.plan.requests[*request].variants.start;
                Some((first + next.saturating_sub(1), *request))
            }
            _ => None,
        })
    }
}
