//! `supercargo plan`: what would be done to a node for a claim, and whether it may be.

mod claims;
mod node;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use supercargo_host::configuration::Configuration;
use supercargo_host::objects::write;
use supercargo_host::scheduling::{ClaimState, Options, Pending, claim_name, schedule};

use super::filenames::Filenames;
use super::journaled::JournalFlag;
use super::{Exit, Failure};
use crate::input;
use crate::manifests::{ManifestError, Manifests};
use crate::policies::{self, BUDGET};
use crate::render::plan::{PlannedClaim, diff};
use crate::render::terminal;
use node::Node;

const EXAMPLES: &str = "\
Examples:
  What would be done for this claim on a node with such hardware?
    supercargo plan -f claim.yaml --topology node.yaml --config configuration.yaml

  Which grants does a policy need for the claims of my users?
    supercargo plan -f claims/ --topology node.yaml --config configuration.yaml -o json |
      jq '.claims[].parts[].missingGrants'

Exit status:
  0  every claim can be prepared
  1  a claim stays pending, its parameters are wrong, or a plan is not granted
  2  the input or the flags are wrong; nothing was planned";

const LONG: &str = "\
Show what would be done to a node for a claim, and whether it is granted

Reads ResourceClaims with their DeviceClasses, templates and pods, puts them on a node whose hardware \
a topology describes, and asks the policies that the configuration maps them to what is to be done. \
The plan is held against the policies' grants as on a real node, and shown as a diff against the \
hardware; what is not granted is told with the lines that are missing. What is granted is tried on a \
simulation of the hardware, which tells what the host itself adds: the steps that a device needs \
where no policy plans for it, and what containers see of each device. Nothing else is touched.

A claim that is not allocated yet is allocated first, as `supercargo allocate` does it. One that is \
must hold devices of the pool that has the node's name.";

/// Show what would be done to a node for a claim, and whether it is granted
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    manifests: Filenames,

    /// The hardware of the node
    #[arg(long, value_name = "FILE.yaml")]
    topology: PathBuf,

    /// The configuration: policies with their grants, and rules that say who serves what
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,

    /// What the node is called, and its pool
    #[arg(long, value_name = "NAME", default_value = "node")]
    node: String,

    #[command(flatten)]
    journal: JournalFlag,

    /// How to print the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A diff for people
    Table,
    /// One JSON object
    Json,
    /// One YAML document
    Yaml,
}

impl Plan {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let node = Node::open(&self.topology, &self.node)?;
        let mut sources = input::read(&self.manifests.files).map_err(ManifestError::from)?;
        sources.push(node.manifests()?);
        let manifests = Manifests::of(sources)?;
        for remark in &manifests.remarks {
            anstream::eprintln!("{remark}");
        }
        let allocator = manifests.allocator();
        let journal = self.journal.open()?;
        let (configuration, placement) = match &self.config {
            Some(file) => {
                let configuration = policies::configuration(file)?;
                let folder = policies::folder(file);
                let limits = policies::limits_of(&configuration);
                let placement =
                    policies::load(&configuration, folder, limits, &allocator, journal.as_ref())?;
                (configuration, placement)
            }
            None => (Configuration::none(), policies::first_fit(&allocator)?),
        };
        let input = manifests.input(Some(&self.node))?;
        let options = Options {
            budget: BUDGET,
            explain_all: false,
        };
        let schedule = schedule(input, &placement, options, &mut |_| ());
        let planner = claims::Planner {
            node: &node,
            configuration: &configuration,
            registry: placement.registry(),
            journal: journal.as_deref(),
        };
        let planned: Vec<PlannedClaim> = schedule
            .claims
            .iter()
            .map(|outcome| match &outcome.state {
                ClaimState::Pending(pending) => PlannedClaim {
                    claim: claim_name(&outcome.claim),
                    problem: Some(why(pending.as_ref())),
                    parts: Vec::new(),
                },
                _ => planner.planned(&outcome.claim),
            })
            .collect();
        if let Some(journal) = &journal {
            journal.close()?;
        }
        self.print(&planned)?;
        Ok(if planned.iter().all(PlannedClaim::is_admitted) {
            Exit::Done
        } else {
            Exit::Unsatisfied
        })
    }

    fn print(&self, planned: &[PlannedClaim]) -> Result<(), Failure> {
        let value = || serde_json::json!({"node": self.node, "claims": planned});
        let text = match self.output {
            Format::Table if planned.is_empty() => "nothing asks for devices\n".to_owned(),
            Format::Table => diff(planned, terminal::width()),
            Format::Json => format!("{:#}\n", value()),
            Format::Yaml => write::yaml_values(&[value()]),
        };
        Ok(terminal::print(&text)?)
    }
}

/// Why a claim has no devices.
fn why(pending: Option<&Pending>) -> String {
    let why = match pending {
        Some(Pending::Blocked(blockers)) => {
            let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            blockers.join("; ")
        }
        Some(Pending::NoNodes | Pending::NoNodeFits(_)) => {
            "the node has no devices for it".to_owned()
        }
        None => "so do the pods that use it".to_owned(),
    };
    format!("stays pending: {why}")
}
