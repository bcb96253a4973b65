//! The smallest policy: the devices of each request, in the host's own order.

use supercargo_guest::prelude::*;

/// Takes the first devices there are.
pub struct FirstFit;

impl Policy for FirstFit {
    type Settings = NoSettings;
}

impl Select for FirstFit {
    fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut proposal = Proposal::prefer().reason("the first devices there are");
        for request in situation.feasible()? {
            proposal = proposal.assign(request, request.devices());
        }
        Ok(proposal.into())
    }
}

supercargo_guest::export!(FirstFit: select);
