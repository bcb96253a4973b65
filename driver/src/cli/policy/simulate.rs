//! `supercargo policy simulate`: a cluster's pending pods, or a made-up week, under first fit and policies.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use supercargo_host::objects::write;

use super::Format;
use crate::cli::contenders::Contenders;
use crate::cli::journaled::JournalFlag;
use crate::cli::{Exit, Failure};
use crate::inventory::Inventory;
use crate::render::style::{GOOD, PLAIN, STRONG, paint};
use crate::render::table::{Cell, Column, Table};
use crate::render::{count, terminal};
use crate::simulation::page::{self, Row};
use crate::simulation::{self, Course, Ran};
use crate::topology;

const EXAMPLES: &str = "\
Examples:
  What would a policy make of what waits in my cluster?
    kubectl get deviceclasses,resourceslices,nodes -o yaml > cluster.yaml
    kubectl get resourceclaims,resourceclaimtemplates,pods -A -o yaml > pods.yaml
    supercargo policy simulate --cluster cluster.yaml --cluster pods.yaml --policy nvlink-groups.wasm

  And of everything, placed anew?
    supercargo policy simulate --cluster cluster.yaml --cluster pods.yaml --policy a.wasm --anew

  Two days of arrivals and departures, as a page to look at:
    supercargo policy simulate --cluster examples/scenes/two-days.yaml \\
      --policy nvlink-groups.wasm --policy spread-numa.wasm --html two-days.html

Exit status: 0 simulated (whatever came of it), 2 bad input.";

const LONG: &str = "\
Simulate what policies make of a cluster, over time, against first fit

The cluster is a dump (manifests, as kubectl prints them), whose pending pods arrive one after the other, \
or a scenario, whose workloads come and go at random, always the same for the same seed:

  apiVersion: supercargo.dev/v1alpha1
  kind: Scenario
  cluster: [cluster.yaml]   # classes, slices and nodes, in files beside this one
  copies: 8                 # of every node
  seed: 1
  for: 48h
  workloads:
  - name: train
    every: 40m              # mean time between arrivals
    runs: 3h                # mean time that one keeps its devices
    claim:                  # spec of a ResourceClaim
      devices: {requests: [{name: gpus, exactly: {deviceClassName: gpu.nvidia.com, count: 4}}]}

What finds no devices waits, and is tried again in order whenever something leaves. A group is a device \
that is handed out in parts, or the devices with one value of an attribute. Free devices in a group that \
is partly taken are stranded; the share of free devices that are stranded is the fragmentation.";

/// Simulate what policies make of a cluster, over time, against first fit
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Simulate {
    /// A scenario; or a manifest, a folder of manifests or `-`, which may be given several times
    #[arg(long, value_name = "DUMP|SCENARIO", required = true)]
    cluster: Vec<PathBuf>,

    #[command(flatten)]
    contenders: Contenders,

    /// Forget what claims in the dump were allocated, and place everything anew
    #[arg(long)]
    anew: bool,

    /// Write one page with charts and the topology; it needs nothing else to be looked at
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,

    #[command(flatten)]
    journal: JournalFlag,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Simulate {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let course = Course::read(&self.cluster, self.anew)?;
        let allocator = simulation::allocator(&course);
        let journal = self.journal.open()?;
        let placements = self.contenders.placements(&allocator, journal.as_ref())?;
        let by = self.contenders.group_by.as_deref();
        topology::check(&Inventory::new(&course.slices()), by)?;
        let mut drawn = f64::INFINITY;
        if let Some((name, first_fit)) = placements.first()
            && self.html.is_some()
            && course.length > 0.0
        {
            drawn = simulation::run(&course, name, first_fit, by, None)?.worst();
        }
        let mut contenders = Vec::new();
        for (name, placement) in &placements {
            contenders.push(simulation::run(&course, name, placement, by, Some(drawn))?);
        }
        if let Some(journal) = &journal {
            journal.close()?;
        }
        let rows = rows(&contenders);
        if let Some(file) = &self.html {
            Failure::write(file, page::page(&course.title, &contenders, &rows, drawn))?;
        }
        terminal::print(&match self.output {
            Format::Table => table(&course.title, &contenders, &rows),
            Format::Json => format!("{:#}\n", value(&course.title, &contenders)),
            Format::Yaml => write::yaml_values(&[value(&course.title, &contenders)]),
        })?;
        Ok(Exit::Done)
    }
}

