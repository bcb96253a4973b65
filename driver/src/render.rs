//! Text for people: tables, pictures and reasons.
//!
//! A renderer takes a view (plain data) and returns a string; it reads no files, asks no terminal
//! and decides nothing, so that what users see is tested as text.

pub mod allocation;
pub mod comparison;
pub mod decision;
pub mod devices;
pub mod plan;
pub mod progress;
pub mod reasons;
pub mod style;
pub mod table;
pub mod terminal;
pub mod topology;

/// `1 node`, `2 nodes`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
