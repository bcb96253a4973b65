//! From a policy's crate to a `.wasm` that the host accepts.
//!
//! A policy is an ordinary Rust library, a member of an ordinary workspace, unit-tested natively.
//! Only here does it become a component: cargo is driven for `wasm32-unknown-unknown`, and the core
//! module it makes is wrapped by the component encoder. No WASI and no adapter is involved, so
//! there is nothing that could be imported; what imports something all the same is refused here,
//! as the host would refuse it at load.
//!
//! The command line and the tests call the same function, so that `cargo test` needs nothing to be
//! built before it. Three things make that safe inside a test that cargo itself runs:
//! - a target folder of its own (`target/policies`), so the inner cargo never waits for the lock
//!   of the outer one;
//! - an environment without the outer cargo's and clippy's wrappers and flags;
//! - flags that never change, so the standard library, where it has to be built, is built once.
//!
//! The same source gives the same bytes, whoever builds it and wherever: paths are remapped, and
//! one codegen unit with full LTO leaves nothing to the order of threads.
//!
//! ```no_run
//! use supercargo_guest_build::Builder;
//!
//! let builder = Builder::new("Cargo.toml")?;
//! let built = builder.build("first-fit")?;
//! assert!(built.exports.iter().any(|export| export.ends_with("/about@0.1.0")));
//! println!("{} ({} bytes)", built.path.display(), built.wasm.len());
//! # Ok::<(), supercargo_guest_build::BuildError>(())
//! ```
#![deny(missing_docs)]

mod builder;
mod cargo;
mod component;
mod contract;
mod error;
mod project;
mod template;
mod toolchain;
mod workspace;

pub use builder::{Builder, Built, Progress};
pub use component::{Interfaces, componentize, interfaces};
pub use contract::WIT;
pub use error::BuildError;
pub use project::{Language, Project};
pub use template::{Hook, Template};
pub use toolchain::{Std, Toolchain};
