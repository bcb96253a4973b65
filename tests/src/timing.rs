//! Measures cases: how long one answer takes, with and without the preparation for it.
//!
//! As upstream's benchmark, an operation's time is the median over ten parts of the time given, so
//! that a disturbance of one part does not show.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::resource::v1::Device;
use serde::Serialize;
use supercargo_host::allocator::{Allocator, Guidance, Prepared};

use crate::allocation::{BUDGET, Problem};
use crate::case::Case;
use crate::instructions;
use crate::selector::SelectorCase;

const PARTS: u32 = 10;

/// Devices of one batch, made before the clock starts; each is asked about once.
const BATCH: usize = 256;

/// One case's figures, as `conformance time` prints them.
#[derive(Debug, Clone, Serialize)]
pub struct Timing {
    /// The case.
    pub name: String,
    /// One answer: an allocation, all nodes of a sweep, or one match on a device never seen before.
    pub ns_per_op: u64,
    /// The same with the allocator built from the slices, or the selector compiled, each time.
    pub ns_per_op_with_new: u64,
    /// How often `ns_per_op` was measured.
    pub iterations: u64,
    /// Instructions an operation, where the machine counts them; for the bench's table.
    #[serde(skip)]
    pub instructions: Option<u64>,
}

/// Median time of an operation and how often it ran.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Nanoseconds an operation.
    pub ns: u64,
    /// Operations in all.
    pub iterations: u64,
}

/// Measures `case` for about `time`; its answer should have been checked before.
pub fn time(case: &Case, time: Duration) -> Result<Timing, String> {
    match case {
        Case::Allocation(problem) => time_allocation(problem, time),
        Case::Selector(selector) => Ok(time_selector(selector, time)),
    }
}

fn time_allocation(problem: &Problem, time: Duration) -> Result<Timing, String> {
    let features = problem.features().map_err(|error| error.to_string())?;
    let state = problem.state().map_err(|error| error.to_string())?;
    let (claims, guidance) = (problem.claims(), Guidance::default());
    // As in a watch's store, the objects are shared, and as upstream's allocator, ours knows what is
    // in use from the start.
    let slices: Vec<_> = problem.slices().iter().cloned().map(Arc::new).collect();
    let classes: Vec<_> = problem.classes().iter().cloned().map(Arc::new).collect();
    let new = || Allocator::from_shared(features, slices.iter().cloned(), classes.iter().cloned());
    let answer = |prepared: &Prepared<'_>| {
        let plan = prepared.plan(&claims);
        for node in problem.nodes() {
            // An error is an answer too, and takes its time.
            let _ = black_box(plan.allocate(node, &guidance, BUDGET));
        }
    };
    let allocator = new();
    let prepared = allocator.prepare(&state);
    let op = measure(time / 2, || answer(&prepared));
    let instructions = instructions::a_call(|| answer(&prepared));
    let with_new = measure(time / 2, || answer(&new().prepare(&state)));
    Ok(Timing {
        name: problem.name.clone(),
        ns_per_op: op.ns,
        ns_per_op_with_new: with_new.ns,
        iterations: op.iterations,
        instructions,
    })
}

fn time_selector(case: &SelectorCase, time: Duration) -> Timing {
    let with_new = measure(time / 2, || {
        // Measured with the device at hand: it is published, not made, where selectors run.
        black_box(case.compile().map(|selector| selector.max_cost()).ok())
    });
    let (op, instructions) = match case.compile() {
        Ok(selector) => {
            let answer = |device: &Device| selector.matches(case.driver(), device).ok();
            let fresh = || {
                (0..BATCH)
                    .map(|i| case.device(format!("device-{i}")))
                    .collect()
            };
            let device = case.device("device".to_owned());
            let instructions = instructions::a_call(|| answer(&device));
            (measure_batches(time / 2, fresh, answer), instructions)
        }
        Err(_) => (
            Measured {
                ns: 0,
                iterations: 0,
            },
            None,
        ),
    };
    Timing {
        name: case.name.clone(),
        ns_per_op: op.ns,
        ns_per_op_with_new: op.ns + with_new.ns,
        iterations: op.iterations,
        instructions,
    }
}

/// Repeats `op` for `time`, after one call to warm up.
pub fn measure<T>(time: Duration, mut op: impl FnMut() -> T) -> Measured {
    black_box(op());
    parts(time, |part| {
        let (start, mut operations) = (Instant::now(), 0);
        // The clock is read once a stretch: reading it costs as much as a small operation.
        let mut stretch = 1;
        loop {
            for _ in 0..stretch {
                black_box(op());
            }
            operations += stretch;
            let spent = start.elapsed();
            if spent >= part {
                return (spent, operations);
            }
            stretch = if spent * 20 < part {
                stretch * 2
            } else {
                stretch
            };
        }
    })
}

/// Repeats `op` on fresh inputs, which `make` provides off the clock.
pub fn measure_batches<I, T>(
    time: Duration,
    mut make: impl FnMut() -> Vec<I>,
    mut op: impl FnMut(&I) -> T,
) -> Measured {
    for input in &make() {
        black_box(op(input));
    }
    parts(time, |part| {
        let (mut spent, mut operations) = (Duration::ZERO, 0);
        while spent < part {
            let batch = make();
            let start = Instant::now();
            for input in &batch {
                black_box(op(input));
            }
            // At least a tick, or an operation of no time would never end.
            spent += start.elapsed().max(Duration::from_nanos(100));
            operations += batch.len().max(1) as u64;
        }
        (spent, operations)
    })
}

fn parts(time: Duration, mut measure: impl FnMut(Duration) -> (Duration, u64)) -> Measured {
    let mut iterations = 0;
    let mut times: Vec<u64> = (0..PARTS)
        .map(|_| {
            let (spent, operations) = measure(time / PARTS);
            iterations += operations;
            u64::try_from(spent.as_nanos() / u128::from(operations.max(1))).unwrap_or(u64::MAX)
        })
        .collect();
    times.sort_unstable();
    Measured {
        ns: times.get(times.len() / 2).copied().unwrap_or_default(),
        iterations,
    }
}
