//! A policy whose settings are its answer, a refusal or a crash.

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
    Tell {},
    /// A refusal with this reason.
    Refuse(String),
    /// A crash.
    Crash {},
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
            Script::Propose(scripted) => Ok(scripted
                .iter()
                .map(|one| proposed(one, situation))
                .collect()),
            Script::Tell {} => Ok(Proposal::prefer().reason(tell(situation)).into()),
            Script::Refuse(reason) => Err(Refusal::new(reason)),
            Script::Crash {} => std::process::abort(),
        }
    }
}

supercargo_guest::export!(FollowsScript: select);

fn proposed(scripted: &Scripted, situation: Situation<'_>) -> Proposal {
    let mut proposal = if scripted.exact {
        Proposal::exact()
    } else {
        Proposal::prefer()
    };
    for (request, wanted) in situation.requests().zip(&scripted.devices) {
        let devices = wanted
            .iter()
            .filter_map(|&at| situation.devices().nth(at as usize));
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
    let _ = write!(
        told,
        "{} devices in all, names {names:?}",
        situation.devices().count()
    );
    told
}
