//! Making a recorded decision again.

use super::{Recorded, Reply};
use crate::policy::Policy;

/// Kinds of failures that depend on the machine and not on the question.
pub const OF_THE_MACHINE: [&str; 2] = ["timeout", "busy"];

/// What came of asking again.
#[derive(Debug, PartialEq)]
pub enum Replayed {
    /// The same, bit for bit.
    Same,
    /// Something else.
    Different(Box<Reply>),
    /// The line says of its policy what is not so: it was changed since it was written.
    Altered(String),
    /// The two cannot be compared, for this reason.
    Incomparable(String),
}

/// Puts a recorded question to a policy and compares the answer with the recorded one.
///
/// The policy is to run with the recorded settings and limits. It may be another version: then a
/// different answer is no fault, but a question that was made for other declared interests does not
/// fit it. The recorded component itself is what its line says, or the line is not as it was written.
#[must_use]
pub fn replay(recorded: &Recorded, policy: &Policy) -> Replayed {
    let recorded_one = recorded.policy.digest == *policy.digest();
    if recorded.policy.interests != policy.description().interests {
        if recorded_one {
            return Replayed::Altered("the component declares other interests".to_owned());
        }
        return Replayed::Incomparable(
            "it declares other attributes, capacities or context than the version that was asked, \
             so the recorded question does not fit it; record anew"
                .to_owned(),
        );
    }
    if !policy
        .description()
        .hooks
        .contains(&recorded.question.hook())
    {
        let hook = recorded.question.hook().name();
        let why = format!("it does not implement `{hook}`");
        return if recorded_one {
            Replayed::Altered(why)
        } else {
            Replayed::Incomparable(why)
        };
    }
    let now = recorded.question.ask(policy, None);
    for (when, reply) in [("when it was recorded", &recorded.answer), ("now", &now)] {
        if let Reply::Failed(failure) = reply
            && OF_THE_MACHINE.contains(&failure.kind.as_str())
        {
            return Replayed::Incomparable(format!("{when}: {}", failure.message));
        }
    }
    if bits(&recorded.answer) == bits(&now) {
        Replayed::Same
    } else {
        Replayed::Different(Box::new(now))
    }
}

/// As text, which tells any two floats apart, even zeros of different sign.
fn bits(reply: &Reply) -> Option<String> {
    serde_json::to_string(reply).ok()
}
