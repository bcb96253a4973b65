//! What must be undone when a claim is over? Nothing: the host takes back by itself what was planned.

use supercargo_guest::configuration::{self, AllocatedClaim, Plan};
use supercargo_guest::prelude::*;

use crate::MyPolicy;

impl Unprepare for MyPolicy {
    fn unprepare(_: &NoSettings, _: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        Ok(configuration::nothing())
    }
}
