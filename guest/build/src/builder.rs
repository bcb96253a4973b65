//! Driving cargo for one policy after the other.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::cargo::clean_cargo;
use crate::component::{componentize, interfaces};
use crate::error::BuildError;
use crate::toolchain::{Std, TARGET, Toolchain};
use crate::workspace::{Package, Workspace};

/// Small, and the same bytes every time. Given on the command line, so that no manifest has to
/// repeat it and no workspace can weaken it.
const PROFILE: &[&str] = &[
    "profile.policy.inherits=\"release\"",
    "profile.policy.opt-level=\"s\"",
    "profile.policy.lto=true",
    "profile.policy.codegen-units=1",
    "profile.policy.panic=\"abort\"",
    "profile.policy.strip=true",
    "profile.policy.debug=false",
    "profile.policy.overflow-checks=true",
];

/// Whether the compiler's own output is shown or kept for the error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is shown; an error holds what the compiler said. For tests.
    #[default]
    Kept,
    /// Cargo writes to this process's standard error. For the command line.
    Shown,
}

/// A finished policy.
#[derive(Debug, Clone)]
pub struct Built {
    /// The package's name.
    pub package: String,
    /// The component.
    pub wasm: Vec<u8>,
    /// Where it lies, too.
    pub path: PathBuf,
    /// What it exports, by full name (`supercargo:policy/about@0.1.0`).
    pub exports: Vec<String>,
}

/// Builds the policies of one workspace.
#[derive(Debug, Clone)]
pub struct Builder {
    manifest: PathBuf,
    workspace: Workspace,
    toolchain: Toolchain,
    target_dir: PathBuf,
    progress: Progress,
}

impl Builder {
    /// For the workspace that `manifest` (a `Cargo.toml` or its folder) belongs to.
    ///
    /// # Errors
    /// Where no toolchain makes WebAssembly here, or cargo cannot read the manifest.
    ///
    /// ```no_run
    /// let builder = supercargo_guest_build::Builder::new("examples/policies/first-fit")?;
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn new(manifest: impl Into<PathBuf>) -> Result<Self, BuildError> {
        let manifest = manifest.into();
        let workspace = Workspace::read(&manifest)?;
        let toolchain = Toolchain::find()?;
        let target_dir = workspace.target_directory.join("policies");
        Ok(Self {
            manifest,
            workspace,
            toolchain,
            target_dir,
            progress: Progress::default(),
        })
    }

