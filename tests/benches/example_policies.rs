//! What the project's own policies cost: a call with 8 and 128 devices in a fresh instance each. They
//! are built with the SDK, so what is measured beside the host is what a vendor's policy pays for it.
//! One JSON line for each.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nothing to say"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use supercargo_guest_build::Builder;
use supercargo_host::policy::input::{Amount, Counter, DeviceTable, Pool, Request};
use supercargo_host::policy::types::Consumption;
use supercargo_host::policy::{
    Engine, EngineOptions, Limits, Policy, Quantity, Situation, Texts, Value,
};

const POLICIES: [&str; 4] = ["first-fit", "spread-numa", "nvlink-groups", "mig-packing"];

/// Groups of four; attributes as many as the policy declares, the group in each.
fn situation(devices: u32, attributes: usize, counters: bool) -> Situation {
    let mut texts = Texts::default();
    let driver = texts.position(&"gpu.nvidia.com".into());
    let row = |device: u32| vec![Value::Int(i64::from(device / 4)); attributes];
    let mut situation = Situation {
        pools: vec![Pool { driver }],
        devices: DeviceTable {
            pools: vec![0; devices as usize],
            attributes: (0..devices).flat_map(row).collect(),
            capacities: Vec::new(),
            consumed: Vec::new(),
        },
        requests: vec![Request {
            slot: 0,
            amount: Amount::Exactly(4),
            admin_access: false,
            capacities: Vec::new(),
            devices: (0..devices).collect(),
        }],
        ..Situation::default()
    };
    if counters {
        // Eight slices a board, and a device for each.
        for board in 0..devices.div_ceil(8) {
            let counter_set = texts.position(&format!("gpu-{board}-counter-set").into());
            for slice in 0..8 {
                let name = texts.position(&format!("memory-slice-{slice}").into());
                let one = Quantity::whole(1);
                situation.counters.push(Counter {
                    pool: 0,
                    counter_set,
                    name,
                    total: one,
                    left: one,
                });
                situation.consumption.push(Consumption {
                    device: board * 8 + slice,
                    counter: board * 8 + slice,
                    amount: one,
                });
            }
        }
    }
    situation.strings = texts.into_strings();
    situation
}

fn time(name: &str, mut work: impl FnMut()) {
    const ITERATIONS: u32 = 2_000;
    let mut runs: Vec<f64> = (0..15)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..ITERATIONS {
                work();
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(ITERATIONS)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    let (least, median) = (runs.first().unwrap(), runs.get(runs.len() / 2).unwrap());
    println!(
        "{{\"name\":\"{name}\",\"median_ns\":{median:.0},\"least_ns\":{least:.0},\"iterations\":{ITERATIONS}}}"
    );
}

fn main() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let built = Builder::new(root).unwrap().build_all(&POLICIES).unwrap();
    let engine = Engine::new(EngineOptions {
        decisions: 0,
        ..EngineOptions::default()
    })
    .unwrap();
    for component in &built {
        let name = &component.package;
        let started = Instant::now();
        let policy = Policy::load(&engine, &component.wasm, "{}", Limits::default()).unwrap();
        let loaded = started.elapsed().as_nanos();
        println!(
            "{{\"name\":\"{name}/load\",\"ns\":{loaded},\"bytes\":{}}}",
            component.wasm.len()
        );
        let attributes = match name.as_str() {
            "nvlink-groups" => 3,
            "spread-numa" => 1,
            _ => 0,
        };
        for devices in [8, 128] {
            let situation = situation(devices, attributes, name == "mig-packing");
            assert!(!policy.select(&situation, None).unwrap().is_empty());
            time(&format!("{name}/select/{devices}"), || {
                black_box(policy.select(black_box(&situation), None).unwrap());
            });
        }
    }
}
