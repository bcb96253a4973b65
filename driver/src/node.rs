//! The node driver: a DRA kubelet plugin that announces what its node has and prepares claims.

pub mod claims;
pub mod lock;
pub mod plugin;
