//! Places where a test may kill the process, one before and one after everything that lasts.
//!
//! A crash is only harmless if it is harmless everywhere, so the places are a closed list that a test
//! walks from end to end: it sets `SUPERCARGO_FAULT=NAME`, or `NAME#3` for the third time the place is
//! passed, and the process ends there as `kill -9` would end it. Builds without debug assertions know
//! nothing of it.

/// Declares the places once, so that none can be missing from the list.
macro_rules! places {
    ($($(#[$doc:meta])* $place:ident => $name:literal,)*) => {
        /// A place in preparing, unpreparing or recovering a claim.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FaultPoint {
            $($(#[$doc])* $place,)*
        }

        impl FaultPoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$place,)*];

            /// Its name in `SUPERCARGO_FAULT`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$place => $name,)*
                }
            }
        }
    };
}

places! {
    /// The plan is checked; nothing was written.
    Planned => "planned",
    /// The checkpoint is durable; no step ran.
    Recorded => "recorded",
    /// A step is about to run.
    StepBefore => "step-before",
    /// A step ran.
    StepAfter => "step-after",
    /// All steps ran; there is no CDI file.
    Configured => "configured",
    /// A file's new content lies beside it under another name.
    FileWritten => "file-written",
    /// The CDI file is there; the claim does not count as prepared.
    Exposed => "exposed",
    /// The claim is prepared; nobody was told.
    Prepared => "prepared",
    /// The steps of a policy's `unprepare` are recorded; the claim counts as prepared.
    EndRecorded => "end-recorded",
    /// The claim no longer counts as prepared; nothing was undone.
    Ending => "ending",
    /// A step of a policy's `unprepare` is about to run.
    EndStepBefore => "end-step-before",
    /// A step of a policy's `unprepare` ran.
    EndStepAfter => "end-step-after",
    /// A step is about to be undone.
    UndoBefore => "undo-before",
    /// A step was undone.
    UndoAfter => "undo-after",
    /// All is undone; the CDI file is there.
    Undone => "undone",
    /// The CDI file is gone; the checkpoint is there.
    Hidden => "hidden",
    /// The checkpoint is gone; nobody was told.
    Forgotten => "forgotten",
    /// A damaged checkpoint was set aside; what replaces it was not written.
    SetAside => "set-aside",
    /// A claim was taken up again from its CDI file.
    TakenUp => "taken-up",
    /// A CDI file that belongs to no claim was removed.
    Swept => "swept",
}

/// Ends the process here if that was asked for.
pub(super) fn reached(point: FaultPoint) {
    crate::fault::reached(point.name());
}
