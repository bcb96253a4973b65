//! What building in any language but Rust has in common: a folder for what is generated, programs
//! that are run there, a component that is held to the same rule.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Manifest;
use crate::builder::{Built, Progress, finish};
use crate::error::BuildError;

/// One build of one policy.
pub(super) struct Foreign<'a> {
    /// The policy's folder.
    pub(super) folder: &'a Path,
    /// Where what is generated goes: `build/generated` in the policy's folder.
    pub(super) out: PathBuf,
    /// What `policy.yaml` says.
    pub(super) manifest: &'a Manifest,
    progress: Progress,
}

impl<'a> Foreign<'a> {
    pub(super) fn new(
        folder: &'a Path,
        manifest: &'a Manifest,
        progress: Progress,
    ) -> Result<Self, BuildError> {
        // Tools are run in the policy's folder, so every path they are given is absolute.
        let out =
            std::path::absolute(folder.join("build").join("generated")).map_err(|source| {
                BuildError::File {
                    action: "find",
                    path: folder.to_owned(),
                    source,
                }
            })?;
        let foreign = Self {
            folder,
            out,
            manifest,
            progress,
        };
        create(&foreign.out)?;
        Ok(foreign)
    }

    /// Runs a program in the policy's folder.
    pub(super) fn run(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<(), BuildError> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder)
            .stdin(Stdio::null());
        if self.progress == Progress::Shown {
            command.stdout(Stdio::null()).stderr(Stdio::inherit());
        } else {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let output = command
            .spawn()
            .and_then(|child| child.wait_with_output())
            .map_err(|source| BuildError::CannotRun {
                program: program.display().to_string(),
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(BuildError::Compile {
            package: self.manifest.name.clone(),
            stderr: String::from_utf8_lossy(&said).into_owned(),
        })
    }

    /// A generated file.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, BuildError> {
        let path = self.out.join(name);
        if let Some(folder) = path.parent() {
            create(folder)?;
        }
        fs::write(&path, bytes).map_err(|source| BuildError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Something that a tool made.
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, BuildError> {
        fs::read(path).map_err(|source| BuildError::File {
            action: "read",
            path: path.to_owned(),
            source,
        })
    }

    /// Refuses what imports anything, and writes the rest.
    pub(super) fn finish(&self, wasm: Vec<u8>) -> Result<Built, BuildError> {
        finish(&self.manifest.name, wasm, &self.folder.join("build"))
    }
}

/// A program that a language needs, and how to come by it.
pub(super) struct Tool {
    pub(super) language: &'static str,
    pub(super) name: &'static str,
    /// Where it may be: with a `/` in the policy's folder, else on PATH.
    pub(super) candidates: &'static [&'static str],
    pub(super) cure: &'static str,
}

impl Tool {
    /// The first candidate that is there.
    pub(super) fn find(&self, folder: &Path) -> Result<PathBuf, BuildError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = self.candidates.iter().find_map(|candidate| {
            if candidate.contains('/') {
                std::path::absolute(folder.join(candidate))
                    .ok()
                    .filter(|file| file.is_file())
            } else {
                std::env::split_paths(&path)
                    .map(|folder| folder.join(candidate))
                    .find(|file| file.is_file())
            }
        });
        found.ok_or_else(|| BuildError::NoTool {
            language: self.language,
            tool: self.name,
            looked: self.candidates.to_vec(),
            cure: self.cure,
        })
    }
}

fn create(folder: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(folder).map_err(|source| BuildError::File {
        action: "create",
        path: folder.to_owned(),
        source,
    })
}