/// What is told, and whether more or less of it is better.
fn rows(contenders: &[Ran]) -> Vec<Row> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of workloads and devices"
    )]
    let number = |value: usize| value as f64;
    let mut rows = Vec::new();
    let mut row = |what: &str, meaning: &str, more: bool, of: &dyn Fn(&Ran) -> (f64, String)| {
        let values: Vec<(f64, String)> = contenders.iter().map(of).collect();
        let best = values.iter().map(|(value, _)| *value).fold(
            if more {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            },
            if more { f64::max } else { f64::min },
        );
        // What is shown alike is alike.
        let shown = values
            .iter()
            .find(|(value, _)| *value == best)
            .map(|(_, shown)| shown.clone());
        let differ = values.iter().any(|(_, text)| Some(text) != shown.as_ref());
        let best = values
            .iter()
            .enumerate()
            .filter(|(_, (_, text))| differ && Some(text) == shown.as_ref());
        rows.push(Row {
            what: what.to_owned(),
            meaning: meaning.to_owned(),
            best: best.map(|(at, _)| at).collect(),
            values: values.into_iter().map(|(_, text)| text).collect(),
        });
    };
    row(
        "workloads placed",
        "Those that got their devices, at once or later.",
        true,
        &|ran| {
            (
                number(ran.placed),
                format!("{} of {}", ran.placed, ran.arrived),
            )
        },
    );
    let timed = contenders.iter().any(|ran| ran.timed);
    if timed {
        row(
            "mean wait",
            "From arrival to devices, or to the end for what never got any.",
            false,
            &|ran| {
                let mean = if ran.arrived == 0 {
                    0.0
                } else {
                    ran.waited / number(ran.arrived)
                };
                (mean, format!("{mean:.1} min"))
            },
        );
    }
    row(
        "devices at work",
        "In use, on average over time.",
        true,
        &|ran| {
            let mean = ran.mean(|sample| number(sample.devices.used));
            let all = ran
                .samples
                .first()
                .map_or(0, |sample| sample.devices.used + sample.devices.free);
            (mean, format!("{mean:.1} of {all}"))
        },
    );
    row(
        "stranded devices",
        "Free, in groups that are partly taken, on average over time.",
        false,
        &|ran| {
            let mean = ran.mean(|sample| number(sample.devices.stranded));
            (mean, format!("{mean:.1}"))
        },
    );
    row(
        "fragmentation",
        "The share of free devices that are stranded, on average over time.",
        false,
        &|ran| {
            let mean = ran.mean(|sample| sample.devices.fragmentation()) * 100.0;
            (mean, format!("{mean:.1} %"))
        },
    );
    if contenders.iter().any(|ran| ran.several > 0) {
        row(
            "claims within one group",
            "Of the claims for several devices that got them.",
            true,
            &|ran| {
                let share = if ran.several == 0 {
                    0.0
                } else {
                    number(ran.together) / number(ran.several)
                };
                (share, format!("{} of {}", ran.together, ran.several))
            },
        );
    }
    rows
}

fn table(title: &str, contenders: &[Ran], rows: &[Row]) -> String {
    let arrived = contenders.first().map_or(0, |ran| ran.arrived);
    let mut columns = vec![Column::fixed("")];
    columns.extend(contenders.iter().map(|ran| Column::named(&ran.name)));
    let mut table = Table::new(columns);
    for row in rows {
        let mut cells = vec![Cell::plain(row.what.as_str())];
        for (at, value) in row.values.iter().enumerate() {
            cells.push(Cell::new(
                if row.best.contains(&at) { GOOD } else { PLAIN },
                value.as_str(),
            ));
        }
        table.push(cells);
    }
    format!(
        "{}\n\n{}",
        paint(STRONG, &format!("{title}: {}", count(arrived, "workload"))),
        table.render(terminal::width())
    )
}

fn value(title: &str, contenders: &[Ran]) -> Value {
    let contenders = contenders.iter().map(|ran| {
        let samples = ran.samples.iter().map(|sample| {
            json!({
                "minute": round(sample.at),
                "used": sample.devices.used,
                "free": sample.devices.free,
                "stranded": sample.devices.stranded,
                "fragmentation": round(sample.devices.fragmentation()),
                "waiting": sample.waiting,
            })
        });
        json!({
            "name": ran.name,
            "arrived": ran.arrived,
            "placed": ran.placed,
            "waitedMinutes": round(ran.waited),
            "claimsForSeveral": ran.several,
            "claimsWithinOneGroup": ran.together,
            "groupBy": ran.group_by,
            "samples": samples.collect::<Vec<_>>(),
        })
    });
    json!({"course": title, "contenders": contenders.collect::<Vec<_>>()})
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
