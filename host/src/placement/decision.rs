//! What was decided for the claims of one pod on one node, and how it came about.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::allocator::{AllocateError, Allocation, DeviceIndex, RequestIndex};
use crate::policy::CallError;

/// The answer for one node.
#[derive(Debug)]
pub struct Decision {
    /// The devices, or `None` where the claims do not fit on this node.
    pub allocation: Option<Allocation>,
    /// Why nothing could be decided; then there is no allocation.
    pub failure: Option<AllocateError>,
    /// How good the node is, 0 to 100: the mean of the scores of the proposals that were used.
    /// `None` where no proposal was.
    pub score: Option<f64>,
    /// Every policy that was asked, in the order of claims and requests.
    pub consultations: Vec<Consultation>,
}

/// One policy asked about its requests of one claim.
#[derive(Debug, Clone)]
pub struct Consultation {
    /// The position of the claim among those asked for.
    pub claim: usize,
    /// The policy's name in the configuration.
    pub policy: Arc<str>,
    /// The requests it was asked about.
    pub requests: Vec<RequestIndex>,
    /// What it answered.
    pub answer: Answer,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a policy answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Proposals, best first. It may be none.
    Proposals(Vec<Weighed>),
    /// It sees no way, for this reason.
    Refused(String),
    /// It broke a limit or a rule; never a veto.
    Failed(CallError),
    /// No version of it could be loaded.
    NotServing,
}

/// A proposal and what the allocator said to it.
#[derive(Debug, Clone)]
pub struct Weighed {
    /// Whether it names devices or an order of preference.
    pub exact: bool,
    /// The devices for each request.
    pub devices: Vec<(RequestIndex, Vec<DeviceIndex>)>,
    /// How good the policy thinks the node is for it.
    pub score: f64,
    /// Why, in the policy's words.
    pub reason: String,
    /// What the allocator said.
    pub verdict: Verdict,
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is the allocation.
    Used,
    /// An earlier one held.
    NotTried,
    /// A rule of DRA forbids it: a constraint, a counter, a capacity, or what other requests need.
    Infeasible,
    /// It holds, but then a later policy finds nothing, and the administrator wants it to.
    BlocksLaterPolicy,
    /// The search gave up before it could tell.
    GaveUp,
}

impl Verdict {
    /// The verdict in words, for an explanation.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::NotTried => "not needed, an earlier proposal holds",
            Self::Infeasible => "breaks a rule of the claim together with the other requests",
            Self::BlocksLaterPolicy => "leaves a later policy without a way",
            Self::GaveUp => "could not be verified within the search budget",
        }
    }
}

/// What came of asking a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The proposal at this position is used.
    Proposal(usize),
    /// Nothing usable; these requests are allocated first fit.
    FirstFit,
    /// Nothing usable, and the administrator wants the claim to wait then.
    Unschedulable,
}
