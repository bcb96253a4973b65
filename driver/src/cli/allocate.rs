//! `supercargo allocate`: manifests in, allocations out.

mod rows;
mod subjects;

use clap::{Args, ValueEnum};
use supercargo_host::allocator::Allocator;
use supercargo_host::objects::{Object, write};
use supercargo_host::scheduling::{Options, Schedule, schedule};

use super::chosen::PolicyFlags;
use super::filenames::Filenames;
use super::journaled::{self, JournalFlag};
use super::{Exit, Failure};
use crate::inventory::Inventory;
use crate::manifests::Manifests;
use crate::policies::BUDGET;
use crate::render::progress::Progress;
use crate::render::reasons::{Detail, reasons};
use crate::render::{allocation, count, terminal};

const EXAMPLES: &str = "\
Examples:
  Try a pod against a cluster, without touching it:
    kubectl get deviceclasses,resourceslices,nodes -o yaml > cluster.yaml
    kubectl get resourceclaims,resourceclaimtemplates,pods -A -o yaml > claims.yaml
    supercargo allocate -f cluster.yaml -f claims.yaml -f my-pod.yaml

  Let a vendor's policy choose:
    supercargo allocate -f cluster.yaml -f job.yaml --policy nvlink-groups.wasm

  See every device with the first rule that refused it:
    supercargo allocate -f . --explain=devices

  Write decisions down, and have one told again:
    supercargo allocate -f . --policy nvlink-groups.wasm --journal decisions.jsonl
    supercargo explain decisions.jsonl --claim train-0-gpus

  Keep the result, and go on from it:
    supercargo allocate -f cluster.yaml -f first.yaml -o yaml > first-allocated.yaml
    supercargo allocate -f cluster.yaml -f first-allocated.yaml -f second.yaml

Exit status:
  0  everything that asked for devices has them
  1  something stays pending; the reasons follow the table (with -o yaml and json: on stderr)
  2  the input or the flags are wrong; every problem is on stderr, nothing was allocated";

const LONG: &str = "\
Allocate devices to the pods and claims in manifests

Reads DeviceClasses, ResourceSlices, Nodes, ResourceClaims, ResourceClaimTemplates, Pods and Jobs \
(resource.k8s.io v1, v1beta2 and v1beta1; YAML and JSON), allocates what is pending in the order \
given, and prints who gets what. Nothing is sent anywhere.

Claims that are allocated in the input keep their devices. Templates become claims as the \
controller makes them. A claim that several pods use is allocated once, and later pods go where it \
is. Nodes are taken in name order, or by score where a policy gives one. Without a policy the \
answer is exactly kube-scheduler's.";

/// Allocate devices to the pods and claims in manifests
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Allocate {
    #[command(flatten)]
    manifests: Filenames,

    #[command(flatten)]
    policies: PolicyFlags,

    #[command(flatten)]
    journal: JournalFlag,

    /// Only this node takes anything
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// How to print the result
    ///
    /// `table` has a line a claim, `wide` a line a device with its attributes; `yaml` (documents)
    /// and `json` (one List) are the ResourceClaims themselves, as kubectl takes them and as this
    /// command reads them back.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,

    /// Explain every decision: what each rule refused, what each policy proposed
    ///
    /// `--explain` counts devices by rule; `--explain=devices` names each device with the first
    /// rule that refused it. What stays pending is explained in any case.
    #[arg(long, value_name = "DETAIL", num_args = 0..=1, require_equals = true, default_missing_value = "rules")]
    explain: Option<Explain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line a claim
    Table,
    /// A line a device
    Wide,
    /// A v1 List of ResourceClaims
    Json,
    /// ResourceClaims, one document each
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Explain {
    /// Count devices by rule
    Rules,
    /// Tell every device
    Devices,
}

impl Allocate {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let manifests = Manifests::read(&self.manifests.files)?;
        for remark in &manifests.remarks {
            anstream::eprintln!("{remark}");
        }
        let allocator = manifests.allocator();
        let journal = self.journal.open()?;
        let placement = self.policies.placement(&allocator, journal.as_ref())?;
        let input = manifests.input(self.node.as_deref())?;
        let options = Options {
            budget: BUDGET,
            explain_all: self.explain.is_some(),
        };
        let mut progress = Progress::new("allocating", input.tasks.len());
        let schedule = schedule(input, &placement, options, &mut |done| progress.at(done));
        progress.end();
        if let Some(journal) = &journal {
            journaled::placed(journal, &schedule);
            journal.close()?;
        }

        let told = self.told(&schedule, &allocator);
        match self.output {
            Format::Yaml => {
                terminal::print(&write::yaml(&objects(&schedule)))?;
                terminal::print_error(&told)?;
            }
            Format::Json => {
                terminal::print(&write::json(&objects(&schedule)))?;
                terminal::print_error(&told)?;
            }
            Format::Table | Format::Wide => {
                let inventory = Inventory::new(manifests.slices());
                let rows = rows::rows(&schedule, &inventory);
                let width = terminal::width();
                let table = if self.output == Format::Wide {
                    allocation::wide(&rows, width)
                } else {
                    allocation::table(&rows, width)
                };
                let summary = summary(&schedule, inventory.len());
                let table = if rows.is_empty() {
                    "nothing asks for devices\n".to_owned()
                } else {
                    table
                };
                terminal::print(&format!("{table}{told}\n{summary}\n"))?;
            }
        }
        Ok(if schedule.is_complete() {
            Exit::Done
        } else {
            Exit::Unsatisfied
        })
    }

    /// Explanations: of what is pending, and of the rest where that was asked for.
    fn told(&self, schedule: &Schedule, allocator: &Allocator) -> String {
        let teller = subjects::Teller {
            schedule,
            allocator,
        };
        let detail = match self.explain {
            Some(Explain::Devices) => Detail::Devices,
            Some(Explain::Rules) | None => Detail::Rules,
        };
        let mut text = String::new();
        if self.explain.is_some() {
            let placed = teller.placed();
            if !placed.is_empty() {
                text.push_str(&format!("\n{}", reasons("PLACED", &placed, detail)));
            }
        }
        let pending = teller.pending();
        if !pending.is_empty() {
            text.push_str(&format!("\n{}", reasons("PENDING", &pending, detail)));
        }
        text
    }
}

/// All claims as they stand now.
fn objects(schedule: &Schedule) -> Vec<Object> {
    schedule
        .claims
        .iter()
        .map(|outcome| Object::ResourceClaim(outcome.claim.clone()))
        .collect()
}

fn summary(schedule: &Schedule, devices: usize) -> String {
    let pods = schedule.pods.len();
    let placed = schedule
        .pods
        .iter()
        .filter(|pod| pod.result.is_ok())
        .count();
    let claims = schedule.claims.len();
    let allocated = schedule
        .claims
        .iter()
        .filter(|claim| claim.is_allocated())
        .count();
    let used: std::collections::BTreeSet<_> = schedule
        .state
        .devices
        .iter()
        .chain(schedule.state.shared.iter().map(|(device, _)| device))
        .collect();
    format!(
        "{placed} of {} placed, {allocated} of {} allocated, {} of {} in use",
        count(pods, "pod"),
        count(claims, "claim"),
        used.len(),
        count(devices, "device")
    )
}
