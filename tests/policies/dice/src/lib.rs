//! A policy that answers at random, for what must hold whatever a policy answers.
//!
//! Some answers are as they should be; others name too many devices, too few, one twice, one of
//! another request, or are a refusal or a trap.

use fastrand::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::prelude::*;

/// Answers at random.
pub struct Dice;

/// What the administrator may set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Throw {
    /// Another seed gives other answers.
    pub seed: u64,
}

impl Policy for Dice {
    type Settings = Throw;
}

impl Select for Dice {
    fn select(throw: &Throw, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let mut rng = Rng::with_seed(throw.seed);
        for device in situation.requests().flat_map(Request::devices) {
            // Other situations get other answers, equal ones equal answers.
            rng = Rng::with_seed(rng.u64(..) ^ u64::from(device.position()));
        }
        match rng.u8(..40) {
            0 => Err(Refusal::new("not today")),
            #[expect(clippy::panic, reason = "a policy that traps is what this is for")]
            1 => panic!("the dice fell off the table"),
            _ => Ok((0..rng.usize(1..5))
                .map(|_| proposal(&mut rng, situation))
                .collect()),
        }
    }
}

fn proposal(rng: &mut Rng, situation: Situation<'_>) -> Proposal {
    let exact = rng.u8(..4) > 0;
    let mut proposal = if exact {
        Proposal::exact()
    } else {
        Proposal::prefer()
    };
    for slot in situation.slots() {
        let mut alternatives: Vec<Request<'_>> = slot.alternatives().collect();
        rng.shuffle(&mut alternatives);
        // Of one request's alternatives one is assigned, mostly.
        alternatives.truncate(match rng.u8(..32) {
            0 | 1 => 0,
            2 => 2,
            _ => 1,
        });
        for request in alternatives {
            proposal = assign(rng, situation, proposal, request, exact);
        }
    }
    proposal
        .score(f64::from(rng.u8(..101)))
        .reason("the dice say so")
}

fn assign<'a>(
    rng: &mut Rng,
    situation: Situation<'a>,
    proposal: Proposal,
    request: Request<'a>,
    exact: bool,
) -> Proposal {
    let mut devices: Vec<_> = match rng.u8(..60) {
        0 => situation.devices().collect(),
        _ => request.devices().collect(),
    };
    rng.shuffle(&mut devices);
    let asked = request.count();
    let few = if rng.u8(..30) == 0 {
        rng.usize(..=devices.len())
    } else {
        asked
    };
    if exact {
        devices.truncate(few);
    }
    if rng.u8(..60) == 0
        && let Some(first) = devices.first().copied()
    {
        devices.push(first);
    }
    proposal.assign(request, devices)
}

supercargo_guest::export!(Dice: select);
