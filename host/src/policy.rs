//! Vendor policies: WebAssembly components that say which devices a claim gets and how they are set up.
//!
//! A component runs with no imports at all. There is no function it could call to reach outside, so
//! nothing is left to contain but processor time and memory: each call gets a fresh instance, a
//! deadline, and limits of memory, stack and answer. What comes back is data, and is checked against
//! the question before anyone sees it. Whatever a policy does, it costs at most its deadline and leads
//! to a [`CallError`] that says what it did.
//!
//! | | |
//! |---|---|
//! | [`Engine`] | the machine, one a process |
//! | [`Policy::load`], [`check`] | from bytes to a policy, or everything that is wrong with them |
//! | [`Policy::select`] and its like | the hooks |
//! | [`Registry`] | policies by name, the last good version serving |
//! | [`Situation`], [`Proposal`] | what `select` is asked and what it answers |

pub mod about;
pub mod answer;
mod cache;
mod compiled;
pub mod configuration;
mod contract;
mod counts;
mod digest;
pub mod domain;
mod engine;
mod failure;
mod guard;
pub mod input;
pub mod inventory;
mod limits;
mod load;
mod loaded;
pub(crate) mod lower;
mod permits;
mod registry;
mod run;
mod scan;
mod settings;
mod ticker;
pub mod types;
mod verify;

pub use about::{Description, DescriptionError, Hook, Interests};
pub use answer::{Assignment, Choice, Proposal};
pub use compiled::CompiledCodeError;
pub use contract::{Line, Mismatch, PACKAGE_VERSION};
pub use counts::{Counts, CountsSnapshot};
pub use digest::{Digest, NoDigest};
pub use engine::{DETERMINISM, Engine, EngineError, EngineOptions};
pub use failure::CallError;
pub use input::{Situation, Texts};
pub use limits::Limits;
pub use load::{Inspection, LoadError, Part, check};
pub use loaded::Policy;
pub use registry::{Refused, Registry, Status};
pub use scan::{Import, Parts};
pub use settings::SettingsFault;
pub use types::{Quantity, Refusal, Value};
