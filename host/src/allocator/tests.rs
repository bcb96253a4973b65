//! What the allocator must get right where upstream once did not, and what guidance may not do.
//!
//! The bulk of the semantics is checked against upstream's recorded answers; here are the cases that
//! those leave out, written so that the wrong answer is plain to see.

mod bounds;
mod capacity;
mod counters;
mod explanations;
mod guidance;
mod scene;
mod sharing;
