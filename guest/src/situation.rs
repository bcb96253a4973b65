//! What `select` is asked: one claim on one node.

mod counter;
mod device;
mod request;

pub use counter::{Counter, CounterSet};
pub use device::Device;
pub use request::{Amount, Constraint, ConstraintKind, Request, Slot};

use crate::attribute::Name;
use crate::bindings::exports::supercargo::policy::allocation;
use crate::parameters::Parameters;
use crate::proposal::Refusal;

/// One claim on one node, read where it lies: copying it copies a few pointers.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// fn is_for_one_device(situation: Situation<'_>) -> bool {
///     let mut slots = situation.slots();
///     slots.next().is_some_and(|slot| slot.first().count() == 1) && slots.next().is_none()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    raw: &'a allocation::Situation,
    attributes: &'static [Name],
    capacities: &'static [Name],
}

impl<'a> Situation<'a> {
    pub(crate) fn new(
        raw: &'a allocation::Situation,
        attributes: &'static [Name],
        capacities: &'static [Name],
    ) -> Self {
        Self {
            raw,
            attributes,
            capacities,
        }
    }

    /// All devices of the question: first those that some request may get, then, with
    /// [`Context::IN_USE`](crate::Context::IN_USE), the others that are in use on the node.
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn how_many(situation: Situation<'_>) -> usize {
    ///     situation.devices().count()
    /// }
    /// ```
    pub fn devices(self) -> impl DoubleEndedIterator<Item = Device<'a>> {
        let count = u32::try_from(self.raw.devices.pools.len()).unwrap_or(u32::MAX);
        (0..count).map(move |position| Device::at(self, position))
    }

    /// The requests of the claim, each with its alternatives.
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn devices_needed(situation: Situation<'_>) -> usize {
    ///     situation.slots().map(|slot| slot.first().count()).sum()
    /// }
    /// ```
    pub fn slots(self) -> impl Iterator<Item = Slot<'a>> {
        let mut start = 0_u32;
        self.raw
            .requests
            .chunk_by(|a, b| a.slot == b.slot)
            .filter_map(move |alternatives| {
                let first = start;
                start = start.saturating_add(u32::try_from(alternatives.len()).unwrap_or(u32::MAX));
                Slot::new(self, first, alternatives)
            })
    }

    /// What is to be served: of each slot the best-liked alternative for which there are devices
    /// enough.
    ///
    /// # Errors
    /// A refusal, where a slot has no such alternative.
    ///
    /// ```
    /// # use supercargo_guest::{Refusal, Situation};
    /// fn devices_needed(situation: Situation<'_>) -> Result<usize, Refusal> {
    ///     Ok(situation.feasible()?.iter().map(|request| request.count()).sum())
    /// }
    /// ```
    pub fn feasible(self) -> Result<Vec<Request<'a>>, Refusal> {
        let feasible = |slot: Slot<'a>| {
            slot.feasible().ok_or_else(|| {
                let (wanted, there) = (slot.first().count(), slot.first().devices().len());
                Refusal::new(format!(
                    "{wanted} devices are asked for, {there} could serve"
                ))
            })
        };
        self.slots().map(feasible).collect()
    }

    /// All requests and all alternatives of them, in order.
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn has_choice(situation: Situation<'_>) -> bool {
    ///     situation.requests().any(|request| request.devices().count() > request.count())
    /// }
    /// ```
    pub fn requests(self) -> impl Iterator<Item = Request<'a>> {
        (0..)
            .zip(&self.raw.requests)
            .map(move |(position, raw)| Request::new(self, position, raw))
    }

    /// What must hold between the devices of several requests. The host enforces it in any case.
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn is_free(situation: Situation<'_>) -> bool {
    ///     situation.constraints().next().is_none()
    /// }
    /// ```
    pub fn constraints(self) -> impl Iterator<Item = Constraint<'a>> {
        self.raw
            .constraints
            .iter()
            .map(move |raw| Constraint::new(self, raw))
    }

    /// The counters behind the devices, with [`Context::COUNTERS`](crate::Context::COUNTERS).
    ///
    /// ```
    /// # use supercargo_guest::{Quantity, Situation};
    /// fn exhausted(situation: Situation<'_>) -> usize {
    ///     situation.counters().filter(|counter| counter.left() == Quantity::ZERO).count()
    /// }
    /// ```
    pub fn counters(self) -> impl Iterator<Item = Counter<'a>> {
        (0..)
            .zip(&self.raw.counters)
            .map(move |(position, raw)| Counter::new(self, position, raw))
    }

    /// The devices in use on the node, with [`Context::IN_USE`](crate::Context::IN_USE).
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn is_idle(situation: Situation<'_>) -> bool {
    ///     situation.in_use().next().is_none()
    /// }
    /// ```
    pub fn in_use(self) -> impl Iterator<Item = Device<'a>> {
        self.raw
            .in_use
            .iter()
            .map(move |&position| Device::at(self, position))
    }

    /// Opaque parameters for the drivers of this policy.
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn has_parameters(situation: Situation<'_>) -> bool {
    ///     situation.parameters().next().is_some()
    /// }
    /// ```
    pub fn parameters(self) -> impl Iterator<Item = Parameters<'a>> {
        self.raw.parameters.iter().map(Parameters::new)
    }

    /// The node, with [`Context::NODE_NAME`](crate::Context::NODE_NAME).
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn is_on(situation: Situation<'_>, node: &str) -> bool {
    ///     situation.node() == Some(node)
    /// }
    /// ```
    #[must_use]
    pub fn node(self) -> Option<&'a str> {
        self.raw.node.as_deref()
    }

    /// The claim's name, with [`Context::CLAIM_NAME`](crate::Context::CLAIM_NAME).
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn is_training(situation: Situation<'_>) -> bool {
    ///     situation.claim().is_some_and(|name| name.starts_with("train-"))
    /// }
    /// ```
    #[must_use]
    pub fn claim(self) -> Option<&'a str> {
        self.raw.claim.as_deref()
    }

    /// The claim's namespace, with [`Context::NAMESPACE`](crate::Context::NAMESPACE).
    ///
    /// ```
    /// # use supercargo_guest::Situation;
    /// fn is_production(situation: Situation<'_>) -> bool {
    ///     situation.namespace() == Some("production")
    /// }
    /// ```
    #[must_use]
    pub fn namespace(self) -> Option<&'a str> {
        self.raw.namespace.as_deref()
    }
}
