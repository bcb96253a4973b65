//! Why a call did not lead to an answer that can be used.

use std::str::Utf8Error;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap};

use super::about::Hook;
use super::guard::{Breach, Guard};
use super::limits::Limits;
use super::types::Refusal;

/// What came of a call that brought no answer to use. Only [`CallError::Refused`] is what the policy
/// wanted to say; the rest are failures, and no state of the host is changed by any of them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The policy declined.
    #[error("the policy declined: {0}")]
    Refused(Refusal),
    /// The policy does not implement the hook.
    #[error("the policy does not implement `{}`", .0.name())]
    NotImplemented(Hook),
    /// The call was cut off.
    #[error("the policy was cut off after {} ms; raise its deadline or ask its vendor", .limit.as_millis())]
    Timeout {
        /// How long it had.
        limit: Duration,
    },
    /// Too many other calls were running until the deadline came.
    #[error("no room to run the policy before its deadline: too many calls at once")]
    Busy,
    /// More memory than allowed.
    #[error("the policy wanted more than {limit} bytes of memory")]
    MemoryLimit {
        /// The limit in bytes.
        limit: u64,
    },
    /// More table elements than allowed.
    #[error("the policy wanted tables of more than {limit} elements")]
    TableLimit {
        /// The limit in elements.
        limit: u64,
    },
    /// More instances, memories or tables than allowed.
    #[error("the policy is made of too many parts: {detail}")]
    InstanceLimit {
        /// Which, and how many.
        detail: String,
    },
    /// Recursion without end.
    #[error("the policy ran out of stack")]
    StackOverflow,
    /// The policy gave up: a panic, a division by zero, a wild pointer.
    #[error("the policy crashed: {cause}")]
    Crashed {
        /// What the runtime calls it.
        cause: String,
    },
    /// The answer takes more room than allowed.
    #[error("the answer is too large: more than {limit} bytes{}", .what.map(|w| format!(" of {w}")).unwrap_or_default())]
    AnswerTooLarge {
        /// What is too large, where it is not the whole.
        what: Option<&'static str>,
        /// The limit in bytes.
        limit: u64,
    },
    /// A text in the answer is not UTF-8.
    #[error("the answer holds text that is not UTF-8")]
    InvalidUtf8,
    /// The answer breaks the binary interface: a pointer out of bounds, an unknown case.
    #[error("the answer cannot be read: {detail}")]
    Malformed {
        /// What the runtime said.
        detail: String,
    },
    /// More proposals than allowed.
    #[error("the answer holds {count} proposals; {limit} are allowed")]
    TooManyProposals {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: u32,
    },
    /// A score that is negative, above 100, infinite or not a number.
    #[error("proposal {proposal} has score {score}; scores are 0 to 100")]
    BadScore {
        /// Which proposal.
        proposal: usize,
        /// As printed: a score that is not a number would not be equal to itself.
        score: String,
    },
    /// A request that is not in the question.
    #[error("proposal {proposal} names request {request}; the question has {count}")]
    InvalidRequest {
        /// Which proposal.
        proposal: usize,
        /// The position it names.
        request: u32,
        /// How many there are.
        count: usize,
    },
    /// A request twice, or two alternatives of one.
    #[error("proposal {proposal} serves request {request} twice, or two alternatives of it")]
    DuplicateRequest {
        /// Which proposal.
        proposal: usize,
        /// The second one.
        request: u32,
    },
    /// A device that is not in the question.
    #[error("proposal {proposal} names device {device}; the question has {count}")]
    InvalidDevice {
        /// Which proposal.
        proposal: usize,
        /// The position it names.
        device: u32,
        /// How many there are.
        count: usize,
    },
    /// A device twice.
    #[error("proposal {proposal} names device {device} twice")]
    DuplicateDevice {
        /// Which proposal.
        proposal: usize,
        /// The device.
        device: u32,
    },
    /// A device that may not serve the request it is given to.
    #[error(
        "proposal {proposal} gives request {request} device {device}, which is not in the request's list"
    )]
    DeviceOfAnotherRequest {
        /// Which proposal.
        proposal: usize,
        /// The request.
        request: u32,
        /// The device.
        device: u32,
    },
    /// More or fewer devices than the request is for.
    #[error("proposal {proposal} gives request {request} {count} devices; it is for {wanted}")]
    WrongCount {
        /// Which proposal.
        proposal: usize,
        /// The request.
        request: u32,
        /// How many it is given.
        count: usize,
        /// How many it is for.
        wanted: usize,
    },
    /// Something else in an answer that the contract rules out.
    #[error("the answer of `{}` is wrong at `{at}`: {problem}", .hook.name())]
    BadAnswer {
        /// The hook.
        hook: Hook,
        /// The field, such as `actions[3].device`.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

impl CallError {
    /// A short name for counting: one for each variant.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NotImplemented(_) => "not_implemented",
            Self::Timeout { .. } => "timeout",
            Self::Busy => "busy",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::TableLimit { .. } => "table_limit",
            Self::InstanceLimit { .. } => "instance_limit",
            Self::StackOverflow => "stack_overflow",
            Self::Crashed { .. } => "crashed",
            Self::AnswerTooLarge { .. } => "answer_too_large",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::Malformed { .. } => "malformed",
            Self::TooManyProposals { .. } => "too_many_proposals",
            Self::BadScore { .. } => "bad_score",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::DuplicateRequest { .. } => "duplicate_request",
            Self::InvalidDevice { .. } => "invalid_device",
            Self::DuplicateDevice { .. } => "duplicate_device",
            Self::DeviceOfAnotherRequest { .. } => "device_of_another_request",
            Self::WrongCount { .. } => "wrong_count",
            Self::BadAnswer { .. } => "bad_answer",
        }
    }

    /// Tells what the runtime's error was.
    pub(super) fn from_runtime(
        error: &wasmtime::Error,
        guard: &Guard,
        limits: &Limits,
        limit: Duration,
    ) -> Self {
        match guard.breach {
            Some(Breach::Memory) => {
                return Self::MemoryLimit {
                    limit: limits.memory_bytes,
                };
            }
            Some(Breach::Table) => {
                return Self::TableLimit {
                    limit: limits.table_elements,
                };
            }
            None => {}
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::Interrupt => Self::Timeout { limit },
                Trap::StackOverflow => Self::StackOverflow,
                other => Self::Crashed {
                    cause: other.to_string(),
                },
            };
        }
        if error.downcast_ref::<Utf8Error>().is_some() {
            return Self::InvalidUtf8;
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::Busy;
        }
        let detail = error.root_cause().to_string();
        // The runtime keeps these two types to itself; tests hold it to the wording.
        if detail.contains("fuel allocated for hostcalls") {
            return Self::AnswerTooLarge {
                what: None,
                limit: limits.answer_bytes,
            };
        }
        if detail.contains("resource limit exceeded") {
            return Self::InstanceLimit { detail };
        }
        Self::Malformed { detail }
    }
}
