//! A question to any hook, as data.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Reply;
use crate::policy::configuration::{AllocatedClaim, CandidateParameters};
use crate::policy::domain::Domain;
use crate::policy::inventory::{Hardware, Incident};
use crate::policy::{CallError, Hook, Policy, Situation};

/// What a policy is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// Which devices does a claim get?
    Select(Situation),
    /// Which nodes does a domain get?
    Place(Domain),
    /// Are these parameters right?
    Validate(CandidateParameters),
    /// What must be done before the claim's containers start?
    Prepare(AllocatedClaim),
    /// What must be undone when the claim is over?
    Unprepare(AllocatedClaim),
    /// What does this node announce?
    Publish(Hardware),
    /// What follows from a health event?
    Assess(Incident),
}

impl Question {
    /// The hook it is for.
    #[must_use]
    pub fn hook(&self) -> Hook {
        match self {
            Self::Select(_) => Hook::Select,
            Self::Place(_) => Hook::Place,
            Self::Validate(_) => Hook::Validate,
            Self::Prepare(_) => Hook::Prepare,
            Self::Unprepare(_) => Hook::Unprepare,
            Self::Publish(_) => Hook::Publish,
            Self::Assess(_) => Hook::Assess,
        }
    }

    /// Asks it.
    #[must_use]
    pub fn ask(&self, policy: &Policy, until: Option<Instant>) -> Reply {
        self.try_ask(policy, until)
            .unwrap_or_else(|error| Reply::from(&error))
    }

    fn try_ask(&self, policy: &Policy, until: Option<Instant>) -> Result<Reply, CallError> {
        Ok(match self {
            Self::Select(question) => Reply::Proposals(policy.select(question, until)?.to_vec()),
            Self::Place(question) => Reply::NodeSets(policy.place(question, until)?),
            Self::Validate(question) => Reply::Violations(policy.validate(question, until)?),
            Self::Prepare(question) => Reply::Plan(policy.prepare(question, until)?),
            Self::Unprepare(question) => Reply::Plan(policy.unprepare(question, until)?),
            Self::Publish(question) => Reply::Announcement(policy.publish(question, until)?),
            Self::Assess(question) => Reply::Changes(policy.assess(question, until)?),
        })
    }
}
