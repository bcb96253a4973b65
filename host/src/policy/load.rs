//! Loading a policy, or saying all that keeps it from being loaded.
//!
//! In order of cost: size, form, imports, types, parts, then compiling, then one call of `describe`
//! under the policy's own limits, then its settings. Whatever can still be looked at after a fault is
//! looked at, so that `check` names everything at once.

use std::sync::Arc;

use wasmparser::component_types::ComponentEntityType;
use wasmtime::component::{Component, ComponentExportIndex};

use super::about::{Description, DescriptionError, Hook, RawDescription};
use super::cache::Identity;
use super::contract::{self, Exported, Mismatch, PACKAGE_VERSION};
use super::counts::Counts;
use super::digest::Digest;
use super::engine::Engine;
use super::failure::CallError;
use super::limits::Limits;
use super::loaded::{Functions, Loaded, Policy};
use super::run::run;
use super::scan::{Import, Parts, Scan, scan};
use super::settings::{self, SettingsError, SettingsFault};

/// How much longer `describe` may take than other calls: it runs once, off the request path.
const DESCRIBE_PATIENCE: u32 = 10;

/// A part that a component may have only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Core instances.
    CoreInstances,
    /// Linear memories.
    Memories,
    /// Bytes of memory to begin with.
    MemoryBytes,
    /// Tables.
    Tables,
    /// Table elements to begin with.
    TableElements,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::CoreInstances => "core instances",
            Self::Memories => "memories",
            Self::MemoryBytes => "bytes of initial memory",
            Self::Tables => "tables",
            Self::TableElements => "initial table elements",
        }
    }
}

/// Why a policy was not loaded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// The file is too large to be looked at.
    #[error(
        "the component has {bytes} bytes; {limit} are allowed: raise the policy's limit or build it smaller"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A core module.
    #[error(
        "this is a core WebAssembly module and not a component; wrap it with `supercargo policy build` or `wasm-tools component new`"
    )]
    CoreModule,
    /// Something else altogether.
    #[error("this is no WebAssembly component")]
    NotAComponent,
    /// A component that is not valid.
    #[error("the component is not valid: {detail}")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// It wants something from the host, and gets nothing.
    #[error("the component imports {}, and a policy may import nothing{}", names(.0), cure(.0))]
    Imports(Vec<Import>),
    /// It is no policy.
    #[error(
        "the component does not export {} with `describe`; is it a policy?",
        contract::export_name("about")
    )]
    MissingDescribe,
    /// It was built for a version of the WIT that this host does not serve.
    #[error(
        "the component exports {export}; this host serves supercargo:policy@{PACKAGE_VERSION}: build it against that"
    )]
    UnknownVersion {
        /// The export.
        export: String,
    },
    /// A function or type is not as in the WIT.
    #[error(
        "the component differs from supercargo:policy@{PACKAGE_VERSION} at {0}; build it against the WIT of that version"
    )]
    Mismatch(Box<Mismatch>),
    /// It is made of more than its limits allow.
    #[error("the component has {count} {}; {limit} are allowed: raise the policy's limit", .part.name())]
    TooMany {
        /// Of what.
        part: Part,
        /// How much.
        count: u64,
        /// How much there may be.
        limit: u64,
    },
    /// It cannot be compiled.
    #[error("the component cannot be compiled: {detail}")]
    Compile {
        /// What the compiler said.
        detail: String,
    },
    /// `describe` failed.
    #[error("`describe` failed: {0}")]
    Describe(#[source] CallError),
    /// `describe` answered nonsense.
    #[error("`describe` answered what cannot be: {0}")]
    Description(DescriptionError),
    /// It describes a hook that it does not export.
    #[error("`describe` lists `{}`, but the component does not export {}", .0.name(), contract::export_name(.0.interface()))]
    MissingHook(Hook),
    /// Its schema is of no use.
    #[error("the policy's settings schema cannot be used: {detail}")]
    Schema {
        /// What is wrong.
        detail: String,
    },
    /// The settings are wrong.
    #[error("the settings do not fit the policy's schema: {}", faults(.0))]
    Settings(Vec<SettingsFault>),
}

fn names(imports: &[Import]) -> String {
    imports
        .iter()
        .map(|import| format!("`{}`", import.name))
        .collect::<Vec<_>>()
        .join(", ")
}

fn cure(imports: &[Import]) -> &'static str {
    if imports.iter().all(|import| import.types_only) {
        ": these are types only, so add `export types;` to the world it is built for"
    } else if imports
        .iter()
        .any(|import| import.name.starts_with("wasi:"))
    {
        ": build it for a target without WASI, such as wasm32-unknown-unknown"
    } else {
        ""
    }
}

