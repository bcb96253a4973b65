//! What was asked and answered, for a journal.

use super::consult::Search;
use super::decision::{Answer, Consultation};
use super::question::subject;
use crate::journal::{Question, Recorded, Recorder, Verdict};

/// Tells the recorder what each policy answered in the end.
pub(super) fn record(recorder: &dyn Recorder, search: &mut Search<'_, '_>) {
    let asked = std::mem::take(&mut search.asked);
    for (consultation, asked) in search.trace.iter().zip(asked) {
        let Some(asked) = asked else { continue };
        let Some(claim) = search.claims.get(consultation.claim) else {
            continue;
        };
        let requests = consultation.requests.iter().copied();
        let allocator = &search.placement.allocator;
        let subject = subject(allocator, search.node, claim, requests, &asked.devices);
        recorder.record(Recorded::new(
            &consultation.policy,
            &asked.policy,
            subject,
            Question::Select(asked.situation),
            asked.reply,
            verdict(consultation),
        ));
    }
}

fn verdict(consultation: &Consultation) -> Verdict {
    let proposals = match &consultation.answer {
        Answer::Proposals(proposals) => proposals.iter().map(|p| p.verdict).collect(),
        Answer::Refused(_) | Answer::Failed(_) | Answer::NotServing => Vec::new(),
    };
    Verdict::Allocation {
        outcome: consultation.outcome,
        proposals,
    }
}
