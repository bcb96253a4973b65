//! The node driver: a DRA kubelet plugin that announces what its node has and prepares claims.

pub mod api;
pub mod claims;
pub mod slices;
