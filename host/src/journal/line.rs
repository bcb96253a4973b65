//! What a line of a journal holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Question;
use crate::placement;
use crate::plan::ClaimOnNode;
use crate::policy::configuration::{Plan, Violation};
use crate::policy::domain::NodeSet;
use crate::policy::inventory::{Announcement, TaintChange};
use crate::policy::{CallError, Digest, Interests, Limits, Policy, Proposal};

/// The version of the format. Readers refuse a newer one rather than guess.
pub(super) const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// A policy was asked.
    Decision(Box<Recorded>),
    /// A pod or a claim was placed, or was not.
    Placed(Box<Placed>),
}

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no line of a journal, or only the beginning of one.
    #[error("is no line of a journal: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It was written by a later release.
    #[error("has format {found}; this release reads format {FORMAT}: use a newer supercargo")]
    Newer {
        /// The format.
        found: u32,
    },
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is cut short, malformed, or of a later format.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        // A later format may hold what this release cannot read, so the version is looked at first.
        let versions: BTreeMap<String, Version> = serde_json::from_str(text)?;
        if let Some(found) = versions.values().map(|v| v.format).find(|f| *f > FORMAT) {
            return Err(LineError::Newer { found });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The line, without its end.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Nothing in it can fail: keys are strings and scores finite.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// When it happened, as RFC 3339.
    #[must_use]
    pub fn time(&self) -> Option<&str> {
        match self {
            Self::Decision(decision) => decision.time.as_deref(),
            Self::Placed(placed) => placed.time.as_deref(),
        }
    }

    /// Says when it happened, as RFC 3339.
    pub fn set_time(&mut self, now: String) {
        match self {
            Self::Decision(decision) => decision.time = Some(now),
            Self::Placed(placed) => placed.time = Some(now),
        }
    }
}

/// One policy asked once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    /// The version of the format.
    pub format: u32,
    /// When, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Who was asked.
    pub policy: PolicyUsed,
    /// What it was about.
    pub subject: Subject,
    /// What was asked, by hook.
    pub question: Question,
    /// What was answered.
    pub answer: Reply,
    /// What became of the answer.
    pub verdict: Verdict,
}

/// A policy as it ran: all of it that an answer depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyUsed {
    /// The administrator's name for it.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The digest of its component.
    pub digest: Digest,
    /// Its settings.
    pub settings: Map<String, Value>,
    /// The digest of its settings as text, to tell two sets apart at a glance.
    pub settings_digest: Digest,
    /// What it declared: the columns of the question's tables.
    pub interests: Interests,
    /// Its limits, where they are not the default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

impl PolicyUsed {
    /// Whether the settings are those whose digest was written down.
    #[must_use]
    pub fn has_its_settings(&self) -> bool {
        let text = Value::Object(self.settings.clone()).to_string();
        Digest::of(text.as_bytes()) == self.settings_digest
    }

    pub(super) fn new(name: &str, policy: &Policy) -> Self {
        // As it is written down, whatever the spacing that the policy was loaded with.
        let written: Value = serde_json::from_str(policy.settings()).unwrap_or_default();
        Self {
            name: name.to_owned(),
            version: policy.description().version.to_string(),
            digest: *policy.digest(),
            settings: written.as_object().cloned().unwrap_or_default(),
            settings_digest: Digest::of(written.to_string().as_bytes()),
            interests: policy.description().interests.clone(),
            limits: Some(*policy.limits()).filter(|limits| *limits != Limits::default()),
        }
    }
}

/// The names behind the positions of a question; what is empty was not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subject {
    /// The claim, `namespace/name`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// The node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The requests of the question, in order: `request` or `request/alternative`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// The devices of the question, in order: `driver/pool/device`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

impl Subject {
    /// A claim on the node where it got its devices.
    #[must_use]
    pub fn of(claim: &ClaimOnNode) -> Self {
        let devices = claim.devices.iter();
        Self {
            claim: format!("{}/{}", claim.namespace, claim.name),
            node: claim.node.clone(),
            requests: Vec::new(),
            devices: devices
                .map(|device| format!("{}/{}/{}", device.driver, device.pool, device.device))
                .collect(),
        }
    }
}

/// What a policy answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// To `select`: best first.
    Proposals(Vec<Proposal>),
    /// To `place`: best first.
    NodeSets(Vec<NodeSet>),
    /// To `validate`: none means that all is right.
    Violations(Vec<Violation>),
    /// To `prepare` and `unprepare`.
    Plan(Plan),
    /// To `publish`.
    Announcement(Announcement),
    /// To `assess`.
    Changes(Vec<TaintChange>),
    /// It has no answer, for this reason.
    Refused(String),
    /// It broke a limit or a rule.
    Failed(Failure),
}

/// Why there is no answer to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// [`CallError::kind`].
    pub kind: String,
    /// What is told to people.
    pub message: String,
}

impl Reply {
    /// What came of a call, whose answer is of this kind.
    pub fn of<T: Clone>(answer: &Result<T, CallError>, kind: impl FnOnce(T) -> Self) -> Self {
        match answer {
            Ok(answer) => kind(answer.clone()),
            Err(error) => Self::from(error),
        }
    }
}

impl From<&CallError> for Reply {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Refused(refusal) => Self::Refused(refusal.reason.clone()),
            other => Self::Failed(Failure {
                kind: other.kind().to_owned(),
                message: other.to_string(),
            }),
        }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// Of `select`: what came of it, and what the allocator said to each proposal.
    Allocation {
        /// Which proposal was used, or what happened instead.
        outcome: placement::Outcome,
        /// One a proposal.
        proposals: Vec<placement::Verdict>,
    },
    /// It was taken as it is.
    Accepted,
    /// It was not, for this reason: a grant is missing, a rule forbids it.
    Refused(String),
}

/// What became of a pod, or of a claim that no pod uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placed {
    /// The version of the format.
    pub format: u32,
    /// When, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The pod, `namespace/name`; none for a claim alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The node; none: it stays pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why it stays pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    /// Its claims.
    pub claims: Vec<PlacedClaim>,
}

impl Placed {
    /// Nothing known yet.
    #[must_use]
    pub fn new(pod: Option<String>) -> Self {
        Self {
            format: FORMAT,
            time: None,
            pod,
            node: None,
            pending: None,
            claims: Vec::new(),
        }
    }
}

/// A claim and the devices it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacedClaim {
    /// `namespace/name`.
    pub claim: String,
    /// In the order of the allocation's results; none while it is pending.
    pub devices: Vec<PlacedDevice>,
}

/// A device of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacedDevice {
    /// The request it serves.
    pub request: String,
    /// `driver/pool/device`.
    pub device: String,
}
