//! Why Events are written, and so why operations fail: the names that alerts and people go by.

use crate::node::claims::{PrepareError, Warning};
use supercargo_host::policy::CallError;

/// The `reason` of an Event, and the `result` of an operation in the metrics. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(pub &'static str);

impl Reason {
    /// Done; not a reason to write an Event.
    pub const PREPARED: Self = Self("Prepared");
    /// Taken back; likewise.
    pub const UNPREPARED: Self = Self("Unprepared");
    /// What was done for a claim cannot be undone yet.
    pub const UNPREPARE_FAILED: Self = Self("UnprepareFailed");
    /// A new component was refused; about the node.
    pub const POLICY_REFUSED: Self = Self("PolicyRefused");
    /// A new configuration was refused; about the node.
    pub const CONFIGURATION_REFUSED: Self = Self("ConfigurationRefused");
    /// ResourceSlices are not as they should be; about the node.
    pub const SLICES_NOT_PUBLISHED: Self = Self("ResourceSlicesNotPublished");
    /// The API server does not keep fields of ResourceSlices; about the node.
    pub const FIELDS_NOT_KEPT: Self = Self("ResourceSliceFieldsNotKept");
    /// The kubelet refused the plugin; about the node.
    pub const REGISTRATION_FAILED: Self = Self("RegistrationFailed");
    /// The hardware, or what a policy makes of it, cannot be announced as it should; about the node.
    pub const INVENTORY_TROUBLE: Self = Self("InventoryTrouble");
    /// A checkpoint could not be used; about the node.
    pub const CHECKPOINT_SET_ASIDE: Self = Self("CheckpointSetAside");

    /// Why a claim is not prepared.
    #[must_use]
    pub fn of(error: &PrepareError) -> Self {
        Self(match error {
            PrepareError::Api(_) => "ClaimUnreadable",
            PrepareError::BadUid(_) | PrepareError::Claim(_) => "ClaimInvalid",
            PrepareError::Held { .. } => "DeviceInUse",
            PrepareError::Reallocated { .. } => "ClaimReallocated",
            PrepareError::NotServing(_) => "PolicyNotServing",
            PrepareError::Policy {
                source: CallError::Refused(_),
                ..
            } => "PolicyDeclined",
            PrepareError::Policy { .. } => "PolicyFailed",
            PrepareError::Parameters { .. } => "InvalidParameters",
            PrepareError::NotGranted { .. } => "PlanNotGranted",
            PrepareError::Edits { .. } => "EditsRefused",
            PrepareError::Step { .. } => "DeviceStepFailed",
            PrepareError::Expose { .. } => "DeviceNotExposed",
            PrepareError::Unfinished(_) => "ClaimUnfinished",
            PrepareError::File { .. }
            | PrepareError::Lock(_)
            | PrepareError::Checkpoint(_)
            | PrepareError::EndedEarly => "NodeDriverFailed",
        })
    }

    /// What is worth telling although a claim is served.
    #[must_use]
    pub fn of_warning(warning: &Warning) -> Self {
        Self(match warning {
            Warning::ParametersUnread { .. } => "ParametersUnread",
            Warning::PolicyLeftOut { .. } => "PolicyLeftOut",
            Warning::StepLeftOut { .. } => "StepLeftOut",
        })
    }
}
