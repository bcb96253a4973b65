//! The one unsafe call of this crate.
#![allow(
    unsafe_code,
    reason = "loading code that was compiled earlier is unsafe in wasmtime: it cannot tell its own code from any other"
)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Turns the code of a component, as [`Component::serialize`] gave it, back into the component.
///
/// Only [`super::CompiledCode::load`] may call this, for its checks are what makes it sound.
pub(super) fn component(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes be what `serialize` returned, unaltered. The caller
    // read them from a file that only root or this user could write, in a folder of which, with all
    // above it, the same holds; this program writes nothing there but what `serialize` returned, and
    // the checksum written with it rules out damage. Code of another version or configuration of
    // wasmtime is refused by `deserialize` itself.
    unsafe { Component::deserialize(engine, code) }
}
