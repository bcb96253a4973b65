//! Allocation: hard and typical problems, and how time grows with nodes and with claims.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Failure, Row, Upstream};
use crate::case::Case;
use crate::fleet::{Fleet, FleetClaim};
use crate::oracle::Oracle;
use crate::timing;

#[derive(Deserialize)]
struct Time {
    name: String,
    ns_per_op: u64,
    ns_per_op_with_new: u64,
}

/// Nodes of the sweeps that show how time grows.
const GROWTH: [usize; 4] = [500, 1_000, 2_000, 5_000];

/// The problems of `recorded`, or where upstream is there its own, and sweeps of growing size.
pub fn rows(recorded: &Path, time: Duration, oracle: Option<&Oracle>) -> Result<Vec<Row>, Failure> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let mut lines: Vec<String> = Vec::new();
    match oracle {
        Some(oracle) => {
            let problems = oracle
                .performance_problems()
                .map_err(|error| error.to_string())?;
            lines.extend(read(&problems)?.lines().map(str::to_owned));
        }
        None => {
            lines.extend(read(recorded)?.lines().map(str::to_owned));
            lines.extend(sweeps().iter().map(|fleet| fleet.problem().to_string()));
        }
    }
    lines.extend(
        growth()
            .iter()
            .map(|(_, fleet)| fleet.problem().to_string()),
    );
    let upstream = match oracle {
        Some(oracle) => upstream(oracle, time, &lines)?,
        None => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for line in &lines {
        let case = Case::parse(line).map_err(|error| error.to_string())?;
        case.check()
            .map_err(|wrong| format!("{}: {wrong}", case.name()))?;
        let timing = timing::time(&case, time)?;
        let upstream = upstream.get(&timing.name);
        rows.push(Row {
            group: "allocation",
            ns: timing.ns_per_op,
            ns_with_new: Some(timing.ns_per_op_with_new),
            iterations: timing.iterations,
            instructions: timing.instructions,
            upstream: upstream
                .map(|(ns, with_new)| Upstream::new(*ns, Some(*with_new), timing.ns_per_op)),
            note: None,
            name: timing.name,
        });
    }
    note_growth(&mut rows);
    Ok(rows)
}

/// Says what a node costs in each of the growing sweeps, and how that compares with the smallest.
fn note_growth(rows: &mut [Row]) {
    let mut smallest = None;
    for (nodes, fleet) in growth() {
        let Some(row) = rows.iter_mut().find(|row| row.name == fleet.name) else {
            continue;
        };
        let a_node = row.ns as f64 / nodes as f64;
        let first = *smallest.get_or_insert(a_node);
        row.note = Some(format!(
            "{a_node:.0} ns a node, {:.2} of that for {} nodes",
            a_node / first,
            GROWTH[0]
        ));
    }
}

fn growth() -> Vec<(usize, Fleet)> {
    let fleet = |nodes: usize| Fleet {
        name: format!("growth-{nodes}"),
        nodes,
        per_node: 8,
        in_use: nodes * 4,
        claim: FleetClaim::FourOnOneNuma,
    };
    GROWTH.map(|nodes| (nodes, fleet(nodes))).into()
}

/// Sweeps in the form of upstream's, for when upstream is not there to write them.
fn sweeps() -> [Fleet; 3] {
    let fleet = |name: &str, nodes, per_node, in_use, claim| Fleet {
        name: name.to_owned(),
        nodes,
        per_node,
        in_use,
        claim,
    };
    [
        fleet("sweep-500-half", 500, 10, 2_500, FleetClaim::One),
        fleet("sweep-500-full", 500, 10, 4_990, FleetClaim::One),
        fleet(
            "sweep-5000-8gpu",
            5_000,
            8,
            28_000,
            FleetClaim::FourOnOneNuma,
        ),
    ]
}

fn upstream(
    oracle: &Oracle,
    time: Duration,
    lines: &[String],
) -> Result<BTreeMap<String, (u64, u64)>, Failure> {
    let problems = oracle.folder().join("timed.jsonl");
    let file = |error| format!("{}: {error}", problems.display());
    fs::write(&problems, lines.join("\n")).map_err(file)?;
    let path = oracle
        .time_problems(time.as_secs_f64(), &problems)
        .map_err(|error| error.to_string())?;
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let times = text.lines().map(|line| {
        let time: Time =
            serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((time.name, (time.ns_per_op, time.ns_per_op_with_new)))
    });
    times.collect()
}
