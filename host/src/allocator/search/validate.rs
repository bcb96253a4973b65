//! What upstream checks before it searches: mistakes in claims, and what `All` amounts to.

use super::{MOST_RESULTS, Search};
use crate::allocator::AllocateError;
use crate::allocator::plan::{Count, claim_name};
use crate::allocator::view::PoolState;

type Answer<T> = Result<T, AllocateError>;

impl Search<'_> {
    /// Upstream's checks before the search, and the lists of `All` requests.
    pub(in crate::allocator) fn validate(&mut self) -> Answer<()> {
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

    pub(super) fn list_all(&mut self, variant: usize) -> Answer<()> {
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

    pub(super) fn who(&self, variant: usize) -> String {
        let variant = &self.plan.variants[variant];
        let claim = self.plan.claims[variant.claim].object;
        format!("claim {}, request {}", claim_name(claim), variant.name)
    }
}
