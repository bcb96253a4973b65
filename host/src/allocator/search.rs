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
use super::capacity::{Consumption, consumption};
use super::nodes::NodeFacts;
use super::plan::{Claims, Count, claim_name};
use super::usage::PoolUse;
use super::view::{Flags, PoolState, View};
use super::{AllocateError, AllocatedState, Allocator, Budget, Choice, Guidance, taints};
use constraints::ConstraintState;
use lookahead::Lookahead;

mod constraints;
mod counters;
mod lookahead;
mod symmetry;

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

    /// Upstream's checks before the search, and the lists of `All` requests.
    pub(super) fn validate(&mut self) -> Answer<()> {
        let plan = self.plan;
        let fatal = |text: &String| AllocateError::Fatal(text.clone());
        let mut requests = plan.requests.iter().peekable();
        for (index, claim) in plan.claims.iter().enumerate() {
            let mut least: i64 = 0;
            while let Some(request) = requests.next_if(|request| request.claim == index) {
                if let Some(error) = &request.error {
                    return Err(fatal(error));
                }
                let mut least_of_request = i64::MAX;
                for variant in request.variants.clone() {
                    if let Some(error) = &plan.variants[variant].error {
                        return Err(fatal(error));
                    }
                    if plan.variants[variant].count == Count::All {
                        self.list_all(variant)?;
                    }
                    least_of_request = least_of_request.min(self.variants[variant].count);
                }
                if least_of_request > MOST_RESULTS - least {
                    return Err(AllocateError::Fatal(format!(
                        "claim {}, request {}: adding {least_of_request} devices exceeds the claim limit of {MOST_RESULTS}, with {least} already accounted for",
                        claim_name(claim.object),
                        request.name
                    )));
                }
                least = least.saturating_add(least_of_request);
            }
            if let Some(error) = &claim.error {
                return Err(fatal(error));
            }
        }
        Ok(())
    }

    fn list_all(&mut self, variant: usize) -> Answer<()> {
        let mut all = Vec::new();
        for pool in &self.view.pools {
            let why = match pool.state {
                PoolState::Usable => None,
                PoolState::Incomplete { .. } => Some("being updated"),
                PoolState::Invalid(_) => Some("invalid"),
            };
            if let Some(why) = why {
                return Err(AllocateError::Fatal(format!(
                    "{}: asks for all devices, but resource pool {} is currently {why}",
                    self.who(variant),
                    self.allocator.inventory.pool(pool.pool).id()
                )));
            }
            for position in pool.positions.clone() {
                if self.judge(variant, position)? {
                    all.push(position);
                }
            }
        }
        let state = &mut self.variants[variant];
        state.count = all.len() as i64;
        state.all = Some(all);
        Ok(())
    }

    fn who(&self, variant: usize) -> String {
        let variant = &self.plan.variants[variant];
        let claim = self.plan.claims[variant.claim].object;
        format!("claim {}, request {}", claim_name(claim), variant.name)
    }

    /// Takes guidance over; `false` if it asks for what cannot be.
    fn guide(&mut self, guidance: &Guidance) -> bool {
        for (&(claim, request), &alternative) in &guidance.alternatives {
            let Some(index) = (self.plan.requests.iter())
                .position(|other| other.claim == claim && other.index == request)
            else {
                return false;
            };
            let request = &self.plan.requests[index];
            if !request.prioritized || alternative >= request.variants.len() {
                return false;
            }
            self.pinned[index] = Some(alternative);
        }
        if guidance.choices.is_empty() {
            return true;
        }
        self.guided = true;
        let positions: HashMap<u32, u32> = self.view.devices.iter().copied().zip(0..).collect();
        for (index, choice) in &guidance.choices {
            let Some(variant) = self.plan.find(*index) else {
                return false;
            };
            let (exact, devices) = match choice {
                Choice::Exact(devices) => (true, devices),
                Choice::Prefer(devices) => (false, devices),
            };
            let mut seen = Bits::new(self.view.devices.len());
            let mut order = Vec::new();
            for device in devices {
                if device.0 as usize >= self.allocator.inventory.devices.len() {
                    return false;
                }
                match positions.get(&device.0) {
                    Some(position) if seen.get(*position) => return false,
                    Some(position) => {
                        seen.set(*position);
                        order.push(*position);
                    }
                    // A wish for what the node does not have cannot be granted; a preference can.
                    None if exact => return false,
                    None => {}
                }
            }
            let state = &mut self.variants[variant];
            if exact && order.len() as i64 != state.count {
                return false;
            }
            match &mut state.all {
                Some(all) if exact && order.iter().any(|position| !all.contains(position)) => {
                    return false;
                }
                Some(all) => {
                    order.retain(|position| all.contains(position));
                    order.extend(all.iter().filter(|position| !seen.get(**position)));
                    *all = order;
                }
                None => {
                    if !exact {
                        let rest = 0..self.view.devices.len() as u32;
                        order.extend(rest.filter(|position| !seen.get(*position)));
                    }
                    state.order = Some(order);
                    state.exact = exact;
                }
            }
        }
        true
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

    /// Whether the device suits the variant, whatever is in use. Devices of an `All` request are
    /// listed by selectors alone; taints decide when they are taken.
    pub(super) fn judge(&mut self, variant: usize, position: u32) -> Answer<bool> {
        let state = &self.variants[variant];
        if state.judged.get(position) {
            return Ok(state.fit.get(position));
        }
        let all = self.plan.variants[variant].count == Count::All;
        let fit = self.selectable(variant, position)? && (all || self.usable(variant, position));
        let state = &mut self.variants[variant];
        state.judged.set(position);
        if fit {
            state.fit.set(position);
        }
        Ok(fit)
    }

    fn selectable(&self, variant: usize, position: u32) -> Answer<bool> {
        let flags = self.view.flags[position as usize];
        if flags.has(Flags::BINDING) {
            return Ok(false);
        }
        let inventory = &self.allocator.inventory;
        let asked = &self.plan.variants[variant];
        let device = self.view.devices[position as usize];
        for selector in &asked.selectors {
            let matched = match selector.expression.remembered(device) {
                Some(matched) => matched,
                None => {
                    self.look_at_clock()?;
                    let answer = selector.expression.ask(inventory, device);
                    answer
                        .map_err(|error| self.selector_error(variant, selector, device, &error))?
                }
            };
            if !matched {
                return Ok(false);
            }
        }
        if flags.has(Flags::ELSEWHERE) {
            return Ok(false);
        }
        if flags.has(Flags::MALFORMED)
            && let Some(reach) = &inventory.published(device).reach
        {
            let error = reach.matches(self.node).err().unwrap_or_default();
            return Err(AllocateError::Fatal(format!(
                "failed to parse node selector: {error}"
            )));
        }
        if flags.has(Flags::CAPACITY) || !asked.capacity.is_empty() {
            return match self.consumption(variant, position)? {
                Consumption::Refused(_) => Ok(false),
                Consumption::Amounts(all) => Ok(all.iter().all(|one| one.amount <= one.value)),
            };
        }
        Ok(true)
    }

    pub(super) fn consumption(&self, variant: usize, position: u32) -> Answer<Consumption> {
        let device = self.view.devices[position as usize];
        let inventory = &self.allocator.inventory;
        consumption(
            &self.plan.variants[variant].capacity,
            inventory.device(device),
        )
        .map_err(|error| {
            AllocateError::Fatal(format!(
                "{}: checking capacity for device {}: {error}",
                self.who(variant),
                inventory.id(device)
            ))
        })
    }

    fn selector_error(
        &self,
        variant: usize,
        selector: &super::plan::Selector<'_>,
        device: u32,
        error: &crate::cel::CelError,
    ) -> AllocateError {
        let asked = &self.plan.variants[variant];
        let class = asked.class.and_then(|class| class.metadata.name.as_deref());
        let owner = match selector.of_class {
            true => format!("class {}", class.unwrap_or_default()),
            false => format!("claim {}", claim_name(self.plan.claims[asked.claim].object)),
        };
        let index = selector.index;
        AllocateError::Fatal(match selector.expression.compile_error() {
            Some(error) => format!("{owner}: selector #{index}: CEL compile error: {error}"),
            None => format!(
                "{owner}: selector #{index} on device {}: CEL runtime error: {error}",
                self.allocator.inventory.id(device)
            ),
        })
    }

    /// Gates and taints: what keeps a selected device from being used.
    pub(super) fn usable(&self, variant: usize, position: u32) -> bool {
        let flags = self.view.flags[position as usize];
        if flags.has(Flags::GATED) {
            return false;
        }
        if !flags.has(Flags::TAINTED) {
            return true;
        }
        let device = self
            .allocator
            .inventory
            .device(self.view.devices[position as usize]);
        taints::untolerated(device, self.plan.variants[variant].tolerations).is_none()
    }

    /// Gives an available device to the variant, unless counters, constraints or capacity forbid it.
    fn take(&mut self, variant: usize, position: u32, must: bool) -> Answer<bool> {
        let asked = &self.plan.variants[variant];
        let (claim, admin) = (asked.claim, asked.admin);
        if must && !self.usable(variant, position) {
            return Ok(false);
        }
        let flags = self.view.flags[position as usize];
        let shareable = flags.has(Flags::SHAREABLE);
        // Admin access watches a device that others may use: it consumes nothing.
        let draws = flags.has(Flags::DRAWS) && !admin && !(shareable && self.is_shared(position));
        if draws && !self.draw(position) {
            return Ok(false);
        }
        if !self.constrain(variant, position) {
            if draws {
                self.undraw(position);
            }
            if must {
                return Err(AllocateError::Fatal(format!(
                    "{}: cannot add device {} because a claim constraint would not be satisfied",
                    self.who(variant),
                    self.allocator
                        .inventory
                        .id(self.view.devices[position as usize])
                )));
            }
            return Ok(false);
        }
        if self.allocator.features.consumable_capacity
            && !admin
            && (shareable || self.consumed(position).is_some())
            && !self.consume(variant, position, shareable)?
        {
            self.unconstrain(variant);
            if draws {
                self.undraw(position);
            }
            return Ok(false);
        }
        if !shareable {
            self.claims[claim].taken.set(position);
            if !admin {
                self.taken.set(position);
            }
        }
        self.claims[claim].results += 1;
        self.picked.push(Picked {
            variant,
            position,
            drew: draws,
        });
        Ok(true)
    }

    /// Takes back what was taken last.
    fn undo(&mut self) {
        let Some(Picked {
            variant,
            position,
            drew,
        }) = self.picked.pop()
        else {
            return;
        };
        let asked = &self.plan.variants[variant];
        let (claim, admin) = (asked.claim, asked.admin);
        let shareable = self.view.flags[position as usize].has(Flags::SHAREABLE);
        self.claims[claim].results -= 1;
        if !shareable {
            self.claims[claim].taken.clear(position);
            if !admin {
                self.taken.clear(position);
            }
        } else if !admin {
            self.unconsume(variant, position);
        }
        self.unconstrain(variant);
        if drew {
            self.undraw(position);
        }
    }

    /// What the state says is consumed of a device's capacity.
    pub(super) fn consumed(
        &self,
        position: u32,
    ) -> Option<&'a std::collections::BTreeMap<String, crate::quantity::Quantity>> {
        let (used, place) = self.place(position);
        used.consumed(place)
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

    /// A position's pool in use, and its place there.
    pub(super) fn place(&self, position: u32) -> (&'a PoolUse<'a>, u32) {
        let pool = self.view.pool_of[position as usize] as usize;
        let first = self
            .allocator
            .inventory
            .pool(self.view.pools[pool].pool)
            .devices
            .start;
        (
            self.uses[pool],
            self.view.devices[position as usize] - first,
        )
    }

    /// Whether shares of the device are given out, in the state or here.
    fn is_shared(&self, position: u32) -> bool {
        let (used, place) = self.place(position);
        used.shared.get(place) || self.shares.get(&position).is_some_and(|shares| *shares > 0)
    }

    /// What is left of each of a device's capacities.
    pub(super) fn stock(&mut self, position: u32) -> &mut Vec<Nanos> {
        let consumed = self.consumed(position);
        let device = self
            .allocator
            .inventory
            .device(self.view.devices[position as usize]);
        self.stock.entry(position).or_insert_with(|| {
            (device.capacity.iter().flatten())
                .map(|(name, capacity)| {
                    let value = super::amounts::read(&capacity.value);
                    let used = consumed.and_then(|consumed| consumed.get(name));
                    value.map_or(0, |value| super::amounts::nanos(&value))
                        - used.map_or(0, super::amounts::nanos)
                })
                .collect()
        })
    }

    fn ask(&mut self, variant: usize, position: u32) -> Answer<Option<SmallVec<[Nanos; 4]>>> {
        if let Some(asked) = self.asked.get(&(variant, position)) {
            return Ok(Some(asked.clone()));
        }
        let amounts: SmallVec<[Nanos; 4]> = match self.consumption(variant, position)? {
            Consumption::Refused(_) => return Ok(None),
            Consumption::Amounts(amounts) => amounts.iter().map(|one| one.amount).collect(),
        };
        self.asked.insert((variant, position), amounts.clone());
        Ok(Some(amounts))
    }

    /// Consumes capacity, or says that too little is left. Only shares are written down.
    fn consume(&mut self, variant: usize, position: u32, shareable: bool) -> Answer<bool> {
        let Some(asked) = self.ask(variant, position)? else {
            return Ok(false);
        };
        let stock = self.stock(position);
        if stock.iter().zip(&asked).any(|(left, asked)| left < asked) {
            return Ok(false);
        }
        if shareable {
            for (left, asked) in stock.iter_mut().zip(&asked) {
                *left -= asked;
            }
            *self.shares.entry(position).or_default() += 1;
        }
        Ok(true)
    }

    fn unconsume(&mut self, variant: usize, position: u32) {
        if let (Some(asked), Some(stock)) = (
            self.asked.get(&(variant, position)),
            self.stock.get_mut(&position),
        ) {
            for (left, asked) in stock.iter_mut().zip(asked) {
                *left += asked;
            }
        }
        if let Some(shares) = self.shares.get_mut(&position) {
            *shares -= 1;
        }
    }
}
