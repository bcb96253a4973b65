//! The node driver: a DRA kubelet plugin that announces what its node has and prepares claims.

pub mod api;
pub mod claims;
pub mod events;
pub mod kubernetes;
pub mod lock;
pub mod metrics;
pub mod plugin;
pub mod policies;
pub mod probes;
pub mod slices;
pub mod status;
pub mod telemetry;
