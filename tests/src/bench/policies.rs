//! Asking a policy: a fresh instance each time, and loading one cold or from compiled code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use supercargo_guest_build::Builder;
use supercargo_host::policy::input::{Amount, DeviceTable, Pool, Request};
use supercargo_host::policy::{
    Engine, EngineOptions, Limits, Policy, Quantity, Situation, Texts, Value,
};

use super::{Failure, Row};
use crate::{instructions, timing};

/// Devices of the nodes that policies are asked about.
const DEVICES: [u32; 3] = [8, 64, 128];

/// The policies that are measured: one that reads nothing, and one that reads an attribute.
const POLICIES: [&str; 2] = ["first-fit", "spread-numa"];

/// Calls of the example policies and loads of the first of them; `folder` is for compiled code.
pub fn rows(time: Duration, folder: &Path) -> Result<Vec<Row>, Failure> {
    let builder = Builder::new(env!("CARGO_MANIFEST_DIR")).map_err(|error| error.to_string())?;
    // Equal questions are answered from memory otherwise, and nothing would be asked.
    let engine = |compiled_code| {
        let options = EngineOptions {
            decisions: 0,
            compiled_code,
            ..EngineOptions::default()
        };
        Engine::new(options).map_err(|error| error.to_string())
    };
    let mut rows = Vec::new();
    let cold = engine(None)?;
    let warm = engine(Some(folder.join("compiled")))?;
    for (i, name) in POLICIES.into_iter().enumerate() {
        let wasm = builder.build(name).map_err(|error| error.to_string())?.wasm;
        let load = |engine: &Engine| Policy::load(engine, &wasm, "{}", Limits::default());
        let policy = load(&cold).map_err(|error| error.to_string())?;
        for devices in DEVICES {
            let situation = situation(&policy, devices);
            policy
                .select(&situation, None)
                .map_err(|error| format!("{name}: {error}"))?;
            let measured = timing::measure(time, || policy.select(&situation, None).is_ok());
            rows.push(row(
                "policy call",
                format!("{name}, {devices} devices"),
                measured,
                || instructions::a_call(|| policy.select(&situation, None).is_ok()),
            ));
        }
        if i == 0 {
            for (engine, what) in [(&cold, "compiled"), (&warm, "from compiled code")] {
                let measured = timing::measure(time, || load(engine).is_ok());
                rows.push(row(
                    "policy load",
                    format!("{name}, {what}"),
                    measured,
                    || None,
                ));
            }
        }
    }
    Ok(rows)
}

fn row(
    group: &'static str,
    name: String,
    measured: timing::Measured,
    instructions: impl FnOnce() -> Option<u64>,
) -> Row {
    Row {
        group,
        name,
        ns: measured.ns,
        ns_with_new: None,
        iterations: measured.iterations,
        instructions: instructions(),
        upstream: None,
        note: None,
    }
}

/// One request for a quarter of a node's devices, with a value for all that the policy declared.
fn situation(policy: &Policy, devices: u32) -> Situation {
    let interests = &policy.description().interests;
    let mut texts = Texts::default();
    let driver = texts.position(&Arc::from("gpu.example.com"));
    let rows = || 0..devices;
    Situation {
        strings: texts.into_strings(),
        pools: vec![Pool { driver }],
        devices: DeviceTable {
            pools: rows().map(|_| 0).collect(),
            attributes: rows()
                .flat_map(|device| {
                    interests
                        .attributes
                        .iter()
                        .map(move |_| Value::Int(i64::from(device * 2 / devices)))
                })
                .collect(),
            capacities: rows()
                .flat_map(|_| {
                    interests
                        .capacities
                        .iter()
                        .map(|_| Some(Quantity::whole(80 << 30)))
                })
                .collect(),
            consumed: Vec::new(),
        },
        requests: vec![Request {
            slot: 0,
            amount: Amount::Exactly((devices / 4).max(1)),
            admin_access: false,
            capacities: interests.capacities.iter().map(|_| None).collect(),
            devices: rows().collect(),
        }],
        ..Situation::default()
    }
}
