//! One call: a fresh instance, its limits, its deadline, its end.
//!
//! An instance never serves twice, so nothing a guest does can outlast its call: no state, no memory
//! that stays grown, no stack that stays deep.

use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::engine::Shared;
use super::failure::CallError;
use super::guard::Guard;
use super::limits::Limits;
use super::ticker::TICK;

/// What came of a call, and what it took.
pub(super) struct Outcome<R> {
    pub(super) answer: Result<R, CallError>,
    pub(super) took: Duration,
    /// Bytes of memory at the end.
    pub(super) memory: u64,
}

/// Calls a function of a component.
pub(super) fn run<P, R>(
    engine: &Shared,
    pre: &InstancePre<Guard>,
    function: &ComponentExportIndex,
    params: P,
    limits: &Limits,
    until: Option<Instant>,
) -> Outcome<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let started = Instant::now();
    // A deadline too far to be told is none; there is always the policy's own.
    let own = started.checked_add(limits.deadline).unwrap_or(started);
    let until = until.map_or(own, |until| until.min(own));
    let limit = until.saturating_duration_since(started);
    let ended = |answer, memory| Outcome {
        answer,
        took: started.elapsed(),
        memory,
    };

    let Some(_permit) = engine.permits.acquire(until) else {
        return ended(Err(CallError::Busy), 0);
    };
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return ended(Err(CallError::Timeout { limit }), 0);
    }
    let _in_flight = engine.ticker.enter();
    let mut store = Store::new(&engine.wasm, Guard::new(limits));
    store.limiter(|guard| guard);
    // Before instantiation, which runs start functions. The current tick is partly over, so one more.
    store.set_epoch_deadline(ticks(left) + 1);
    store.set_hostcall_fuel(usize::try_from(limits.answer_bytes).unwrap_or(usize::MAX));
    let answer = pre.instantiate(&mut store).and_then(|instance| {
        instance
            .get_typed_func::<P, R>(&mut store, function)?
            .call(&mut store, params)
    });
    let guard = store.data();
    let answer = answer.map_err(|error| CallError::from_runtime(&error, guard, limits, limit));
    ended(answer, guard.memory_used)
}

fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX / 2)
}
