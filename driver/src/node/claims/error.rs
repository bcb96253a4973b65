//! Why a claim could not be prepared or unprepared, and what is worth telling although it was.

use std::fmt;
use std::io;
use std::path::PathBuf;

use supercargo_host::plan::{ClaimError, Refused};
use supercargo_host::policy::configuration::Violation;
use supercargo_host::policy::{CallError, Hook};

use super::cdi::NodeError;
use crate::devices::DeviceError;
use crate::kubernetes::api::ApiError;
use crate::node::lock::LockError;
use crate::serving::NotServing;

/// What is left on the node of a claim that could not be prepared.
#[derive(Debug)]
pub enum Left {
    /// Nothing, for nothing was done.
    Nothing,
    /// Nothing, for what was done is undone.
    Undone,
    /// All of it: the claim was prepared before, and still is.
    Prepared,
    /// What could not be undone, for this reason. It is tried again.
    Rest(Box<UnprepareError>),
}

impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Undone => write!(out, "; everything was undone"),
            Self::Prepared => write!(out, "; what was prepared for the claim is still there"),
            Self::Rest(error) => write!(out, "; and then: {error}"),
        }
    }
}

/// Why a claim is not prepared. Nothing of it is left on the node, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// No claim can have this UID, and it would become a file's name.
    #[error("{0:?} is no UID of a claim: letters, digits and `-`, at most 64")]
    BadUid(String),
    /// The claim could not be read.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The claim is nothing that can be prepared here.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Another claim has one of the devices. The kubelet asks again, and is served when that one is
    /// unprepared.
    #[error(
        "device {device} is still prepared for claim {holder} (uid {uid}): it is handed over when the \
         kubelet unprepares that claim, after the last container that uses it ended"
    )]
    Held {
        /// The device.
        device: String,
        /// `namespace/name` of the claim that has it.
        holder: String,
        /// That claim's UID.
        uid: String,
    },
    /// The claim was given other devices while it was prepared.
    #[error(
        "claim is prepared for {prepared} and now allocated {allocated}: delete the pods that use it, \
         so that the kubelet unprepares it first"
    )]
    Reallocated {
        /// The devices it is prepared for.
        prepared: String,
        /// The devices it has now.
        allocated: String,
    },
    /// The policy that the rules name cannot be asked.
    #[error(transparent)]
    NotServing(#[from] NotServing),
    /// The policy did not answer, or declined.
    #[error("policy {policy} did not {}: {source}", .hook.name())]
    Policy {
        /// The policy.
        policy: String,
        /// What it was asked.
        hook: Hook,
        /// What happened.
        #[source]
        source: CallError,
    },
    /// The policy finds the claim's opaque parameters wrong.
    #[error("{}", told(.policy, .from_class, .violations))]
    Parameters {
        /// The policy.
        policy: String,
        /// Whether the device class wrote them, rather than the claim.
        from_class: bool,
        /// What is wrong, with field paths.
        violations: Vec<Violation>,
    },
    /// The policy's plan goes beyond its grants.
    #[error("policy {policy}: {refused}")]
    NotGranted {
        /// The policy.
        policy: String,
        /// What was refused, and which grants are missing.
        refused: Refused,
    },
    /// What the policy wants to show to containers is not what it seems on this node.
    #[error("policy {policy}: {source}")]
    Edits {
        /// The policy.
        policy: String,
        /// What is wrong.
        #[source]
        source: NodeError,
    },
    /// A device cannot do, or did not do, what was planned.
    #[error("step {step}: {source}{left}")]
    Step {
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: DeviceError,
        /// What is left of the claim.
        left: Left,
    },
    /// A device cannot be shown to containers.
    #[error("device {device} cannot be shown to containers: {source}{left}")]
    Expose {
        /// The device.
        device: String,
        /// Why.
        #[source]
        source: DeviceError,
        /// What is left of the claim.
        left: Left,
    },
    /// A file could not be written.
    #[error("cannot {what}: {source}{left}")]
    File {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
        /// What is left of the claim.
        left: Left,
    },
    /// What an earlier attempt left must be undone first, and cannot be.
    #[error("the claim must be unprepared first: {0}")]
    Unfinished(#[source] Box<UnprepareError>),
    /// The lock between instances of the driver.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The checkpoint could not be read again after another instance used it.
    #[error("cannot read the checkpoint: {0}")]
    Checkpoint(#[source] io::Error),
    /// A defect: the work panicked.
    #[error("preparing ended early, which is a defect of the driver; its log has more")]
    EndedEarly,
}

/// Why a claim is not unprepared. It is kept, and tried again until it succeeds.
#[derive(Debug, thiserror::Error)]
pub enum UnprepareError {
    /// A step was not taken back.
    #[error("cannot undo step {step}: {source}; it is tried again")]
    Undo {
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: DeviceError,
    },
    /// A step of the policy's `unprepare` did not succeed.
    #[error("step {step} of a policy's unprepare: {source}; it is tried again")]
    Step {
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: DeviceError,
    },
    /// A file could not be written or removed.
    #[error("cannot {what}: {source}; it is tried again")]
    File {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock between instances of the driver.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The checkpoint could not be read again after another instance used it.
    #[error("cannot read the checkpoint: {0}")]
    Checkpoint(#[source] io::Error),
    /// A defect: the work panicked.
    #[error("unpreparing ended early, which is a defect of the driver; its log has more")]
    EndedEarly,
}

impl PrepareError {
    /// A short name for counting: one for each variant.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadUid(_) => "bad_uid",
            Self::Api(_) => "api",
            Self::Claim(_) => "claim",
            Self::Held { .. } => "device_held",
            Self::Reallocated { .. } => "reallocated",
            Self::NotServing(_) => "policy_not_serving",
            Self::Policy { .. } => "policy",
            Self::Parameters { .. } => "parameters",
            Self::NotGranted { .. } => "not_granted",
            Self::Edits { .. } => "edits",
            Self::Step { .. } => "step",
            Self::Expose { .. } => "expose",
            Self::File { .. } => "file",
            Self::Unfinished(_) => "unfinished",
            Self::Lock(_) => "lock",
            Self::Checkpoint(_) => "checkpoint",
            Self::EndedEarly => "ended_early",
        }
    }

    /// Whether something is left to be undone.
    pub(super) fn leaves_work(&self) -> bool {
        matches!(
            self,
            Self::EndedEarly
                | Self::Unfinished(_)
                | Self::Step {
                    left: Left::Rest(_),
                    ..
                }
                | Self::Expose {
                    left: Left::Rest(_),
                    ..
                }
                | Self::File {
                    left: Left::Rest(_),
                    ..
                }
        )
    }
}

impl UnprepareError {
    /// A short name for counting: one for each variant.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Undo { .. } => "undo",
            Self::Step { .. } => "step",
            Self::File { .. } => "file",
            Self::Lock(_) => "lock",
            Self::Checkpoint(_) => "checkpoint",
            Self::EndedEarly => "ended_early",
        }
    }
}

