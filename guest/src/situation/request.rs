//! What is asked for.

use std::fmt;

use super::{Device, Situation};
use crate::attribute::{Capacity, Name};
use crate::bindings::exports::supercargo::policy::allocation;
use crate::quantity::Quantity;
use crate::table::column;

pub use crate::bindings::exports::supercargo::policy::allocation::{Amount, ConstraintKind};

/// One request of the claim with the alternatives the user gave, most preferred first. Just one of
/// them is served; mostly there is only one.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// /// The first alternative for which there are devices enough.
/// fn served(situation: Situation<'_>) -> Vec<Request<'_>> {
///     let enough = |request: &Request<'_>| request.devices().count() >= request.count();
///     situation.slots().filter_map(|slot| slot.alternatives().find(enough)).collect()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Slot<'a> {
    situation: Situation<'a>,
    position: u32,
    first: &'a allocation::Request,
    alternatives: &'a [allocation::Request],
}

impl<'a> Slot<'a> {
    pub(crate) fn new(
        situation: Situation<'a>,
        position: u32,
        alternatives: &'a [allocation::Request],
    ) -> Option<Self> {
        Some(Self {
            situation,
            position,
            first: alternatives.first()?,
            alternatives,
        })
    }

    /// The alternative that the user likes best.
    ///
    /// ```
    /// # use supercargo_guest::situation::Slot;
    /// fn count(slot: Slot<'_>) -> usize {
    ///     slot.first().count()
    /// }
    /// ```
    #[must_use]
    pub fn first(self) -> Request<'a> {
        Request::new(self.situation, self.position, self.first)
    }

    /// All alternatives, in the user's order.
    ///
    /// ```
    /// # use supercargo_guest::situation::Slot;
    /// fn has_choice(slot: Slot<'_>) -> bool {
    ///     slot.alternatives().count() > 1
    /// }
    /// ```
    pub fn alternatives(self) -> impl Iterator<Item = Request<'a>> {
        (self.position..)
            .zip(self.alternatives)
            .map(move |(position, raw)| Request::new(self.situation, position, raw))
    }

    /// The best-liked alternative for which there are devices enough.
    ///
    /// ```
    /// # use supercargo_guest::situation::Slot;
    /// fn can_be_served(slot: Slot<'_>) -> bool {
    ///     slot.feasible().is_some()
    /// }
    /// ```
    #[must_use]
    pub fn feasible(self) -> Option<Request<'a>> {
        self.alternatives()
            .find(|request| request.devices().len() >= request.count())
    }
}

