//! The file that shows a claim's devices to container runtimes (Container Device Interface).
//!
//! One file a claim, kind `k8s.<driver>/claim`, one device for each device that the claim got. Runtimes
//! remember what they read under a device's name, so the names hold the claim's UID and are never used
//! for anything else. The claim's own checkpoint travels in an annotation: where the checkpoint is
//! lost, the claim is taken up again from here ([`recovery`](super::recovery)).

mod compose;
mod files;
mod host;
mod spec;

pub use compose::variables;
pub(super) use compose::{Composed, MOST_ANNOTATION, compose, device_names};
pub(super) use files::SpecFiles;
pub(super) use host::HostFiles;
pub use host::NodeError;
pub(super) use spec::ContainerEdits;
