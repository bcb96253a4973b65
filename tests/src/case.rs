//! One recorded case: a problem and upstream's answer, as one line of JSON.
//!
//! Two kinds share the files' form and are told apart by their fields: an allocation has `claims`,
//! a selector has an `expression`.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::allocation::Problem;
use crate::selector::SelectorCase;

/// A recorded case of either kind.
#[derive(Debug)]
pub enum Case {
    /// Claims to allocate on one node, or on each of many.
    Allocation(Box<Problem>),
    /// A device selector to evaluate for one device.
    Selector(Box<SelectorCase>),
}

/// Why a line is no case, or a case asks for what this version cannot give.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The line is not JSON, or a field has the wrong type.
    #[error("not a case: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither kind's fields are there.
    #[error("not a case: it has neither `claims` (an allocation) nor `expression` (a selector)")]
    Kind,
    /// A feature gate nobody here knows.
    #[error("unknown feature gate {0:?}")]
    Feature(String),
    /// Neither `node` nor `nodes`.
    #[error("an allocation needs a `node`, or `nodes` when `sweep` is true")]
    Nodes,
    /// No answer to compare with.
    #[error("the case has no `{0}` to compare with")]
    Answer(&'static str),
    /// A device id that is not `driver/pool/device`.
    #[error("device id {0:?} is not driver/pool/device")]
    Device(String),
    /// A shared device id that is not `driver/pool/device/shareID`.
    #[error("shared device id {0:?} is not driver/pool/device/shareID")]
    SharedDevice(String),
    /// A capacity that is no quantity.
    #[error("capacity {name} of device {device} in use: {text:?} is no quantity")]
    Quantity {
        /// The device.
        device: String,
        /// The capacity's name.
        name: String,
        /// What stands there.
        text: String,
    },
    /// An environment that Kubernetes does not have.
    #[error("unknown envType {0:?}: want StoredExpressions or NewExpressions")]
    Environment(String),
}

/// The fields that tell the kinds apart; Go writes an empty list as `null`, which is there too.
#[derive(Deserialize)]
struct Kind {
    #[serde(default, deserialize_with = "present")]
    claims: bool,
    #[serde(default, deserialize_with = "present")]
    expression: bool,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Case {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, CaseError> {
        let kind: Kind = serde_json::from_str(line)?;
        if kind.expression {
            Ok(Case::Selector(Box::new(SelectorCase::parse(line)?)))
        } else if kind.claims {
            Ok(Case::Allocation(Box::new(Problem::parse(line)?)))
        } else {
            Err(CaseError::Kind)
        }
    }

    /// The case's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Case::Allocation(problem) => &problem.name,
            Case::Selector(case) => &case.name,
        }
    }

    /// Answers the case and compares: `Err` is the readable difference.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Case::Allocation(problem) => problem.check(),
            Case::Selector(case) => case.check(),
        }
    }

    /// The inputs in a few lines, for a person who looks at a failure.
    #[must_use]
    pub fn inputs(&self) -> String {
        match self {
            Case::Allocation(problem) => problem.inputs(),
            Case::Selector(case) => case.inputs(),
        }
    }
}
