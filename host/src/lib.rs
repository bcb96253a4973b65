//! The decision core of Supercargo: Kubernetes objects in, device allocations out.
//!
//! No Kubernetes client, no sockets, no hardware: every function takes what it needs and returns
//! what it decides, so that the CLI, the scheduler extender and the node driver make the same
//! decision from the same input.
#![deny(missing_docs)]

pub mod allocator;
pub mod cel;
pub mod configuration;
pub mod journal;
pub mod names;
pub mod node_selector;
pub mod objects;
pub mod placement;
pub mod plan;
pub mod policy;
pub mod quantity;
pub mod scheduling;
