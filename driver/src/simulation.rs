//! What would have been: the same arrivals and departures under first fit and under policies.
//!
//! A [`Course`] is a cluster and what happens to it in time. It comes from a cluster dump, whose pending
//! pods arrive one after the other, or from a scenario, which draws arrivals and run times from a seed.
//! Each contender goes through the same course with the host's own scheduling; what waits is tried again
//! in order whenever something leaves. What is counted at every moment is told in
//! [`measures`](crate::measures).

mod course;
pub mod page;
mod run;
mod scenario;

pub use course::{Course, CourseError, Kind};
pub use run::{Ran, Sample, allocator, run};
pub use scenario::{Scenario, WorkloadKind};