/// A request, or one alternative of it.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// fn is_tight(request: Request<'_>) -> bool {
///     request.devices().count() == request.count()
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    situation: Situation<'a>,
    position: u32,
    raw: &'a allocation::Request,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        situation: Situation<'a>,
        position: u32,
        raw: &'a allocation::Request,
    ) -> Self {
        Self {
            situation,
            position,
            raw,
        }
    }

    /// Its position among the requests of the question.
    ///
    /// ```
    /// # use supercargo_guest::Request;
    /// fn is_first(request: Request<'_>) -> bool {
    ///     request.position() == 0
    /// }
    /// ```
    #[must_use]
    pub fn position(self) -> u32 {
        self.position
    }

    /// How many devices it is for, in the words of the claim.
    ///
    /// ```
    /// # use supercargo_guest::{Request, situation::Amount};
    /// fn wants_all(request: Request<'_>) -> bool {
    ///     request.amount() == Amount::All
    /// }
    /// ```
    #[must_use]
    pub fn amount(self) -> Amount {
        self.raw.amount
    }

    /// How many devices it is for: of `All`, every one of its list.
    ///
    /// ```
    /// # use supercargo_guest::Request;
    /// fn is_single(request: Request<'_>) -> bool {
    ///     request.count() == 1
    /// }
    /// ```
    #[must_use]
    pub fn count(self) -> usize {
        match self.raw.amount {
            Amount::Exactly(count) => count as usize,
            Amount::All => self.raw.devices.len(),
        }
    }

    /// Whether it asks for administrative access: its devices may be in use by others.
    ///
    /// ```
    /// # use supercargo_guest::Request;
    /// fn is_exclusive(request: Request<'_>) -> bool {
    ///     !request.admin_access()
    /// }
    /// ```
    #[must_use]
    pub fn admin_access(self) -> bool {
        self.raw.admin_access
    }

    /// What it asks of a declared capacity of each device.
    ///
    /// # Panics
    /// For a capacity that is not listed in [`Policy::CAPACITIES`](crate::Policy::CAPACITIES).
    ///
    /// ```
    /// # use supercargo_guest::{Capacity, Request};
    /// const MEMORY: Capacity = Capacity::new("gpu.nvidia.com", "memory");
    /// fn wants_memory(request: Request<'_>) -> bool {
    ///     request.capacity(MEMORY).is_some()
    /// }
    /// ```
    #[track_caller]
    #[must_use]
    pub fn capacity(self, capacity: Capacity) -> Option<Quantity> {
        let column = column(self.situation.capacities, capacity.name(), "CAPACITIES");
        self.raw.capacities.get(column)?.map(Into::into)
    }

    /// The devices that may serve it, in the host's own order. Each could serve it taken alone.
    ///
    /// ```
    /// # use supercargo_guest::Request;
    /// fn is_possible(request: Request<'_>) -> bool {
    ///     request.devices().len() >= request.count()
    /// }
    /// ```
    pub fn devices(
        self,
    ) -> impl ExactSizeIterator<Item = Device<'a>> + DoubleEndedIterator + Clone {
        let situation = self.situation;
        self.raw
            .devices
            .iter()
            .map(move |&position| Device::at(situation, position))
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}: {:?})", self.position, self.raw.amount)
    }
}

/// What must hold between the devices of some requests, taken together.
///
/// ```
/// use supercargo_guest::{Situation, situation::ConstraintKind};
///
/// fn must_match(situation: Situation<'_>) -> bool {
///     situation.constraints().any(|c| c.kind() == ConstraintKind::MatchAttribute)
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Constraint<'a> {
    situation: Situation<'a>,
    raw: &'a allocation::Constraint,
}

impl<'a> Constraint<'a> {
    pub(crate) fn new(situation: Situation<'a>, raw: &'a allocation::Constraint) -> Self {
        Self { situation, raw }
    }

    /// What it demands: equal values, or all different.
    ///
    /// ```
    /// # use supercargo_guest::situation::{Constraint, ConstraintKind};
    /// fn is_match(constraint: Constraint<'_>) -> bool {
    ///     constraint.kind() == ConstraintKind::MatchAttribute
    /// }
    /// ```
    #[must_use]
    pub fn kind(self) -> ConstraintKind {
        self.raw.kind
    }

    /// The attribute, where the policy declared it.
    ///
    /// ```
    /// # use supercargo_guest::{Attribute, situation::Constraint};
    /// const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");
    /// fn is_about_numa(constraint: Constraint<'_>) -> bool {
    ///     constraint.attribute() == Some(NUMA.name())
    /// }
    /// ```
    #[must_use]
    pub fn attribute(self) -> Option<Name> {
        self.situation
            .attributes
            .get(self.raw.attribute? as usize)
            .copied()
    }

    /// Whether it covers a request.
    ///
    /// ```
    /// # use supercargo_guest::{Request, situation::Constraint};
    /// fn is_free(request: Request<'_>, constraints: &[Constraint<'_>]) -> bool {
    ///     !constraints.iter().any(|constraint| constraint.covers(request))
    /// }
    /// ```
    #[must_use]
    pub fn covers(self, request: Request<'_>) -> bool {
        self.raw.requests.contains(&request.position)
    }

    /// Whether it also covers requests that the policy does not see.
    ///
    /// ```
    /// # use supercargo_guest::situation::Constraint;
    /// fn is_ours(constraint: Constraint<'_>) -> bool {
    ///     !constraint.reaches_beyond()
    /// }
    /// ```
    #[must_use]
    pub fn reaches_beyond(self) -> bool {
        self.raw.reaches_beyond
    }
}
