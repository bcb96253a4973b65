//! What a component is made of, read before anything is compiled.
//!
//! Compiling is the one step that costs real time, so all that can be refused from the bytes alone is
//! refused here: what is no component, what imports, what is made of too many parts.

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{Instance, Parser, Payload, Validator};

use super::load::LoadError;

/// Bytes of a WebAssembly page.
const PAGE: u64 = 64 * 1024;

/// Something that a component wants from its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// Whether it holds types and nothing else, which needs `export types;` in the guest's world.
    pub types_only: bool,
}

/// What a component is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// Core instances.
    pub core_instances: u32,
    /// Linear memories of all core modules.
    pub memories: u32,
    /// Bytes that the memories begin with.
    pub initial_memory_bytes: u64,
    /// Tables of all core modules.
    pub tables: u32,
    /// Elements that the tables begin with.
    pub initial_table_elements: u64,
}

/// A component that is valid, and what was found in it.
pub(super) struct Scan {
    pub(super) types: Types,
    pub(super) imports: Vec<Import>,
    /// Names of the exported instances.
    pub(super) exports: Vec<String>,
    pub(super) parts: Parts,
}

/// Reads and validates a component.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan, LoadError> {
    if Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotAComponent);
    }
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid {
        detail: error.to_string(),
    };
    let types = Validator::new().validate_all(bytes).map_err(invalid)?;

    let (mut imports, mut exports, mut parts) = (Vec::new(), Vec::new(), Parts::default());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(invalid)?.name.name;
                    imports.push(Import {
                        types_only: is_types_only(&types, name),
                        name: name.to_owned(),
                    });
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { .. } = instance.map_err(invalid)? {
                        parts.core_instances += 1;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.map_err(invalid)?;
                    parts.memories += 1;
                    parts.initial_memory_bytes = parts
                        .initial_memory_bytes
                        .saturating_add(memory.initial.saturating_mul(PAGE));
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table.map_err(invalid)?.ty;
                    parts.tables += 1;
                    parts.initial_table_elements =
                        parts.initial_table_elements.saturating_add(table.initial);
                }
            }
            _ => {}
        }
    }
    Ok(Scan {
        types,
        imports,
        exports,
        parts,
    })
}

/// Whether an import is an instance with nothing in it but types.
fn is_types_only(types: &Types, import: &str) -> bool {
    let types = types.as_ref();
    match types.component_item_for_import(import).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => types.get(id).is_some_and(|instance| {
            instance
                .exports
                .values()
                .all(|item| matches!(item.ty, ComponentEntityType::Type { .. }))
        }),
        _ => false,
    }
}
