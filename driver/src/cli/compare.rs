//! `supercargo compare`: the same workloads under first fit and under policies, drawn side by side.

mod workloads;

use std::path::PathBuf;

use clap::Args;
use supercargo_host::scheduling::{Input, Options, schedule};

use super::contenders::Contenders;
use super::filenames::Filenames;
use super::journaled::JournalFlag;
use super::{Exit, Failure};
use crate::inventory::Inventory;
use crate::manifests::Manifests;
use crate::policies::BUDGET;
use crate::render::comparison::{Comparison, Contender, comparison};
use crate::render::topology::Holder;
use crate::render::{count, terminal};
use crate::topology::{self, locality, topology};
use workloads::Workloads;

const EXAMPLES: &str = "\
Examples:
  What do NVLink groups gain from a policy that knows them?
    supercargo compare -f examples/scenes/nvlink.yaml --policy nvlink-groups.wasm

  Two policies against each other and first fit, grouped by NUMA node:
    supercargo compare -f scene.yaml --policy a.wasm --policy b.wasm \\
      --group-by resource.kubernetes.io/numaNode

Exit status: 0 compared (whatever came of it), 2 bad input.";

const LONG: &str = "\
Compare policies with first fit on the same workloads

Allocates the manifests once first fit, as kube-scheduler does, and once with each policy, and draws \
who gets which devices: a box for each group of devices that belong together, a letter for each \
workload. Below it stands what was gained. Nothing is sent anywhere.

Groups are the partitions of a device (MIG) and the values of one attribute: the one given, or the \
one whose name speaks of locality (NVLink, partition, clique, NUMA, PCIe root).";

/// How wide a picture is where the output is no terminal.
const WIDTH: usize = 100;

/// Compare policies with first fit on the same workloads
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Compare {
    #[command(flatten)]
    manifests: Filenames,

    #[command(flatten)]
    contenders: Contenders,

    #[command(flatten)]
    journal: JournalFlag,
}

impl Compare {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let manifests = Manifests::read(&self.manifests.files)?;
        let inventory = Inventory::new(manifests.slices());
        topology::check(&inventory, self.contenders.group_by.as_deref())?;
        let group_by = locality(&inventory, self.contenders.group_by.as_deref());
        let allocator = manifests.allocator();

        let journal = self.journal.open()?;
        let placements = self.contenders.placements(&allocator, journal.as_ref())?;

        let input = manifests.input(None)?;
        let mut shown = Comparison {
            title: title(&self.manifests.files, &input, inventory.len()),
            workloads: workloads::shown(&input),
            ..Comparison::default()
        };
        for (name, placement) in &placements {
            let input = manifests.input(None)?;
            let workloads = Workloads::of(&input);
            let schedule = schedule(
                input,
                placement,
                Options {
                    budget: BUDGET,
                    explain_all: false,
                },
                &mut |_| (),
            );
            let holders = workloads.holders(&schedule);
            shown.used_before |= holders.values().any(|holder| *holder == Holder::Before);
            let topology = topology(&inventory, group_by.as_deref(), &holders);
            shown.contenders.push(Contender {
                name: name.clone(),
                pending: workloads.pending(&schedule),
                measures: workloads.measures(&schedule, &topology, group_by.as_deref()),
                nodes: topology.nodes,
            });
        }
        if let Some(journal) = &journal {
            journal.close()?;
        }
        terminal::print(&comparison(&shown, terminal::width().unwrap_or(WIDTH)))?;
        Ok(Exit::Done)
    }
}

fn title(files: &[PathBuf], input: &Input, devices: usize) -> String {
    let files: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    format!(
        "{}: {}, {}, {}",
        files.join(" "),
        count(input.nodes.len(), "node"),
        count(devices, "device"),
        count(input.tasks.len(), "workload")
    )
}
