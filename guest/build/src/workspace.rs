//! What cargo knows of the workspace a manifest belongs to.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cargo::cargo;
use crate::error::BuildError;

/// The part of `cargo metadata` that is needed here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
    pub(crate) workspace_root: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
}

impl Workspace {
    /// Asks cargo; `manifest` is a `Cargo.toml` or the folder of one.
    pub(crate) fn read(manifest: &Path) -> Result<Self, BuildError> {
        let manifest = manifest_file(manifest);
        let mut command = cargo();
        command
            .args([
                "metadata",
                "--no-deps",
                "--format-version=1",
                "--manifest-path",
            ])
            .arg(&manifest);
        let output = command.output().map_err(|source| BuildError::CannotRun {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
        let refused = |stderr: String| BuildError::Manifest {
            manifest: manifest.clone(),
            stderr,
        };
        if !output.status.success() {
            return Err(refused(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| refused(error.to_string()))
    }

    /// The package called `name`.
    pub(crate) fn package(&self, name: &str) -> Result<&Package, BuildError> {
        self.packages
            .iter()
            .find(|package| package.name == name)
            .ok_or_else(|| BuildError::NoSuchPackage {
                package: name.to_owned(),
                manifest: self.workspace_root.join("Cargo.toml"),
                known: self.names(),
            })
    }

    /// The package whose manifest `manifest` is, or the only one there is.
    pub(crate) fn package_of(&self, manifest: &Path) -> Result<&Package, BuildError> {
        let manifest = manifest_file(manifest);
        let canonical = manifest.canonicalize().unwrap_or_else(|_| manifest.clone());
        let own = self
            .packages
            .iter()
            .find(|package| package.manifest_path == canonical);
        match (own, self.packages.as_slice()) {
            (Some(package), _) | (None, [package]) => Ok(package),
            _ => Err(BuildError::WhichPackage {
                manifest,
                known: self.names(),
            }),
        }
    }

    fn names(&self) -> Vec<String> {
        self.packages
            .iter()
            .map(|package| package.name.clone())
            .collect()
    }
}

fn manifest_file(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join("Cargo.toml")
    } else {
        path.to_owned()
    }
}
