//! A policy's folder, whatever it is written in.
//!
//! A folder with a `Cargo.toml` is a Rust policy. Any other says what it is in `policy.yaml`:
//!
//! ```yaml
//! name: fullest-group
//! language: c                # c, javascript or python
//! world: selection-policy    # of wit/worlds.wit
//! source: policy.c
//! ```

mod clang;
mod foreign;
mod javascript;
mod python;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::builder::{Builder, Built, Progress};
use crate::error::BuildError;
use crate::toolchain::Std;
use foreign::Foreign;

/// What a policy is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, with cargo.
    #[serde(skip_deserializing)]
    Rust,
    /// C, with clang and no C library.
    C,
    /// JavaScript, with QuickJS inside the component.
    JavaScript,
    /// Python, with its interpreter inside the component.
    Python,
}

impl Language {
    /// As it is written for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// `policy.yaml`: what a policy is that no Cargo.toml describes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The component's name: lower-case letters, digits and `-`.
    name: String,
    /// What it is written in.
    language: Language,
    /// The world of `wit/worlds.wit` that it exports.
    world: String,
    /// The source file, beside the manifest.
    source: PathBuf,
}

/// A policy's folder.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    manifest: Option<Manifest>,
}

impl Project {
    /// Looks what is in a folder.
    ///
    /// # Errors
    /// Where there is neither a `Cargo.toml` nor a readable `policy.yaml`.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::{Language, Project};
    /// let project = Project::find("examples/languages/c")?;
    /// assert_eq!(project.language(), Language::C);
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn find(folder: impl Into<PathBuf>) -> Result<Self, BuildError> {
        let folder = folder.into();
        let is_cargo = folder.file_name().is_some_and(|name| name == "Cargo.toml")
            || folder.join("Cargo.toml").is_file();
        if is_cargo {
            return Ok(Self {
                folder,
                manifest: None,
            });
        }
        let path = folder.join("policy.yaml");
        if !path.is_file() {
            return Err(BuildError::NoProject { folder });
        }
        let manifest = Manifest::read(&path)?;
        Ok(Self {
            folder,
            manifest: Some(manifest),
        })
    }

    /// What it is written in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.manifest
            .as_ref()
            .map_or(Language::Rust, |manifest| manifest.language)
    }

    /// Looks for the toolchain without building; says what to expect of it where it takes long.
    ///
    /// # Errors
    /// Where it is missing, with the command that installs it.
    pub fn toolchain(&self) -> Result<Option<&'static str>, BuildError> {
        let Some(manifest) = &self.manifest else {
            let from_source = Builder::new(&self.folder)?.toolchain().std == Std::FromSource;
            return Ok(from_source.then_some(
                "building Rust's library from source; the first time takes about a minute",
            ));
        };
        match manifest.language {
            Language::C => clang::tool(&self.folder).map(|_| None),
            Language::JavaScript => javascript::tool(&self.folder).map(|_| None),
            Language::Python => python::tool(&self.folder).map(|_| {
                Some("Python's interpreter goes into the component; this takes some seconds")
            }),
            Language::Rust => Ok(None),
        }
    }

    /// Builds the component, and refuses what imports anything.
    ///
    /// # Errors
    /// Where the toolchain is missing (with the command that installs it), the source does not
    /// compile, or the component would be refused at load for what it imports.
    pub fn build(&self, progress: Progress) -> Result<Built, BuildError> {
        let Some(manifest) = &self.manifest else {
            return Builder::new(&self.folder)?.progress(progress).build_own();
        };
        let foreign = Foreign::new(&self.folder, manifest, progress)?;
        let wasm = match manifest.language {
            Language::C => clang::build(&foreign)?,
            Language::JavaScript => javascript::build(&foreign)?,
            Language::Python => python::build(&foreign)?,
            Language::Rust => {
                return Err(BuildError::NoProject {
                    folder: self.folder.clone(),
                });
            }
        };
        foreign.finish(wasm)
    }
}

impl Manifest {
    fn read(path: &Path) -> Result<Self, BuildError> {
        let wrong = |reason: String| BuildError::PolicyManifest {
            path: path.to_owned(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let manifest: Self =
            serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let simple = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        };
        if manifest.name.is_empty() || !manifest.name.chars().all(simple) {
            return Err(wrong(format!(
                "name: {:?} must be of lower-case letters, digits and `-`",
                manifest.name
            )));
        }
        if manifest.source.components().count() != 1 || manifest.source.file_name().is_none() {
            return Err(wrong(format!(
                "source: {} must be a file beside policy.yaml",
                manifest.source.display()
            )));
        }
        Ok(manifest)
    }
}
