//! The clock that deadlines are counted with.
//!
//! Compiled guests compare a counter with their deadline at every loop and call; this thread moves
//! the counter every millisecond. It belongs to the engine but does not keep it alive, and it sleeps
//! while no call is in flight: a host that decides nothing uses no processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use wasmtime::EngineWeak;

/// How finely deadlines are told apart.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How many idle ticks before the thread sleeps. Waking it costs a call a few microseconds, so a busy
/// host should not have to.
const IDLE_TICKS: u32 = 1_000;

#[derive(Debug, Default)]
struct State {
    in_flight: AtomicUsize,
    asleep: AtomicBool,
    over: AtomicBool,
}

/// The handle that calls hold to the clock.
#[derive(Debug)]
pub(super) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

/// Keeps the clock running while it lives.
#[derive(Debug)]
pub(super) struct InFlight<'t>(&'t State);

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let handle = thread::Builder::new()
            .name("policy-ticker".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || run(&engine, &shared))?;
        Ok(Self {
            state,
            thread: handle.thread().clone(),
        })
    }

    /// Says that a call begins.
    pub(super) fn enter(&self) -> InFlight<'_> {
        // Either this sees that the thread is asleep, or the thread sees this call: both orders are
        // sequentially consistent.
        self.state.in_flight.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        InFlight(&self.state)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn run(engine: &EngineWeak, state: &State) {
    let mut idle = 0;
    let mut last = Instant::now();
    while !state.over.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        // A thread that was kept from running owes the ticks it missed.
        while last.elapsed() >= TICK {
            engine.increment_epoch();
            last += TICK;
        }
        drop(engine);
        idle = if state.in_flight.load(Ordering::SeqCst) == 0 {
            idle + 1
        } else {
            0
        };
        if idle > IDLE_TICKS {
            state.asleep.store(true, Ordering::SeqCst);
            while state.in_flight.load(Ordering::SeqCst) == 0 && !state.over.load(Ordering::SeqCst)
            {
                thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            idle = 0;
            last = Instant::now();
        }
    }
}
