//! What one evaluation has at hand: the device, the values of variables, and how much it may
//! still spend.
//!
//! Two accounts run side by side. *Cost* is upstream's: the same units at the same steps, since the
//! limit on it decides between an answer and an error. *Work* is our own and only bounds what
//! upstream's account does not see, say comparing two lists of lists: it is large, so that no
//! sensible selector meets it, and small enough that no selector runs for more than moments.

use smallvec::SmallVec;

use super::Failure;
use crate::cel::device::Domains;
use crate::cel::plan::Node;
use crate::cel::value::Value;

/// The run-time cost limit of a device selector.
pub(crate) const COST_LIMIT: u64 = crate::cel::COST_LIMIT;

/// How many steps upstream does not count an evaluation may take.
const WORK_LIMIT: u64 = 10_000_000;

/// No computed string or byte sequence gets longer than this.
pub(crate) const TEXT_LIMIT: usize = 16 << 20;

/// What a variable holds.
#[derive(Debug, Clone, Default)]
pub(super) enum Slot<'a> {
    /// Nothing yet.
    #[default]
    Empty,
    Value(Value<'a>),
    /// What would have been its value failed; so does whoever reads it.
    Failed(Failure),
}

/// The state of one evaluation.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) domains: Domains<'a>,
    /// What fills the slot of an accumulator when it is first read.
    pub(super) initial: &'a [Option<Node>],
    /// The variables of comprehensions, each in a slot of its own.
    pub(super) slots: SmallVec<[Slot<'a>; 4]>,
    pub(super) cost: u64,
    work: u64,
}

impl<'a> Frame<'a> {
    /// A frame with a slot for each variable.
    pub(crate) fn new(domains: Domains<'a>, initial: &'a [Option<Node>]) -> Self {
        Self {
            domains,
            initial,
            slots: initial.iter().map(|_| Slot::Empty).collect(),
            cost: 0,
            work: 0,
        }
    }

    /// A frame for computing with constants alone.
    pub(crate) fn for_constants() -> Self {
        Self::new(
            Domains {
                driver: "",
                device: None,
            },
            &[],
        )
    }

    /// Gives a variable its value.
    pub(super) fn set(&mut self, slot: usize, value: Result<Value<'a>, Failure>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = match value {
                Ok(value) => Slot::Value(value),
                Err(failure) => Slot::Failed(failure),
            };
        }
    }

    /// Empties a variable.
    pub(super) fn clear(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Slot::Empty;
        }
    }

    /// What the evaluation has cost so far.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// Adds to the cost.
    #[inline]
    pub(crate) fn charge(&mut self, cost: u64) -> Result<(), Failure> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > COST_LIMIT {
            return Err(Failure::cost_exceeded());
        }
        Ok(())
    }

    /// Charges so many steps of one unit each, of which the first that cannot be paid is the last.
    pub(super) fn charge_steps(&mut self, steps: u64) -> Result<(), Failure> {
        let cost = self.cost.saturating_add(steps);
        if cost > COST_LIMIT {
            self.cost = self.cost.max(COST_LIMIT).saturating_add(1);
            return Err(Failure::cost_exceeded());
        }
        self.cost = cost;
        Ok(())
    }

    /// Fails if a step that will be charged with `cost` cannot be paid. The cost is charged, so
    /// that the account shows what upstream's shows after the step.
    pub(crate) fn must_afford(&mut self, cost: u64) -> Result<(), Failure> {
        if self.cost.saturating_add(cost) > COST_LIMIT {
            return self.charge(cost);
        }
        Ok(())
    }

    /// Adds to the work.
    #[inline]
    pub(crate) fn work(&mut self, steps: u64) -> Result<(), Failure> {
        self.work = self.work.saturating_add(steps);
        if self.work > WORK_LIMIT {
            return Err(Failure::cost_exceeded());
        }
        Ok(())
    }

    /// Fails before a string or byte sequence of `len` bytes is made, if it is too long.
    pub(crate) fn room_for(&mut self, len: usize) -> Result<(), Failure> {
        if len > TEXT_LIMIT {
            return Err(Failure::cost_exceeded());
        }
        self.work(len as u64 / 16)
    }
}
