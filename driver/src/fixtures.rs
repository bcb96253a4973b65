//! Fixtures: a node with devices and a claim, and what a policy must make of it, as YAML.
//!
//! The form is the SDK's own (`supercargo_guest::testkit::Fixture`), so one file is a test of the
//! policy's source (`cargo test`) and of the finished component in the whole host (`supercargo policy
//! test`). The SDK asks the function; here the component is loaded with the fixture's settings, asked
//! what the host would ask it, and its answer goes through the allocator or the check of grants.

mod bless;
mod claim;
mod compare;
mod hardware;
pub mod random;
mod read;
mod run;
mod scene;

pub use bless::{BlessError, bless};
pub use claim::on_node;
pub use hardware::publish_question;
pub use read::{Case, FixtureError, folder_of, read};
pub use run::{Candidate, Decided, Ran, decide, run};
pub use scene::{Scene, scene};
