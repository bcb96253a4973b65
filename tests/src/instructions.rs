//! Counts instructions where the machine lets a process do that: a figure that other load on the
//! machine does not disturb. Virtual machines often hide the counter; then there is none.

use std::hint::black_box;

/// Calls of one count: enough to make the start of the counter cheap.
const CALLS: u64 = 8;

/// User-mode instructions of one call of `op`, on a warm path.
pub fn a_call<T>(mut op: impl FnMut() -> T) -> Option<u64> {
    count(|| {
        for _ in 0..CALLS {
            black_box(op());
        }
    })
    .map(|instructions| instructions / CALLS)
}

#[cfg(target_os = "linux")]
fn count(work: impl FnOnce()) -> Option<u64> {
    use perf_event::Builder;
    use perf_event::events::Hardware;

    // The builder counts this thread in user mode only, which needs no privilege.
    let mut counter = Builder::new(Hardware::INSTRUCTIONS).build().ok()?;
    counter.enable().ok()?;
    work();
    counter.disable().ok()?;
    counter.read().ok().filter(|instructions| *instructions > 0)
}

#[cfg(not(target_os = "linux"))]
fn count(_work: impl FnOnce()) -> Option<u64> {
    None
}
