//! A policy whose settings are its answer: a script, a crash, or chance drawn from a seed.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::prelude::*;

/// An attribute that the tests' devices have.
pub const NUMA: Attribute<i64> = Attribute::int("resource.kubernetes.io", "numaNode");

/// What to answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Script {
    /// These proposals.
    Propose(Vec<Scripted>),
    /// One proposal of nothing, whose reason tells what was asked.
    Tell,
    /// A refusal with this reason.
    Refuse(String),
    /// A crash.
    Crash,
    /// Proposals drawn from this seed and the question: sensible ones, wrong ones, a refusal or a
    /// crash.
    Chance(u64),
}

/// One proposal.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scripted {
    /// Whether the devices are to be just these.
    pub exact: bool,
    /// For each request in order, positions of devices in the question.
    pub devices: Vec<Vec<u32>>,
}

/// Follows its script.
pub struct FollowsScript;

impl Policy for FollowsScript {
    type Settings = Script;
    const ATTRIBUTES: &'static [Name] = &[NUMA.name()];
}

impl Select for FollowsScript {
    fn select(script: &Script, situation: Situation<'_>) -> Result<Proposals, Refusal> {
        match script {
            Script::Propose(scripted) => {
                Ok(scripted.iter().map(|one| proposed(one, situation)).collect())
            }
            Script::Tell => Ok(Proposal::prefer().reason(tell(situation)).into()),
            Script::Refuse(reason) => Err(Refusal::new(reason)),
            Script::Crash => crash(),
            Script::Chance(seed) => chance(*seed, situation),
        }
    }
}

supercargo_guest::export!(FollowsScript: select);

fn proposed(scripted: &Scripted, situation: Situation<'_>) -> Proposal {
    let mut proposal = if scripted.exact { Proposal::exact() } else { Proposal::prefer() };
    for (request, wanted) in situation.requests().zip(&scripted.devices) {
        let devices = wanted.iter().filter_map(|&at| situation.devices().nth(at as usize));
        proposal = proposal.assign(request, devices);
    }
    proposal
}

fn tell(situation: Situation<'_>) -> String {
    let mut told = String::new();
    for request in situation.requests() {
        let numa: Vec<_> = request.devices().map(|device| device.get(NUMA)).collect();
        let _ = write!(told, "{} of {numa:?}; ", request.count());
    }
    let names = (situation.node(), situation.claim(), situation.namespace());
    let _ = write!(told, "{} devices in all, names {names:?}", situation.devices().count());
    told
}

fn crash() -> ! {
    std::process::abort()
}

/// Numbers without pattern (xorshift64*), so that the policy needs no library for them.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).checked_rem(bound).unwrap_or(0)
    }
}

fn chance(seed: u64, situation: Situation<'_>) -> Result<Proposals, Refusal> {
    let devices = situation.devices().count() as u64;
    let mut random = Random((seed ^ (devices << 32)) | 1);
    match random.below(12) {
        0 => return Err(Refusal::new("by chance")),
        1 => crash(),
        _ => {}
    }
    let many = random.below(4) + 1;
    Ok((0..many).map(|_| drawn(&mut random, situation)).collect())
}

fn drawn(random: &mut Random, situation: Situation<'_>) -> Proposal {
    let mut proposal = if random.below(3) > 0 { Proposal::exact() } else { Proposal::prefer() };
    // One proposal in eight does not keep to what it was told.
    let honest = random.below(8) > 0;
    let mut taken: Vec<Device<'_>> = Vec::new();
    for request in situation.requests() {
        if random.below(5) == 0 {
            continue;
        }
        let mut pool: Vec<_> = if honest {
            request.devices().filter(|device| !taken.contains(device)).collect()
        } else {
            situation.devices().collect()
        };
        let count = if honest { request.count() } else { random.below(6) as usize };
        let mut chosen = Vec::new();
        while chosen.len() < count && !pool.is_empty() {
            let at = random.below(pool.len() as u64) as usize;
            chosen.push(pool.swap_remove(at));
        }
        taken.extend(chosen.iter().copied());
        proposal = proposal.assign(request, chosen);
    }
    proposal.score(random.below(101) as f64)
}
