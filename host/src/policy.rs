//! Vendor policies: WebAssembly components that say which devices a claim gets.
pub mod about;
pub mod answer;
pub mod configuration;
pub mod domain;
pub mod input;
pub mod inventory;
pub mod types;

pub use answer::{Assignment, Choice, Proposal};
pub use input::{Situation, Texts};
