//! Places where a test may kill the process, one before and one after everything that lasts.
//!
//! A crash is only harmless if it is harmless everywhere, so the places are a closed list that a test
//! walks from end to end: it sets `SUPERCARGO_FAULT=NAME`, or `NAME#3` for the third time the place is
//! passed, and the process ends there as `kill -9` would end it. Builds without debug assertions know
//! nothing of it.

/// A place in preparing, unpreparing or recovering a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// The plan is checked; nothing was written.
    Planned,
    /// The checkpoint is durable; no step ran.
    Recorded,
    /// A step is about to run.
    StepBefore,
    /// A step ran.
    StepAfter,
    /// All steps ran; there is no CDI file.
    Configured,
    /// A file's new content lies beside it under another name.
    FileWritten,
    /// The CDI file is there; the claim does not count as prepared.
    Exposed,
    /// The claim is prepared; nobody was told.
    Prepared,
    /// The steps of a policy's `unprepare` are recorded; the claim counts as prepared.
    EndRecorded,
    /// The claim no longer counts as prepared; nothing was undone.
    Ending,
    /// A step of a policy's `unprepare` is about to run.
    EndStepBefore,
    /// A step of a policy's `unprepare` ran.
    EndStepAfter,
    /// A step is about to be undone.
    UndoBefore,
    /// A step was undone.
    UndoAfter,
    /// All is undone; the CDI file is there.
    Undone,
    /// The CDI file is gone; the checkpoint is there.
    Hidden,
    /// The checkpoint is gone; nobody was told.
    Forgotten,
    /// A damaged checkpoint was set aside; what replaces it was not written.
    SetAside,
    /// A claim was taken up again from its CDI file.
    TakenUp,
    /// A CDI file that belongs to no claim was removed.
    Swept,
}

impl FaultPoint {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Planned,
        Self::Recorded,
        Self::StepBefore,
        Self::StepAfter,
        Self::Configured,
        Self::FileWritten,
        Self::Exposed,
        Self::Prepared,
        Self::EndRecorded,
        Self::Ending,
        Self::EndStepBefore,
        Self::EndStepAfter,
        Self::UndoBefore,
        Self::UndoAfter,
        Self::Undone,
        Self::Hidden,
        Self::Forgotten,
        Self::SetAside,
        Self::TakenUp,
        Self::Swept,
    ];

    /// Its name in `SUPERCARGO_FAULT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Recorded => "recorded",
            Self::StepBefore => "step-before",
            Self::StepAfter => "step-after",
            Self::Configured => "configured",
            Self::FileWritten => "file-written",
            Self::Exposed => "exposed",
            Self::Prepared => "prepared",
            Self::EndRecorded => "end-recorded",
            Self::Ending => "ending",
            Self::EndStepBefore => "end-step-before",
            Self::EndStepAfter => "end-step-after",
            Self::UndoBefore => "undo-before",
            Self::UndoAfter => "undo-after",
            Self::Undone => "undone",
            Self::Hidden => "hidden",
            Self::Forgotten => "forgotten",
            Self::SetAside => "set-aside",
            Self::TakenUp => "taken-up",
            Self::Swept => "swept",
        }
    }
}

/// Ends the process here if that was asked for.
pub(super) fn reached(point: FaultPoint) {
    crate::fault::reached(point.name());
}
