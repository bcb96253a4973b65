//! From a core module to a component, and what a component says of itself.

use wit_component::{ComponentEncoder, DecodedWasm};

/// What a component asks of the host and what it offers, by name
/// (`supercargo:policy/allocation@0.1.0`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it wants to be given. Empty for a policy.
    pub imports: Vec<String>,
    /// What it can be asked.
    pub exports: Vec<String>,
}

/// Wraps a core module that carries its component type in custom sections (as every `wit-bindgen`
/// guest does) into a component.
///
/// # Errors
/// The encoder's words, where the module does not fit its type or imports functions that its type
/// does not know.
///
/// ```
/// let error = supercargo_guest_build::componentize(b"\0asm").unwrap_err();
/// assert!(!error.is_empty());
/// ```
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, String> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))
}

/// Reads the names of imports and exports off a component.
///
/// # Errors
/// Says why the bytes are no component.
///
/// ```
/// let error = supercargo_guest_build::interfaces(b"not wasm").unwrap_err();
/// assert!(!error.is_empty());
/// ```
pub fn interfaces(component: &[u8]) -> Result<Interfaces, String> {
    match wit_component::decode(component).map_err(|error| format!("{error:#}"))? {
        DecodedWasm::WitPackage(..) => Err("a WIT package, not a component".to_owned()),
        DecodedWasm::Component(resolve, world) => {
            let Some(world) = resolve.worlds.get(world) else {
                return Ok(Interfaces::default());
            };
            let names = |keys: Vec<_>| {
                keys.into_iter()
                    .map(|key| resolve.name_world_key(key))
                    .collect::<Vec<_>>()
            };
            Ok(Interfaces {
                imports: names(world.imports.keys().collect()),
                exports: names(world.exports.keys().collect()),
            })
        }
    }
}