fn faults(faults: &[SettingsFault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What a component is, as far as it could be found out.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it imports; of a policy, nothing.
    pub imports: Vec<Import>,
    /// What it is made of.
    pub parts: Parts,
    /// The hooks whose interfaces it exports, whether or not it implements them.
    pub exported: Vec<Hook>,
    /// Bytes of memory after `describe`.
    pub memory_bytes: Option<u64>,
    /// What it says about itself, when it is fit to be asked.
    pub description: Option<Description>,
    /// Everything that keeps it from being loaded.
    pub problems: Vec<LoadError>,
}

impl Policy {
    /// Loads a policy with settings (a JSON object) under limits, or says the first thing that is
    /// wrong. Compiles unless the engine has the code already: not for the request path.
    pub fn load(
        engine: &Engine,
        bytes: &[u8],
        settings: &str,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let (inspection, policy) = examine(engine, bytes, Some(settings), limits);
        match (inspection.problems.into_iter().next(), policy) {
            (None, Some(policy)) => Ok(policy),
            (Some(problem), _) => Err(problem),
            // Nothing is wrong and yet there is no policy: cannot be, but is no reason to die.
            (None, None) => Err(LoadError::NotAComponent),
        }
    }
}

/// Finds out all about a component, and everything that loading would refuse. Settings are checked
/// when there are any to check.
#[must_use]
pub fn check(engine: &Engine, bytes: &[u8], settings: Option<&str>, limits: Limits) -> Inspection {
    examine(engine, bytes, settings, limits).0
}

fn examine(
    engine: &Engine,
    bytes: &[u8],
    settings: Option<&str>,
    limits: Limits,
) -> (Inspection, Option<Policy>) {
    let limits = limits.capped();
    let mut inspection = Inspection {
        digest: Digest::of(bytes),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        imports: Vec::new(),
        parts: Parts::default(),
        exported: Vec::new(),
        memory_bytes: None,
        description: None,
        problems: Vec::new(),
    };
    if inspection.bytes > limits.component_bytes {
        let (bytes, limit) = (inspection.bytes, limits.component_bytes);
        inspection
            .problems
            .push(LoadError::TooLarge { bytes, limit });
        return (inspection, None);
    }
    let scan = match scan(bytes) {
        Ok(scan) => scan,
        Err(error) => {
            inspection.problems.push(error);
            return (inspection, None);
        }
    };
    inspection.imports.clone_from(&scan.imports);
    inspection.parts = scan.parts.clone();
    if !scan.imports.is_empty() {
        inspection
            .problems
            .push(LoadError::Imports(scan.imports.clone()));
    }
    let exports = exports(&scan, &mut inspection.problems);
    inspection.exported = exports.hooks.clone();
    check_parts(&scan.parts, &limits, &mut inspection.problems);
    if !inspection.problems.is_empty() {
        return (inspection, None);
    }
    let policy = start(engine, bytes, &exports, settings, limits, &mut inspection);
    (inspection, policy)
}

/// The interfaces of this package that a component exports: by interface, the name of the export.
#[derive(Debug, Default)]
struct Exports {
    interfaces: Vec<(String, String)>,
    hooks: Vec<Hook>,
}

fn exports(scan: &Scan, problems: &mut Vec<LoadError>) -> Exports {
    let types = scan.types.as_ref();
    let mut found = Exports::default();
    let mut describes = false;
    for name in &scan.exports {
        let Some(exported) = Exported::read(name) else {
            continue;
        };
        if !exported.is_served() {
            problems.push(LoadError::UnknownVersion {
                export: name.clone(),
            });
            describes = true;
            continue;
        }
        let instance = match types.component_item_for_export(name).map(|item| &item.ty) {
            Some(ComponentEntityType::Instance(id)) => types.get(*id),
            _ => None,
        };
        let Some(instance) = instance else { continue };
        if exported.interface == "about" {
            if !instance.exports.contains_key("describe") {
                continue;
            }
            describes = true;
        }
        let mismatches = contract::compare(exported.interface, types, instance);
        problems.extend(
            mismatches
                .into_iter()
                .map(|mismatch| LoadError::Mismatch(Box::new(mismatch))),
        );
        found.hooks.extend(
            Hook::ALL
                .into_iter()
                .filter(|hook| hook.interface() == exported.interface),
        );
        found
            .interfaces
            .push((exported.interface.to_owned(), name.clone()));
    }
    found.hooks.sort_unstable();
    if !describes {
        problems.push(LoadError::MissingDescribe);
    }
    found
}

fn check_parts(parts: &Parts, limits: &Limits, problems: &mut Vec<LoadError>) {
    for (part, count, limit) in [
        (
            Part::CoreInstances,
            parts.core_instances.into(),
            limits.core_instances.into(),
        ),
        (
            Part::Memories,
            parts.memories.into(),
            limits.memories.into(),
        ),
        (
            Part::MemoryBytes,
            parts.initial_memory_bytes,
            limits.memory_bytes,
        ),
        (Part::Tables, parts.tables.into(), limits.tables.into()),
        (
            Part::TableElements,
            parts.initial_table_elements,
            limits.table_elements,
        ),
    ] {
        if count > limit {
            problems.push(LoadError::TooMany { part, count, limit });
        }
    }
}

/// Compiles, asks `describe`, checks the settings.
fn start(
    engine: &Engine,
    bytes: &[u8],
    exports: &Exports,
    settings: Option<&str>,
    limits: Limits,
    inspection: &mut Inspection,
) -> Option<Policy> {
    let shared = engine.shared();
    let problems = &mut inspection.problems;
    let compile = |error: wasmtime::Error| LoadError::Compile {
        detail: format!("{error:#}"),
    };
    let prepared = component(engine, &inspection.digest, bytes)
        .and_then(|component| Ok((shared.linker.instantiate_pre(&component)?, component)))
        .map_err(compile);
    let (pre, component) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            problems.push(error);
            return None;
        }
    };
    let Some(describe) = function(&component, exports, "about", "describe") else {
        problems.push(LoadError::MissingDescribe);
        return None;
    };
    let patient = Limits {
        deadline: limits.deadline.saturating_mul(DESCRIBE_PATIENCE),
        ..limits
    };
    let outcome = run::<(), (RawDescription,)>(shared, &pre, &describe, (), &patient, None);
    inspection.memory_bytes = Some(outcome.memory);
    let description = match outcome.answer {
        Ok((raw,)) => match raw.check() {
            Ok(description) => description,
            Err(errors) => {
                problems.extend(errors.into_iter().map(LoadError::Description));
                return None;
            }
        },
        Err(error) => {
            problems.push(LoadError::Describe(error));
            return None;
        }
    };
    inspection.description = Some(description.clone());
    let mut functions = Functions::default();
    for &hook in &description.hooks {
        match function(&component, exports, hook.interface(), hook.name()) {
            Some(index) => functions.0.push((hook, index)),
            None => problems.push(LoadError::MissingHook(hook)),
        }
    }
    let schema = description.settings_schema.as_deref();
    match settings::check(schema, settings.unwrap_or("{}")) {
        Ok(()) => {}
        Err(SettingsError::Schema(detail)) => problems.push(LoadError::Schema { detail }),
        // Without settings to check, those that a schema requires are not missing.
        Err(SettingsError::Faults(_)) if settings.is_none() => {}
        Err(SettingsError::Faults(faults)) => problems.push(LoadError::Settings(faults)),
    }
    if !problems.is_empty() {
        return None;
    }
    let identity = Arc::new(Identity {
        digest: inspection.digest,
        settings: settings.unwrap_or("{}").into(),
        limits,
    });
    let loaded = Loaded {
        engine: engine.clone(),
        pre,
        functions,
        description,
        identity,
    };
    Some(Policy {
        loaded: Arc::new(loaded),
        counts: Arc::new(Counts::default()),
    })
}

/// A component's code, from the folder of compiled code or from the compiler.
fn component(engine: &Engine, digest: &Digest, bytes: &[u8]) -> wasmtime::Result<Component> {
    let shared = engine.shared();
    let compiled = shared.compiled.as_ref();
    if let Some(component) = compiled.and_then(|compiled| compiled.load(digest, &shared.wasm)) {
        return Ok(component);
    }
    let component = Component::from_binary(&shared.wasm, bytes)?;
    if let Some(compiled) = compiled {
        // A full disk makes the next start slower and this one no worse.
        let _ = compiled.store(digest, &component);
    }
    Ok(component)
}

fn function(
    component: &Component,
    exports: &Exports,
    interface: &str,
    function: &str,
) -> Option<ComponentExportIndex> {
    let (_, name) = exports
        .interfaces
        .iter()
        .find(|(exported, _)| exported == interface)?;
    let instance = component.get_export_index(None, name)?;
    component.get_export_index(Some(&instance), function)
}
