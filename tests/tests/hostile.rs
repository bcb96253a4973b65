//! Hostile policies: each does its worst, is told apart by an error of its own, costs no more than its
//! deadline and its memory, and leaves the host serving as before.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/at_load.rs"]
mod at_load;
#[path = "hostile/crashes.rs"]
mod crashes;
#[path = "hostile/guest.rs"]
mod guest;
#[path = "hostile/positions.rs"]
mod positions;
#[path = "hostile/room.rs"]
mod room;
#[path = "hostile/time.rs"]
mod time;
#[path = "hostile/together.rs"]
mod together;

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use guest::{Describe, Guest, Proposed, Slice, contract};
use supercargo_host::policy::input::{Amount, DeviceTable, Request};
use supercargo_host::policy::{
    CallError, Engine, EngineOptions, Hook, Limits, LoadError, Part, Policy, Registry, Situation,
    check,
};

/// One engine for all tests, as in a host: what one guest does must not show in the next test.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(EngineOptions {
        decisions: 16,
        ..EngineOptions::default()
    })
    .unwrap()
});

/// What a hostile guest gets before it is cut off.
const DEADLINE: Duration = Duration::from_millis(30);

/// How much later the host may be back.
const SLACK: Duration = Duration::from_millis(20);

/// Held while the clock is read: guests that burn processors beside would be measured too.
static ALONE: Mutex<()> = Mutex::new(());

fn limits() -> Limits {
    Limits {
        deadline: DEADLINE,
        ..Limits::default()
    }
}

fn load(guest: &Guest) -> Result<Policy, LoadError> {
    load_bytes(&guest.component())
}

fn load_bytes(bytes: &[u8]) -> Result<Policy, LoadError> {
    Policy::load(&ENGINE, bytes, "{}", limits())
}

/// Two devices for request 0, two others for request 1.
fn situation() -> Situation {
    let request = |slot, devices: &[u32]| Request {
        slot,
        amount: Amount::Exactly(1),
        admin_access: false,
        capacities: Vec::new(),
        devices: devices.to_vec(),
    };
    Situation {
        devices: DeviceTable {
            pools: vec![0; 4],
            ..DeviceTable::default()
        },
        requests: vec![request(0, &[0, 1]), request(1, &[2, 3])],
        ..Situation::default()
    }
}

/// Sees that `work` ends in time, and says how often it ran. Other processes can hold this one up at
/// any moment but not every time, so being in time once of ten is enough: a host that does not cut a
/// guest off is late always.
fn in_time(mut work: impl FnMut()) -> u64 {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for attempt in 1..=10 {
        let started = Instant::now();
        work();
        if started.elapsed() <= DEADLINE + SLACK {
            return attempt;
        }
    }
    panic!("came back more than {SLACK:?} after the deadline, ten times of ten");
}

/// Asks a guest, holds it to its deadline, and sees that the engine serves others as before.
fn error_of(guest: &Guest) -> CallError {
    let policy = load(guest).unwrap();
    let mut error = None;
    let calls = in_time(|| error = Some(policy.select(&situation(), None).unwrap_err()));
    let error = error.unwrap();
    let failures = policy.counts().snapshot().failures;
    assert_eq!(failures.get(error.kind()), Some(&calls));
    assert_still_serves();
    error
}

/// The kind of error of a guest with this body of `select`.
fn error_of_select(body: &str) -> CallError {
    error_of(&Guest {
        select: body.to_owned(),
        ..Guest::good()
    })
}

/// The error of a guest that proposes just this.
fn error_of_proposal(proposal: Proposed<'_>) -> CallError {
    let mut guest = Guest::good();
    guest.proposes(&[proposal]);
    error_of(&guest)
}

fn assert_still_serves() {
    let policy = load(&Guest::good()).unwrap();
    let proposals = policy.select(&situation(), None).unwrap();
    assert_eq!(proposals[0].choice.assignments()[0].devices, [0]);
}

/// The error of loading, held to the time that `describe` is given.
fn load_error_of(guest: &Guest) -> LoadError {
    let error = load(guest).unwrap_err();
    assert_still_serves();
    error
}
