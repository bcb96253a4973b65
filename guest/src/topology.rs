//! Choosing devices by where they are.
//!
//! - [`Groups`]: devices that have the value of an attribute in common (an NVLink group, a NUMA
//!   node, a PCIe root).
//! - [`Pairwise`]: a number for each two devices (bandwidth, distance), and the set with the
//!   greatest or least sum.
//! - [`aligned`]: devices for several requests that agree on an attribute (a GPU and its NIC).

mod aligned;
mod groups;
mod pairwise;

pub use aligned::{Aligned, aligned};
pub use groups::{Group, Groups};
pub use pairwise::Pairwise;
