//! Matching a typical GPU against typical selectors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Failure, Row, Upstream};
use crate::case::Case;
use crate::oracle::Oracle;
use crate::{suite, timing};

#[derive(Deserialize)]
struct Time {
    expression: String,
    ns_per_op: u64,
}

/// One row a selector of `recorded`.
pub fn rows(recorded: &Path, time: Duration, oracle: Option<&Oracle>) -> Result<Vec<Row>, Failure> {
    let upstream = match oracle {
        Some(oracle) => upstream(oracle, time)?,
        None => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for case in suite::read(recorded).map_err(|error| error.to_string())? {
        case.check()
            .map_err(|wrong| format!("{}: {wrong}", case.name()))?;
        let timing = timing::time(&case, time)?;
        let upstream = match &case {
            Case::Selector(selector) => upstream.get(selector.expression()),
            Case::Allocation(_) => None,
        };
        rows.push(Row {
            group: "selector match",
            ns: timing.ns_per_op,
            ns_with_new: Some(timing.ns_per_op_with_new),
            iterations: timing.iterations,
            instructions: timing.instructions,
            upstream: upstream.map(|ns| Upstream::new(*ns, None, timing.ns_per_op)),
            note: None,
            name: timing.name,
        });
    }
    Ok(rows)
}

fn upstream(oracle: &Oracle, time: Duration) -> Result<BTreeMap<String, u64>, Failure> {
    let path = oracle
        .time_selectors(time.as_secs_f64())
        .map_err(|error| error.to_string())?;
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let times = text.lines().map(|line| {
        let time: Time =
            serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((time.expression, time.ns_per_op))
    });
    times.collect()
}
