//! `supercargo compare`: the same workloads under first fit and under policies, drawn side by side.

mod workloads;

use std::path::PathBuf;

use clap::Args;
use supercargo_host::scheduling::{Input, Options, schedule};

use super::journaled::JournalFlag;
use super::{Exit, Failure};
use crate::inventory::Inventory;
use crate::manifests::Manifests;
use crate::policies::{self, BUDGET};
use crate::render::comparison::{Comparison, Contender, comparison};
use crate::render::topology::Holder;
use crate::render::{count, terminal};
use crate::topology::{locality, topology};
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
    /// A manifest, a folder of manifests, or `-` for standard input; may be given several times
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "FILE|DIR|-",
        required = true
    )]
    files: Vec<PathBuf>,

    /// A policy that serves every request; may be given several times
    #[arg(
        long = "policy",
        value_name = "FILE.wasm",
        required_unless_present = "configs"
    )]
    policies: Vec<PathBuf>,

    /// A configuration with policies and rules; may be given several times
    #[arg(long = "config", value_name = "FILE.yaml")]
    configs: Vec<PathBuf>,

    /// The attribute whose values make groups, like gpu.nvidia.com/partition4
    #[arg(long, value_name = "ATTRIBUTE")]
    group_by: Option<String>,

    #[command(flatten)]
    journal: JournalFlag,
}

impl Compare {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let manifests = Manifests::read(&self.files)?;
        let inventory = Inventory::new(manifests.slices());
        let group_by = locality(&inventory, self.group_by.as_deref());
        let allocator = manifests.allocator();

        let journal = self.journal.open()?;
        let mut placements = vec![("first fit".to_owned(), policies::first_fit(&allocator)?)];
        for policy in &self.policies {
            placements.push(policies::single(policy, &allocator, journal.as_ref())?);
        }
        for config in &self.configs {
            let name = config
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            placements.push((
                name,
                policies::configured(config, &allocator, journal.as_ref())?,
            ));
        }

        let input = manifests.input(None)?;
        let mut shown = Comparison {
            title: title(&self.files, &input, inventory.len()),
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
