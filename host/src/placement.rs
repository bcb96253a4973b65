//! Stand-in until placement arrives.
#![allow(missing_docs)]
use crate::allocator::{AllocateError, AllocatedState, Allocation, Allocator, Budget, Guidance};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

#[derive(Debug)]
pub struct Placement {
    pub allocator: Allocator,
}

#[derive(Debug)]
pub struct Decision {
    pub allocation: Option<Allocation>,
    pub failure: Option<AllocateError>,
    pub score: Option<f64>,
}

impl Placement {
    pub fn place(
        &self,
        state: &AllocatedState,
        node: &Node,
        claims: &[&ResourceClaim],
    ) -> Decision {
        let budget = Budget {
            steps: 1_000_000,
            deadline: None,
        };
        match self
            .allocator
            .allocate(state, node, claims, &Guidance::default(), budget)
        {
            Ok(allocation) => Decision {
                allocation,
                failure: None,
                score: None,
            },
            Err(failure) => Decision {
                allocation: None,
                failure: Some(failure),
                score: None,
            },
        }
    }
    pub fn ranks_nodes(&self, _claims: &[&ResourceClaim]) -> bool {
        false
    }
}
