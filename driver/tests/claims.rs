//! Claims on a node whose hardware is simulated, with real policies, checkpoints and CDI files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "claims/ended.rs"]
mod ended;
#[path = "claims/exclusion.rs"]
mod exclusion;
#[path = "claims/faults.rs"]
mod faults;
#[path = "claims/kept.rs"]
mod kept;
#[path = "claims/node.rs"]
mod node;
#[path = "claims/planned.rs"]
mod planned;
#[path = "claims/prepared.rs"]
mod prepared;
#[path = "claims/turns.rs"]
mod turns;
#[path = "claims/unasked.rs"]
mod unasked;

/// Not a test of its own: what [`faults`] runs in child processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    node::child().await;
}
