//! How good a choice is, so that nodes can be ranked by it.

use supercargo_guest::Device;
use supercargo_guest::topology::Groups;

/// Bandwidth counts for three quarters, what is left over in the groups that are touched for the
/// rest: of two nodes with linked GPUs the one wins where no larger group is broken up.
pub(crate) fn score(linked: f64, used: usize, touched: usize) -> f64 {
    75.0 * linked + 25.0 * ratio(used, touched)
}

/// The share of pairs that are linked, and how many devices the groups of these have.
pub(crate) fn linked(devices: &[Device<'_>], all: &Groups<'_>) -> (f64, usize) {
    let mut pairs = 0;
    let mut touched = 0;
    let mut grouped = 0;
    for group in all.iter() {
        let own = group
            .devices()
            .iter()
            .filter(|device| devices.contains(device))
            .count();
        if own > 0 {
            pairs += own * (own - 1) / 2;
            touched += group.devices().len();
            grouped += own;
        }
    }
    let loose = devices.len() - grouped;
    (
        ratio(pairs, devices.len() * devices.len().saturating_sub(1) / 2),
        touched + loose,
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of devices")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}