    /// Builds into `folder` instead of `policies` in the workspace's target folder.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::Builder;
    /// let builder = Builder::new(".")?.target_dir("/tmp/policies");
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    #[must_use]
    pub fn target_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.target_dir = folder.into();
        self
    }

    /// Shows or keeps what the compiler says.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::{Builder, Progress};
    /// let builder = Builder::new(".")?.progress(Progress::Shown);
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// What it builds with.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::{Builder, Std};
    /// if Builder::new(".")?.toolchain().std == Std::FromSource {
    ///     eprintln!("the first build takes about a minute");
    /// }
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    #[must_use]
    pub fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }

    /// Builds the package whose manifest this builder was made with.
    ///
    /// # Errors
    /// As [`Builder::build`]; and where the manifest is that of a workspace of several packages.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::Builder;
    /// let built = Builder::new("examples/policies/first-fit")?.build_own()?;
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn build_own(&self) -> Result<Built, BuildError> {
        self.build_package(self.workspace.package_of(&self.manifest)?)
    }

    /// Builds one package of the workspace.
    ///
    /// # Errors
    /// Where the package is unknown, does not compile, is no policy, or imports anything.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::Builder;
    /// let built = Builder::new(".")?.build("nvlink-groups")?;
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn build(&self, package: &str) -> Result<Built, BuildError> {
        self.build_package(self.workspace.package(package)?)
    }

    /// Builds several, in order; they share the compiled dependencies.
    ///
    /// # Errors
    /// The first that occurs, as [`Builder::build`].
    ///
    /// ```no_run
    /// # use supercargo_guest_build::Builder;
    /// let built = Builder::new(".")?.build_all(&["first-fit", "mig-packing"])?;
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn build_all(&self, packages: &[&str]) -> Result<Vec<Built>, BuildError> {
        packages.iter().map(|package| self.build(package)).collect()
    }

    fn build_package(&self, package: &Package) -> Result<Built, BuildError> {
        let core = self.compile(package)?;
        let module = fs::read(&core).map_err(|source| BuildError::File {
            action: "read",
            path: core.clone(),
            source,
        })?;
        let wasm = componentize(&module).map_err(|reason| BuildError::NotAComponent {
            package: package.name.clone(),
            reason,
        })?;
        finish(&package.name, wasm, &self.target_dir)
    }

    /// Runs cargo; the path of the core module is in what it reports.
    fn compile(&self, package: &Package) -> Result<PathBuf, BuildError> {
        let mut command = self.command(package);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(match self.progress {
            Progress::Kept => Stdio::piped(),
            Progress::Shown => Stdio::inherit(),
        });
        let output = command
            .spawn()
            .and_then(|child| child.wait_with_output())
            .map_err(|source| BuildError::CannotRun {
                program: command.get_program().to_string_lossy().into_owned(),
                source,
            })?;
        if !output.status.success() {
            return Err(BuildError::Compile {
                package: package.name.clone(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok())
            .filter(|message| message.manifest_path == package.manifest_path)
            .flat_map(|message| message.filenames)
            .find(|file| {
                file.extension()
                    .is_some_and(|extension| extension == "wasm")
            })
            .ok_or_else(|| BuildError::NoModule {
                package: package.name.clone(),
            })
    }

    fn command(&self, package: &Package) -> Command {
        let mut command = clean_cargo();
        command
            .current_dir(&self.workspace.workspace_root)
            .args(["rustc", "--lib", "--crate-type=cdylib", "--profile=policy"])
            .args([
                "--message-format=json-render-diagnostics",
                "--target",
                TARGET,
            ])
            .arg("--target-dir")
            .arg(&self.target_dir)
            .arg("--manifest-path")
            .arg(&package.manifest_path)
            .args(["--package", &package.name]);
        for setting in PROFILE {
            command.args(["--config", setting]);
        }
        command
            .env("RUSTC", &self.toolchain.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        if self.toolchain.std == Std::FromSource {
            // The compiler's own source is of the compiler's own version, which is what makes
            // these two unstable switches hold together.
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC_BOOTSTRAP", "1");
        }
        if let Some(linker) = &self.toolchain.linker {
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        command
    }

    /// No path of this machine may reach the component, or its digest would tell machines apart.
    /// Cargo names the files of the workspace relative to its root already. The flags are the same
    /// for every workspace, so that workspaces which share a target folder share what is built.
    fn flags(&self) -> OsString {
        let mut flags = OsString::new();
        let remaps = [
            (cargo_home(), "/cargo"),
            (Some(self.toolchain.library_source.clone()), "/rust"),
        ];
        for (from, to) in remaps {
            let Some(from) = from else { continue };
            if !flags.is_empty() {
                flags.push("\u{1f}");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }
}

/// Refuses what imports anything, and writes the rest to `folder`.
pub(crate) fn finish(package: &str, wasm: Vec<u8>, folder: &Path) -> Result<Built, BuildError> {
    let package = package.to_owned();
    let no_component = |reason| BuildError::NotAComponent {
        package: package.clone(),
        reason,
    };
    let interfaces = interfaces(&wasm).map_err(no_component)?;
    if !interfaces.imports.is_empty() {
        return Err(BuildError::Imports {
            package,
            imports: interfaces.imports,
        });
    }
    if interfaces.exports.is_empty() {
        return Err(no_component("it exports nothing".to_owned()));
    }
    let path = folder.join(format!("{package}.wasm"));
    write_if_changed(&path, &wasm)?;
    Ok(Built {
        package,
        wasm,
        path,
        exports: interfaces.exports,
    })
}

/// A line of cargo's report; other lines lack one of these fields.
#[derive(Deserialize)]
struct Message {
    manifest_path: PathBuf,
    filenames: Vec<PathBuf>,
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// By rename, so that nobody reads half a component; and not at all where nothing changed, so that
/// what depends on the file's time is left alone.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if fs::read(path).is_ok_and(|existing| existing == bytes) {
        return Ok(());
    }
    let cannot = |source| BuildError::File {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let partial = path.with_extension(format!("wasm.{}", std::process::id()));
    fs::write(&partial, bytes).map_err(cannot)?;
    fs::rename(&partial, path).map_err(cannot)
}
