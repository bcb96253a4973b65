//! Everything of Supercargo that has effects.
//!
//! `supercargo-host` decides and does nothing else; this crate reads files, talks to terminals,
//! Kubernetes and hardware, and asks `supercargo-host` what to do. A command
//! is therefore thin: it turns its arguments into the host's request and the host's answer into
//! text. What several commands need (reading manifests, loading policies, drawing tables) lives
//! beside [`cli`], so that commands never call each other.

pub mod claims;
pub mod cli;
pub mod daemon;
pub mod devices;
pub mod fault;
pub mod fixtures;
pub mod input;
pub mod inventory;
pub mod journal;
pub mod kubernetes;
pub mod manifests;
pub mod measures;
pub mod metrics;
pub mod node;
pub mod policies;
pub mod probes;
pub mod render;
pub mod scheduler;
pub mod serving;
pub mod simulation;
pub mod telemetry;
pub mod topology;
pub mod wave;
