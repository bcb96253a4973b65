//! A policy that is right except in one place, which its settings choose. Whoever looks for faults must
//! find that place, and the least that leads there.

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::configuration::{self, AllocatedClaim, Plan};
use supercargo_guest::prelude::*;
use supercargo_guest::topology::Groups;

/// What devices may have in common.
pub const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");

/// Where it breaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Brittle {
    /// The fault; none where there is none.
    pub fault: Option<Fault>,
}

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Traps when three devices are of one NUMA node.
    TrapsAtThree,
    /// Never comes to an end when there are two requests.
    LoopsForTwo,
    /// Takes all the memory there is when a device has no NUMA node.
    HoardsForNone,
    /// Proposes a device that another request may have, and this one may not.
    Trespasses,
    /// Proposes only what breaks a rule: fewer devices than a request for two is for.
    Stints,
    /// Takes the last devices rather than the first.
    TakesTheLast,
    /// Traps when it prepares two devices.
    TrapsWhenPreparing,
}

impl Policy for Brittle {
    type Settings = Self;
    const ATTRIBUTES: &'static [Name] = &[NUMA.name()];
}

impl Select for Brittle {
    fn select(brittle: &Self, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        let Some(fault) = brittle.fault else {
            return Ok(propose(situation, false));
        };
        let groups = Groups::of(situation.devices(), NUMA);
        let largest = groups.iter().map(|group| group.devices().len()).max();
        let requests: Vec<Request<'_>> = situation.requests().collect();
        match fault {
            #[expect(clippy::panic, reason = "a policy that traps is what this is for")]
            Fault::TrapsAtThree if largest >= Some(3) => panic!("three of one NUMA node"),
            Fault::LoopsForTwo if requests.len() >= 2 => loop {
                std::hint::spin_loop();
            },
            Fault::HoardsForNone if !groups.loose().is_empty() => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![0_u8; 1 << 16]));
                }
            }
            Fault::Trespasses => {
                for request in &requests {
                    let own: Vec<Device<'_>> = request.devices().collect();
                    let other = situation.devices().find(|device| !own.contains(device));
                    if let Some(other) = other {
                        return Ok(Proposal::exact().assign(*request, [other]).into());
                    }
                }
                Ok(propose(situation, false))
            }
            Fault::Stints if requests.iter().any(|request| request.count() == 2) => {
                let few = |proposal: Proposal, request: &Request<'_>| {
                    proposal.assign(*request, request.devices().take(1))
                };
                Ok(requests.iter().fold(Proposal::exact(), few).into())
            }
            Fault::TakesTheLast => Ok(propose(situation, true)),
            _ => Ok(propose(situation, false)),
        }
    }
}

/// First fit, or last fit.
fn propose(situation: Situation<'_>, last: bool) -> Proposals {
    let mut proposal = Proposal::prefer();
    for slot in situation.slots() {
        let mut devices: Vec<Device<'_>> = slot.first().devices().collect();
        if last {
            devices.reverse();
        }
        proposal = proposal.assign(slot.first(), devices);
    }
    proposal.into()
}

impl Prepare for Brittle {
    fn prepare(brittle: &Self, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
        #[expect(clippy::panic, reason = "a policy that traps is what this is for")]
        if brittle.fault == Some(Fault::TrapsWhenPreparing) && claim.devices().count() >= 2 {
            panic!("two devices");
        }
        Ok(configuration::nothing())
    }
}

supercargo_guest::export!(Brittle: select, prepare);
