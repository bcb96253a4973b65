//! Writes a device policy for Supercargo.
//!
//! A policy is a struct without fields, a trait for each question it answers, and one line that
//! exports it:
//!
//! ```
//! use supercargo_guest::prelude::*;
//!
//! /// Takes the first devices there are.
//! pub struct FirstFit;
//!
//! impl Policy for FirstFit {
//!     type Settings = NoSettings;
//! }
//!
//! impl Select for FirstFit {
//!     fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
//!         let proposal = Proposal::prefer();
//!         Ok(situation.slots().fold(proposal, |p, s| p.assign(s.first(), s.first().devices())).into())
//!     }
//! }
//!
//! supercargo_guest::export!(FirstFit: select);
//! ```
//!
//! The crate stays an ordinary library: it compiles, lints and runs natively, and the test kit
//! ([`testkit`]) puts questions to it from fixtures. Only when it is built for WebAssembly does
//! `export!` expand to a component's exports. Everything here reads the question where it lies and
//! copies nothing, since an instance lives for one call of a few microseconds.
//!
//! | to | use |
//! |---|---|
//! | read devices | [`Attribute`], [`Capacity`], [`Device`] |
//! | answer | [`Proposal`], [`Refusal`] |
//! | take settings | [`Policy::Settings`] |
//! | compare places | [`topology`] |
//! | test | [`testkit`] |
#![deny(missing_docs)]

pub mod configuration;
#[doc(hidden)]
pub mod export;
pub mod inventory;
pub mod place;
pub mod situation;
#[cfg(not(target_family = "wasm"))]
pub mod testkit;
pub mod topology;

mod attribute;
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    reason = "generated from the WIT"
)]
#[allow(
    clippy::all,
    clippy::indexing_slicing,
    reason = "generated from the WIT"
)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "driver-policy",
        pub_export_macro: true,
        default_bindings_module: "supercargo_guest::bindings",
        additional_derives: [PartialEq],
    });
}
#[cfg(target_family = "wasm")]
mod bump;
mod parameters;
mod policy;
mod proposal;
mod quantity;
mod settings;
mod table;

pub use attribute::{Attribute, Capacity, Key, Kind, Name, Version};
pub use bindings::exports::supercargo::policy::about::Context;
pub use parameters::{Parameters, Source};
pub use policy::{Assess, Place, Policy, Prepare, Publish, Select, Unprepare, Validate};
pub use proposal::{Proposal, Proposals, Refusal};
pub use quantity::{ParseQuantityError, Quantity};
pub use settings::{NoSettings, Settings};
pub use situation::{Device, Request, Situation};

pub use {schemars, semver, serde, serde_json};

/// What most policies need, for one `use`.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// const INDEX: Attribute<i64> = Attribute::int("gpu.nvidia.com", "index");
/// ```
pub mod prelude {
    pub use crate::{
        Assess, Attribute, Capacity, Context, Device, Key, Name, NoSettings, Parameters, Place,
        Policy, Prepare, Proposal, Proposals, Publish, Quantity, Refusal, Request, Select,
        Settings, Situation, Unprepare, Validate,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
