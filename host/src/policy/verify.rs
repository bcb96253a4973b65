//! Checks proposals against the question, whatever made them.
//!
//! This is about sense, not about feasibility: positions that exist, devices that were offered, counts
//! that add up. The allocator verifies the rules of Kubernetes on its own and trusts nothing here.

use super::about::Hook;
use super::answer::{Assignment, Choice, Proposal};
use super::failure::CallError;
use super::input::{Amount, Situation};
use super::limits::Limits;

mod announcement;
mod nodes;
mod plan;

pub(super) use announcement::{announcement, taint_changes};
pub(super) use nodes::node_sets;
pub(super) use plan::{plan, violations};

/// Bytes of a reason.
pub(super) const MOST_REASON_BYTES: u64 = 1024;

/// Checks all proposals; the first fault voids the answer.
pub(super) fn proposals(
    proposals: &[Proposal],
    situation: &Situation,
    limits: &Limits,
) -> Result<(), CallError> {
    let (count, limit) = (proposals.len(), limits.proposals);
    if u32::try_from(count).map_or(true, |count| count > limit) {
        return Err(CallError::TooManyProposals { count, limit });
    }
    // Of each device, the last assignment that named it, numbered from 1 over all proposals, and the
    // last assignment whose request offers it. One allocation each for the whole answer.
    let devices = situation.devices.pools.len();
    let mut marks = Marks {
        named: vec![0; devices],
        offered: vec![0; devices],
        round: 0,
    };
    for (at, proposal) in proposals.iter().enumerate() {
        score(at, proposal.score)?;
        reason(&proposal.reason)?;
        let exact = matches!(proposal.choice, Choice::Exact(_));
        marks.proposal(at, proposal.choice.assignments(), exact, situation)?;
    }
    Ok(())
}

/// Checks a score: finite, 0 to 100.
pub(super) fn score(proposal: usize, score: f64) -> Result<(), CallError> {
    if (0.0..=100.0).contains(&score) {
        Ok(())
    } else {
        Err(CallError::BadScore {
            proposal,
            score: score.to_string(),
        })
    }
}

/// Checks the length of a reason.
pub(super) fn reason(reason: &str) -> Result<(), CallError> {
    if u64::try_from(reason.len()).map_or(true, |bytes| bytes > MOST_REASON_BYTES) {
        Err(CallError::AnswerTooLarge {
            what: Some("reason"),
            limit: MOST_REASON_BYTES,
        })
    } else {
        Ok(())
    }
}

/// A fault of an answer other than `select`'s.
fn fault(hook: Hook, at: impl Into<String>, problem: impl Into<String>) -> CallError {
    CallError::BadAnswer {
        hook,
        at: at.into(),
        problem: problem.into(),
    }
}

/// Checks that a position exists.
fn position(
    hook: Hook,
    at: impl FnOnce() -> String,
    position: u32,
    count: usize,
) -> Result<(), CallError> {
    if usize::try_from(position).is_ok_and(|position| position < count) {
        Ok(())
    } else {
        Err(fault(
            hook,
            at(),
            format!("is {position}; there are {count}"),
        ))
    }
}

/// Checks that a text has at most so many bytes and no NUL, which no file, variable or object may hold.
fn text(hook: Hook, at: impl FnOnce() -> String, text: &str, most: usize) -> Result<(), CallError> {
    if text.len() > most {
        Err(fault(
            hook,
            at(),
            format!("has {} bytes; at most {most} are allowed", text.len()),
        ))
    } else if text.contains('\0') {
        Err(fault(hook, at(), "holds a NUL"))
    } else {
        Ok(())
    }
}

struct Marks {
    named: Vec<u32>,
    offered: Vec<u32>,
    /// Rises with each assignment, so that marks need not be wiped.
    round: u32,
}

impl Marks {
    fn proposal(
        &mut self,
        at: usize,
        assignments: &[Assignment],
        exact: bool,
        situation: &Situation,
    ) -> Result<(), CallError> {
        let before = self.round;
        let mut slots: Vec<u32> =
            Vec::with_capacity(assignments.len().min(situation.requests.len()));
        for assignment in assignments {
            self.round += 1;
            let number = assignment.request;
            let position = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(request) = situation.requests.get(position) else {
                return Err(CallError::InvalidRequest {
                    proposal: at,
                    request: number,
                    count: situation.requests.len(),
                });
            };
            // An order of preference may rank every alternative of a request; one choice may not.
            let slot = if exact { request.slot } else { number };
            if slots.contains(&slot) {
                return Err(CallError::DuplicateRequest {
                    proposal: at,
                    request: number,
                });
            }
            slots.push(slot);
            for &device in &request.devices {
                if let Some(offered) = usize::try_from(device)
                    .ok()
                    .and_then(|d| self.offered.get_mut(d))
                {
                    *offered = self.round;
                }
            }
            // Within an exact choice no device serves twice; in an order each request has its own.
            let since = if exact { before } else { self.round - 1 };
            self.devices(at, assignment, since)?;
            let wanted = match request.amount {
                Amount::Exactly(count) => usize::try_from(count).unwrap_or(usize::MAX),
                Amount::All => request.devices.len(),
            };
            if exact && assignment.devices.len() != wanted {
                return Err(CallError::WrongCount {
                    proposal: at,
                    request: number,
                    count: assignment.devices.len(),
                    wanted,
                });
            }
        }
        Ok(())
    }

