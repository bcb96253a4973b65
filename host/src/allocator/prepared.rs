//! States and claims made ready once for many nodes.

use std::sync::OnceLock;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::plan::Claims;
use super::search::Search;
use super::usage::PoolUse;
use super::{
    AllocateError, AllocatedState, Allocation, Allocator, Budget, DeviceIndex, Guidance,
    RequestIndex,
};

/// A state made ready: each pool's part is translated once, when a node first needs it.
#[derive(Debug)]
pub struct Prepared<'a> {
    allocator: &'a Allocator,
    state: &'a AllocatedState,
    pools: Vec<OnceLock<PoolUse<'a>>>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(allocator: &'a Allocator, state: &'a AllocatedState, pools: usize) -> Self {
        Self {
            allocator,
            state,
            pools: (0..pools).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Readies claims for many nodes.
    #[must_use]
    pub fn plan<'b>(&'b self, claims: &[&'b ResourceClaim]) -> Plan<'a, 'b> {
        Plan {
            prepared: self,
            claims: Claims::new(self.allocator, claims),
        }
    }

    pub(super) fn pool(&self, pool: u32) -> Option<&PoolUse<'a>> {
        let slot = self.pools.get(pool as usize)?;
        Some(slot.get_or_init(|| PoolUse::new(&self.allocator.inventory, self.state, pool)))
    }
}

/// A pod's claims made ready against a prepared state: ask it node by node, from many threads.
#[derive(Debug)]
pub struct Plan<'a, 'b> {
    prepared: &'b Prepared<'a>,
    claims: Claims<'b>,
}

impl<'a, 'b> Plan<'a, 'b> {
    /// The claims, in order.
    #[must_use]
    pub fn claims(&self) -> Vec<&'b ResourceClaim> {
        self.claims
            .claims
            .iter()
            .map(|claim| claim.object)
            .collect()
    }

    /// What is in use.
    #[must_use]
    pub fn state(&self) -> &'a AllocatedState {
        self.prepared.state
    }

    /// As [`Allocator::allocate`].
    ///
    /// # Errors
    /// As [`Allocator::allocate`].
    pub fn allocate(
        &self,
        node: &Node,
        guidance: &Guidance,
        mut budget: Budget,
    ) -> Result<Option<Allocation>, AllocateError> {
        self.allocate_from(node, guidance, &mut budget)
    }

    /// As [`Allocator::allocate`], and takes the steps out of the budget, whatever the answer is, so
    /// that several searches can share one.
    ///
    /// # Errors
    /// As [`Allocator::allocate`].
    pub fn allocate_from(
        &self,
        node: &Node,
        guidance: &Guidance,
        budget: &mut Budget,
    ) -> Result<Option<Allocation>, AllocateError> {
        let mut steps = 0;
        let answer = self.ask(node, *budget, |search| {
            let fits = search.run(guidance);
            steps = search.steps;
            if fits? {
                search.outcome().map(Some)
            } else {
                Ok(None)
            }
        });
        budget.steps = budget.steps.saturating_sub(steps);
        answer
    }

    /// As [`Allocator::candidates`].
    ///
    /// # Errors
    /// As [`Allocator::candidates`].
    pub fn candidates(
        &self,
        node: &Node,
        request: RequestIndex,
    ) -> Result<Vec<DeviceIndex>, AllocateError> {
        self.ask(node, Budget::UNLIMITED, |search| search.candidates(request))
    }

    fn ask<T>(
        &self,
        node: &Node,
        budget: Budget,
        ask: impl FnOnce(&mut Search<'_>) -> Result<T, AllocateError>,
    ) -> Result<T, AllocateError> {
        let Prepared {
            allocator, state, ..
        } = self.prepared;
        allocator.search(state, Some(self.prepared), &self.claims, node, budget, ask)
    }
}