/// Something that went otherwise than somebody may have expected, although the claim is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Opaque parameters that nobody reads.
    ParametersUnread {
        /// The requests that they are for.
        requests: Vec<String>,
        /// Whether the device class wrote them, rather than the claim.
        from_class: bool,
    },
    /// A policy had no say in the end of a claim; what the host did for it is undone all the same.
    PolicyLeftOut {
        /// The policy.
        policy: String,
        /// Why.
        reason: String,
        /// Whether its plan went beyond its grants.
        refused: bool,
    },
    /// Something that was to be done at the end of a claim never can be, and would keep the claim for ever.
    StepLeftOut {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParametersUnread {
                requests,
                from_class,
            } => write!(
                out,
                "nothing reads the opaque parameters that the {} has for request {}: no policy that \
                 prepares claims serves it",
                hand(*from_class),
                requests.join(", ")
            ),
            Self::PolicyLeftOut { policy, reason, .. } => write!(
                out,
                "policy {policy} had no say in unpreparing the claim: {reason}; what was done for the \
                 claim is undone all the same"
            ),
            Self::StepLeftOut { step, reason } => write!(
                out,
                "step {step} was passed over when the claim was unprepared: {reason}"
            ),
        }
    }
}

/// A checkpoint file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The claim it was named after; `None`: its name is that of no checkpoint.
    pub claim: Option<String>,
    /// Where it is now.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Whether the claim was taken up again from its CDI file.
    pub recovered: bool,
}

impl fmt::Display for SetAside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.claim {
            None => write!(
                out,
                "a file among the checkpoints is none and was set aside as {file}: {}",
                self.reason
            ),
            Some(uid) if self.recovered => write!(
                out,
                "the checkpoint of claim {uid} was set aside as {file}: {}; the claim was taken up \
                 again from its CDI file",
                self.reason
            ),
            Some(uid) => write!(
                out,
                "the checkpoint of claim {uid} was set aside as {file}: {}; there is no CDI file to \
                 take the claim up from, so changes to its devices, if there were any, are not undone",
                self.reason
            ),
        }
    }
}

fn hand(from_class: bool) -> &'static str {
    if from_class { "device class" } else { "claim" }
}

fn told(policy: &str, from_class: &bool, violations: &[Violation]) -> String {
    use fmt::Write as _;
    let mut text = format!(
        "the opaque parameters of the {} are wrong, says policy {policy}: ",
        hand(*from_class)
    );
    for (at, violation) in violations.iter().enumerate() {
        let separator = if at == 0 { "" } else { "; " };
        let _ = match violation.field.as_str() {
            "" => write!(text, "{separator}{}", violation.message),
            field => write!(text, "{separator}{field}: {}", violation.message),
        };
    }
    text
}
