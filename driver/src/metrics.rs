//! What all long-running commands tell in the OpenMetrics text format: what policies did, and what the
//! process takes.

pub mod policies;
pub mod process;

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
