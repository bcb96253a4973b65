//! What a policy costs: a call with 8, 64 and 128 devices in a fresh instance each, a remembered one,
//! and loading. The guest is written by hand and does little more than read its whole table, so what is
//! measured is the host. One JSON line for each.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has nothing to say"
)]

#[path = "../tests/hostile/guest.rs"]
#[allow(dead_code, reason = "the hostile tests use the rest")]
mod guest;

use std::hint::black_box;
use std::time::Instant;

use guest::{Describe, Guest};
use supercargo_host::policy::input::{Amount, DeviceTable, Pool, Request};
use supercargo_host::policy::{
    Engine, EngineOptions, Limits, Policy, Quantity, Situation, Texts, Value,
};

/// Sums every whole number of the table, then proposes the first devices of request 0, as many as it is
/// for. Positions are those of the canonical ABI: the question is the settings at 0 and the situation at 8.
const READ_ALL: &str = "
    (local $at i32) (local $end i32) (local $sum i64) (local $request i32) (local $answer i32)
    (local.set $at (i32.load offset=32 (local.get $question)))
    (local.set $end (i32.add (local.get $at) (i32.shl (i32.load offset=36 (local.get $question)) (i32.const 4))))
    (block $done (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 1))
            (then (local.set $sum (i64.add (local.get $sum) (i64.load offset=8 (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $more)))
    (local.set $request (i32.load offset=80 (local.get $question)))
    (local.set $answer (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 64)))
    (i32.store offset=4 (local.get $answer) (i32.add (local.get $answer) (i32.const 16)))
    (i32.store offset=8 (local.get $answer) (i32.const 1))
    (i32.store offset=20 (local.get $answer) (i32.add (local.get $answer) (i32.const 48)))
    (i32.store offset=24 (local.get $answer) (i32.const 1))
    (f64.store offset=32 (local.get $answer) (f64.convert_i64_u (i64.rem_u (local.get $sum) (i64.const 100))))
    (i32.store offset=40 (local.get $answer) (i32.const 0))
    (i32.store offset=44 (local.get $answer) (i32.const 0))
    (i32.store offset=48 (local.get $answer) (i32.const 0))
    (i32.store offset=52 (local.get $answer) (i32.load offset=24 (local.get $request)))
    (i32.store offset=56 (local.get $answer) (i32.load offset=8 (local.get $request)))
    (local.get $answer)";

fn component() -> Vec<u8> {
    let mut guest = Guest {
        select: READ_ALL.to_owned(),
        ..Guest::empty()
    };
    guest.describes(&Describe {
        attributes: &[
            "gpu.example.com/group",
            "gpu.example.com/model",
            "gpu.example.com/driver",
        ],
        capacities: &["gpu.example.com/memory"],
        ..Describe::default()
    });
    guest.component()
}

fn situation(devices: u32) -> Situation {
    let mut texts = Texts::default();
    let driver = texts.position(&"gpu.example.com".into());
    let model = texts.position(&"NVIDIA H100 80GB HBM3".into());
    let version = texts.position(&"570.124.6".into());
    let row = |device: u32| {
        [
            Value::Int(i64::from(device / 4)),
            Value::String(model),
            Value::Version(version),
        ]
    };
    Situation {
        pools: vec![Pool { driver }],
        devices: DeviceTable {
            pools: vec![0; devices as usize],
            attributes: (0..devices).flat_map(row).collect(),
            capacities: vec![Some(Quantity::whole(80 << 30)); devices as usize],
            consumed: Vec::new(),
        },
        requests: vec![Request {
            slot: 0,
            amount: Amount::Exactly(4),
            admin_access: false,
            capacities: Vec::new(),
            devices: (0..devices).collect(),
        }],
        strings: texts.into_strings(),
        ..Situation::default()
    }
}

/// The median of the medians of several runs, and the least run, in nanoseconds an operation.
fn time(name: &str, iterations: u32, mut work: impl FnMut()) {
    let mut runs: Vec<f64> = (0..15)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..iterations {
                work();
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(iterations)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    let (least, median) = (runs.first().unwrap(), runs.get(runs.len() / 2).unwrap());
    println!(
        "{{\"name\":\"{name}\",\"median_ns\":{median:.0},\"least_ns\":{least:.0},\"iterations\":{iterations}}}"
    );
}

fn main() {
    let component = component();
    let forgetful = Engine::new(EngineOptions {
        decisions: 0,
        ..EngineOptions::default()
    })
    .unwrap();
    let policy = Policy::load(&forgetful, &component, "{}", Limits::default()).unwrap();
    for devices in [8, 64, 128] {
        let situation = situation(devices);
        assert_eq!(policy.select(&situation, None).unwrap().len(), 1);
        time(&format!("policy/select/{devices}"), 5_000, || {
            black_box(policy.select(black_box(&situation), None).unwrap());
        });
    }

    let engine = Engine::new(EngineOptions::default()).unwrap();
    let policy = Policy::load(&engine, &component, "{}", Limits::default()).unwrap();
    let situation = situation(128);
    time("policy/select/128/remembered", 5_000, || {
        black_box(policy.select(black_box(&situation), None).unwrap());
    });

    time("policy/load/compile", 5, || {
        black_box(Policy::load(&engine, &component, "{}", Limits::default()).unwrap());
    });
    let folder = std::env::temp_dir().join(format!("supercargo-bench-{}", std::process::id()));
    let options = EngineOptions {
        compiled_code: Some(folder.clone()),
        ..EngineOptions::default()
    };
    let keeping = Engine::new(options).unwrap();
    time("policy/load/compiled", 200, || {
        black_box(Policy::load(&keeping, &component, "{}", Limits::default()).unwrap());
    });
    std::fs::remove_dir_all(folder).unwrap();
}
