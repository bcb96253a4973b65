//! Stand-in until placement arrives.
#![allow(missing_docs)]
use crate::allocator::{AllocatedState, Allocator, Budget, Guidance};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;
use std::sync::Arc;

mod decision;
pub use decision::{Answer, Consultation, Decision, Outcome, Verdict, Weighed};

#[derive(Debug)]
pub struct Placement {
    allocator: Arc<Allocator>,
}

impl Placement {
    pub fn first_fit(allocator: Arc<Allocator>) -> Self {
        Self { allocator }
    }
    pub fn allocator(&self) -> &Arc<Allocator> {
        &self.allocator
    }
    pub fn place(&self, state: &AllocatedState, node: &Node, claims: &[&ResourceClaim], budget: Budget) -> Decision {
        let (allocation, failure) =
            match self.allocator.allocate(state, node, claims, &Guidance::default(), budget) {
                Ok(allocation) => (allocation, None),
                Err(failure) => (None, Some(failure)),
            };
        Decision { allocation, failure, score: None, consultations: Vec::new() }
    }
    pub fn ranks_nodes(&self) -> bool {
        false
    }
}
