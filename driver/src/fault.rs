//! Kills or stops this process at a named place, as `kill -9` or `kill -STOP` would, so that a test can see
//! what a crash or a pause there does.
//!
//! `SUPERCARGO_FAULT=NAME` names the place, and `NAME#3` the third time it is passed; with `stop:` before it,
//! the process is not killed but stopped, until it is told to continue. Builds without debug assertions know
//! nothing of it.

/// Ends or stops the process here if that was asked for.
#[cfg(debug_assertions)]
pub fn reached(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static ARMED: OnceLock<Option<(Signal, String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let armed = ARMED.get_or_init(|| {
        let wanted = std::env::var("SUPERCARGO_FAULT").ok()?;
        let (signal, wanted) = match wanted.strip_prefix("stop:") {
            Some(wanted) => (Signal::STOP, wanted),
            None => (Signal::KILL, &*wanted),
        };
        let (name, time) = wanted.split_once('#').unwrap_or((wanted, "1"));
        Some((signal, name.to_owned(), time.parse().ok()?))
    });
    if let Some((signal, name, time)) = armed
        && name == place
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *time
    {
        let _ = kill_process(getpid(), *signal);
        // The signal is the process'; until another thread has taken it, this one would go on.
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Nothing, in a build that is shipped.
#[cfg(not(debug_assertions))]
pub fn reached(_: &str) {}