    fn devices(&mut self, at: usize, assignment: &Assignment, since: u32) -> Result<(), CallError> {
        let count = self.named.len();
        for &device in &assignment.devices {
            let position = usize::try_from(device).unwrap_or(usize::MAX);
            let (Some(named), Some(offered)) =
                (self.named.get_mut(position), self.offered.get(position))
            else {
                return Err(CallError::InvalidDevice {
                    proposal: at,
                    device,
                    count,
                });
            };
            if *named > since {
                return Err(CallError::DuplicateDevice {
                    proposal: at,
                    device,
                });
            }
            *named = self.round;
            if *offered != self.round {
                return Err(CallError::DeviceOfAnotherRequest {
                    proposal: at,
                    request: assignment.request,
                    device,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::input::{DeviceTable, Request};

    fn request(slot: u32, amount: Amount, devices: &[u32]) -> Request {
        Request {
            slot,
            amount,
            admin_access: false,
            capacities: Vec::new(),
            devices: devices.to_vec(),
        }
    }

    /// Request 0 is for two of devices 0 to 3; 1 and 2 are alternatives for device 4, or for all of 2 and 3.
    fn situation() -> Situation {
        Situation {
            devices: DeviceTable {
                pools: vec![0; 5],
                ..DeviceTable::default()
            },
            requests: vec![
                request(0, Amount::Exactly(2), &[0, 1, 2, 3]),
                request(1, Amount::Exactly(1), &[4]),
                request(1, Amount::All, &[2, 3]),
            ],
            ..Situation::default()
        }
    }

    fn assignments(assignments: &[(u32, &[u32])]) -> Vec<Assignment> {
        assignments
            .iter()
            .map(|(request, devices)| Assignment {
                request: *request,
                devices: devices.to_vec(),
            })
            .collect()
    }

    fn check(choice: Choice) -> Result<(), CallError> {
        let proposal = Proposal {
            choice,
            score: 1.0,
            reason: String::new(),
        };
        proposals(&[proposal], &situation(), &Limits::default())
    }

    fn exact(given: &[(u32, &[u32])]) -> Result<(), CallError> {
        check(Choice::Exact(assignments(given)))
    }

    fn prefer(given: &[(u32, &[u32])]) -> Result<(), CallError> {
        check(Choice::Prefer(assignments(given)))
    }

    #[test]
    fn what_makes_sense_passes() {
        assert_eq!(exact(&[(0, &[3, 1]), (1, &[4])]), Ok(()));
        assert_eq!(exact(&[(0, &[0, 1]), (2, &[3, 2])]), Ok(()));
        assert_eq!(
            exact(&[(1, &[4])]),
            Ok(()),
            "requests left out are completed by first fit"
        );
        assert_eq!(prefer(&[(0, &[2]), (1, &[4]), (2, &[2])]), Ok(()));
    }

    #[test]
    fn each_kind_of_nonsense_has_its_own_error() {
        let kind = |result: Result<(), CallError>| result.unwrap_err().kind();
        assert_eq!(kind(exact(&[(0, &[0, 9])])), "invalid_device");
        assert_eq!(kind(exact(&[(0, &[0, u32::MAX])])), "invalid_device");
        assert_eq!(kind(exact(&[(0, &[0, 0])])), "duplicate_device");
        assert_eq!(
            kind(exact(&[(0, &[2, 1]), (2, &[2, 3])])),
            "duplicate_device"
        );
        assert_eq!(kind(exact(&[(0, &[0, 4])])), "device_of_another_request");
        assert_eq!(kind(exact(&[(0, &[0])])), "wrong_count");
        assert_eq!(kind(exact(&[(0, &[0, 1, 2])])), "wrong_count");
        assert_eq!(kind(exact(&[(2, &[2])])), "wrong_count");
        assert_eq!(kind(exact(&[(3, &[])])), "invalid_request");
        assert_eq!(kind(exact(&[(1, &[4]), (2, &[2, 3])])), "duplicate_request");
        assert_eq!(kind(prefer(&[(0, &[1, 1])])), "duplicate_device");
        assert_eq!(kind(prefer(&[(0, &[1]), (0, &[2])])), "duplicate_request");
        assert_eq!(kind(prefer(&[(1, &[0])])), "device_of_another_request");
    }

    #[test]
    fn scores_are_finite_and_0_to_100() {
        for good in [0.0, -0.0, 0.5, 100.0] {
            assert_eq!(score(0, good), Ok(()));
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 100.1] {
            assert_eq!(score(0, bad).unwrap_err().kind(), "bad_score");
        }
    }
}
