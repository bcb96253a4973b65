//! What crosses crates: conformance with upstream, an independent verifier of allocations, random
//! worlds for properties, and measurements.
//!
//! - A [`case::Case`] is one line of a JSONL file: inputs and the answer that upstream gave for
//!   them. [`suite`] runs files of them; the binary `conformance` is a thin front of it.
//! - [`timing`] measures cases, and so do the binaries `conformance time` and `bench`.

pub mod allocation;
pub mod amount;
pub mod bench;
pub mod case;
pub mod difference;
pub mod fleet;
pub mod instructions;
pub mod oracle;
pub mod selector;
pub mod suite;
pub mod timing;
pub mod verify;
pub mod world;
