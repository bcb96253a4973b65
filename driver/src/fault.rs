//! Kills this process at a named place, as `kill -9` would, so that a test can see what a crash there does.
//!
//! `SUPERCARGO_FAULT=NAME` names the place, and `NAME#3` the third time it is passed. Builds without debug
//! assertions know nothing of it.

/// Ends the process here if that was asked for.
#[cfg(debug_assertions)]
pub fn reached(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ARMED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let armed = ARMED.get_or_init(|| {
        let wanted = std::env::var("SUPERCARGO_FAULT").ok()?;
        let (name, time) = wanted.split_once('#').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), time.parse().ok()?))
    });
    if let Some((name, time)) = armed
        && name == place
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *time
    {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing, in a build that is shipped.
#[cfg(not(debug_assertions))]
pub fn reached(_: &str) {}
