//! What must be done before a claim's containers start? They are told how many devices they have.
//!
//! An administrator must grant the variable:
//! `grants: [{edits: {environment: [{name: ACCELERATORS}]}}]`.

use supercargo_guest::configuration::{self, AllocatedClaim, ContainerEdits, Plan, Variable};
use supercargo_guest::prelude::*;

use crate::MyPolicy;

impl Prepare for MyPolicy {
    fn prepare(_: &NoSettings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        let mut plan = configuration::nothing();
        plan.edits.push(ContainerEdits {
            environment: vec![Variable {
                name: "ACCELERATORS".to_owned(),
                value: claim.devices().count().to_string(),
            }],
            ..configuration::no_edits()
        });
        Ok(plan)
    }
}
