//! Row-major tables: row i, column j is at `i * n + j`.

use crate::attribute::Name;

/// The column of a declared name.
///
/// # Panics
/// For a name that the policy did not declare. That is a mistake in the policy, found by the first
/// native test that reads it; in a component it is a trap, which the host answers for.
#[track_caller]
#[expect(clippy::panic, reason = "the policy contradicts its own description")]
pub(crate) fn column(declared: &[Name], wanted: Name, list: &str) -> usize {
    match declared.iter().position(|name| *name == wanted) {
        Some(column) => column,
        None => panic!("the policy reads `{wanted}` but does not list it in Policy::{list}"),
    }
}

/// One cell.
pub(crate) fn cell<T>(table: &[T], width: usize, row: u32, column: usize) -> Option<&T> {
    table.get((row as usize).checked_mul(width)?.checked_add(column)?)
}
