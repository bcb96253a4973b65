//! Policies from files: loaded, and ready to decide.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use supercargo_host::allocator::{Allocator, Budget};
use supercargo_host::configuration::{Configuration, ConfigurationError};
use supercargo_host::journal::Recorder;
use supercargo_host::objects::{Problem, plain};
use supercargo_host::placement::Placement;
use supercargo_host::policy::{Engine, EngineError, EngineOptions, Limits, LoadError, Registry};

use crate::input::{self, InputError, MAX_FILE_BYTES};
use crate::journal::{Journal, JournalError};

/// What one question to one node may cost: a bound against runaway searches, far above what any
/// problem that can be decided needs. Without a deadline, so that the answer does not depend on the
/// machine.
pub const BUDGET: Budget = Budget {
    steps: 10_000_000,
    deadline: None,
};

/// Why policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The configuration is not YAML.
    #[error("{}", .0.to_string().trim_start_matches("error: "))]
    Document(Box<Problem>),
    /// The configuration is wrong.
    #[error("{file}:{line}: {error}")]
    Configuration {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// What is wrong.
        error: ConfigurationError,
    },
    /// WebAssembly does not run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Decisions cannot be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A component was refused.
    #[error("{}: {error}", file.display())]
    Refused {
        /// The component.
        file: PathBuf,
        /// Why.
        error: LoadError,
    },
}

/// The machine that policies run on.
pub fn engine() -> Result<Engine, EngineError> {
    // One command asks one question at a time.
    Engine::new(EngineOptions {
        concurrency: 1,
        ..EngineOptions::default()
    })
}

/// The bytes of a component. What is too large for any policy is read up to where that shows.
pub fn component(file: &Path) -> Result<Vec<u8>, InputError> {
    input::read_bytes(file, Limits::MOST.component_bytes.max(MAX_FILE_BYTES))
}

/// No policies: the answers are upstream's.
pub fn first_fit(allocator: &Arc<Allocator>) -> Result<Placement, PolicyError> {
    Ok(Placement::new(
        Arc::clone(allocator),
        &Configuration::none(),
        Arc::new(Registry::new(engine()?)),
    ))
}

/// One policy for every request, under these limits, and what it is called: its file's name.
pub fn single(
    file: &Path,
    limits: Limits,
    allocator: &Arc<Allocator>,
    journal: Option<&Arc<Journal>>,
) -> Result<(String, Placement), PolicyError> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .to_ascii_lowercase()
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() {
        "policy".to_owned()
    } else {
        name.chars().take(63).collect()
    };
    let configuration = Configuration::single(&name, &file.to_string_lossy());
    let folder = Path::new("");
    let placement = load(&configuration, folder, |_| limits, allocator, journal)?;
    Ok((name, placement))
}

/// The policies of a configuration file.
pub fn configured(
    file: &Path,
    allocator: &Arc<Allocator>,
    journal: Option<&Arc<Journal>>,
) -> Result<Placement, PolicyError> {
    let configuration = configuration(file)?;
    let limits = limits_of(&configuration);
    load(&configuration, folder(file), limits, allocator, journal)
}

/// Where the relative paths of a configuration file begin.
pub fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// A configuration file, with every limit in it checked. Policies are not loaded.
pub fn configuration(file: &Path) -> Result<Configuration, PolicyError> {
    let bytes = input::read_bytes(file, MAX_FILE_BYTES)?;
    read_configuration(&file.display().to_string(), bytes)
}

/// A configuration from the bytes of its file, which errors call `name`.
pub fn read_configuration(name: &str, bytes: Vec<u8>) -> Result<Configuration, PolicyError> {
    let text = String::from_utf8(bytes).map_err(|error| InputError::NotText {
        path: name.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    let document = plain(name, &text).map_err(PolicyError::Document)?;
    let wrong = |error: ConfigurationError| PolicyError::Configuration {
        file: name.to_owned(),
        line: document.line_of(&error.path),
        error,
    };
    let configuration = Configuration::from_value(document.value.clone()).map_err(wrong)?;
    for position in 0..configuration.policies.len() {
        configuration.limits(position).map_err(wrong)?;
    }
    Ok(configuration)
}

/// The limits that a configuration gives each of its policies, by position.
pub fn limits_of(configuration: &Configuration) -> impl Fn(usize) -> Limits {
    // Checked when the configuration was read.
    move |position| configuration.limits(position).unwrap_or_default()
}

/// Loads the policies of a configuration, all or none, each under the limits of its position.
pub fn load(
    configuration: &Configuration,
    folder: &Path,
    limits: impl Fn(usize) -> Limits,
    allocator: &Arc<Allocator>,
    journal: Option<&Arc<Journal>>,
) -> Result<Placement, PolicyError> {
    let registry = Registry::new(engine()?);
    for (position, entry) in configuration.policies.iter().enumerate() {
        let file = folder.join(&entry.wasm);
        let bytes = component(&file)?;
        let settings = serde_json::Value::Object(entry.settings.clone()).to_string();
        if let Err(error) = registry.load(&entry.name, &bytes, &settings, limits(position)) {
            return Err(PolicyError::Refused { file, error });
        }
        if let Some(journal) = journal {
            journal.keep(&bytes)?;
        }
    }
    let placement = Placement::new(Arc::clone(allocator), configuration, Arc::new(registry));
    Ok(match journal {
        Some(journal) => placement.recorded_by(Arc::clone(journal) as Arc<dyn Recorder>),
        None => placement,
    })
}
