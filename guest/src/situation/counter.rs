//! A counter that several devices draw from.

use std::fmt;

use super::Situation;
use crate::attribute::text;
use crate::bindings::exports::supercargo::policy::allocation;
use crate::quantity::Quantity;

/// A counter that several devices draw from (`sharedCounters`), such as one memory slice of a GPU
/// that can be partitioned.
///
/// ```
/// use supercargo_guest::{Quantity, situation::Counter};
/// fn is_free(counter: Counter<'_>) -> bool {
///     counter.left() == counter.total() && counter.left() > Quantity::ZERO
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Counter<'a> {
    situation: Situation<'a>,
    position: u32,
    raw: &'a allocation::Counter,
}

/// Tells counter sets apart within one question.
///
/// ```
/// use supercargo_guest::situation::Counter;
/// fn of_one_board(a: Counter<'_>, b: Counter<'_>) -> bool {
///     a.set() == b.set()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterSet {
    pool: u32,
    name: u32,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(
        situation: Situation<'a>,
        position: u32,
        raw: &'a allocation::Counter,
    ) -> Self {
        Self {
            situation,
            position,
            raw,
        }
    }

    /// Its position in the question.
    ///
    /// ```
    /// # use supercargo_guest::situation::Counter;
    /// fn same(a: Counter<'_>, b: Counter<'_>) -> bool {
    ///     a.position() == b.position()
    /// }
    /// ```
    #[must_use]
    pub fn position(self) -> u32 {
        self.position
    }

    /// The set it belongs to, for comparison.
    ///
    /// ```
    /// # use supercargo_guest::situation::Counter;
    /// fn of_one_board(a: Counter<'_>, b: Counter<'_>) -> bool {
    ///     a.set() == b.set()
    /// }
    /// ```
    #[must_use]
    pub fn set(self) -> CounterSet {
        CounterSet {
            pool: self.raw.pool,
            name: self.raw.counter_set,
        }
    }

    /// The name of the set it belongs to.
    ///
    /// ```
    /// # use supercargo_guest::situation::Counter;
    /// fn is_of_gpu_0(counter: Counter<'_>) -> bool {
    ///     counter.set_name() == "gpu-0-counter-set"
    /// }
    /// ```
    #[must_use]
    pub fn set_name(self) -> &'a str {
        text(&self.situation.raw.strings, self.raw.counter_set).unwrap_or_default()
    }

    /// Its name in the set.
    ///
    /// ```
    /// # use supercargo_guest::situation::Counter;
    /// fn is_slice(counter: Counter<'_>) -> bool {
    ///     counter.name().starts_with("memory-slice-")
    /// }
    /// ```
    #[must_use]
    pub fn name(self) -> &'a str {
        text(&self.situation.raw.strings, self.raw.name).unwrap_or_default()
    }

    /// What there is in all.
    ///
    /// ```
    /// # use supercargo_guest::{Quantity, situation::Counter};
    /// fn exists(counter: Counter<'_>) -> bool {
    ///     counter.total() > Quantity::ZERO
    /// }
    /// ```
    #[must_use]
    pub fn total(self) -> Quantity {
        self.raw.total.into()
    }

    /// What is left after everything in use.
    ///
    /// ```
    /// # use supercargo_guest::{Quantity, situation::Counter};
    /// fn is_exhausted(counter: Counter<'_>) -> bool {
    ///     counter.left() == Quantity::ZERO
    /// }
    /// ```
    #[must_use]
    pub fn left(self) -> Quantity {
        self.raw.left.into()
    }
}

impl fmt::Debug for Counter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}: {} of {} left",
            self.set_name(),
            self.name(),
            self.left(),
            self.total()
        )
    }
}
