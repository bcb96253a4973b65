//! Finding a compiler that can make WebAssembly on this machine.
//!
//! Either the compiler has the target's standard library ready (rustup's target), or it has the
//! library's source and builds it (Debian's `rustc-web` with `rust-web-src`, for machines that
//! reach Debian's packages but not rustup's servers). `rustc` on the PATH is asked first.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BuildError;

/// The target of every policy: bare WebAssembly, no system interface.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's `rustc-web` lies, which another `rustc` may hide on the PATH.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where the standard library for WebAssembly comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Std {
    /// It is installed.
    Installed,
    /// It is built from the compiler's own source, once per target folder (about 40 seconds).
    FromSource,
}

/// A compiler and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler: a name looked up on the PATH, or a path.
    pub rustc: PathBuf,
    /// Whether the standard library is there or must be built.
    pub std: Std,
    /// The linker, where the compiler does not bring its own.
    pub linker: Option<PathBuf>,
    /// Where the compiler keeps its own source, which must not leave a trace in a component.
    pub library_source: PathBuf,
}

impl Toolchain {
    /// Looks on this machine, in the order above.
    ///
    /// # Errors
    /// [`BuildError::NoToolchain`], with both cures, where nothing fits, and
    /// [`BuildError::NoLinker`] where only a linker is missing.
    ///
    /// ```no_run
    /// let toolchain = supercargo_guest_build::Toolchain::find()?;
    /// println!("building policies with {}", toolchain.rustc.display());
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn find() -> Result<Self, BuildError> {
        Self::among(&[PathBuf::from("rustc"), PathBuf::from(DEBIAN_RUSTC)])
    }

    fn among(candidates: &[PathBuf]) -> Result<Self, BuildError> {
        let mut looked = Vec::new();
        let compilers: Vec<_> = candidates
            .iter()
            .filter_map(|rustc| {
                let found = Compiler::ask(rustc);
                if found.is_none() {
                    looked.push(format!("{}: not there", rustc.display()));
                }
                found
            })
            .collect();
        if let Some(compiler) = compilers.iter().find(|compiler| compiler.has_target()) {
            let own = compiler.own_linker();
            let linker = if own.is_some() {
                None
            } else {
                Some(find_linker(&compilers)?)
            };
            return Ok(compiler.toolchain(Std::Installed, linker));
        }
        if let Some(compiler) = compilers.iter().find(|compiler| compiler.has_source()) {
            let linker = find_linker(&compilers)?;
            return Ok(compiler.toolchain(Std::FromSource, Some(linker)));
        }
        for compiler in &compilers {
            looked.push(format!(
                "{}: neither that target nor the source of std in {}",
                compiler.rustc.display(),
                compiler.sysroot.display()
            ));
        }
        Err(BuildError::NoToolchain { looked })
    }
}

/// What one `rustc` says of itself.
struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    host: String,
}

impl Compiler {
    fn ask(rustc: &Path) -> Option<Self> {
        let sysroot = PathBuf::from(print(rustc, &["--print", "sysroot"])?);
        let host = print(rustc, &["--print", "host-tuple"]).or_else(|| {
            let version = print(rustc, &["-vV"])?;
            version
                .lines()
                .find_map(|line| line.strip_prefix("host: "))
                .map(str::to_owned)
        })?;
        Some(Self {
            rustc: rustc.to_owned(),
            sysroot,
            host,
        })
    }

    /// The path is printed whether or not anything is installed there, so look for `core` itself.
    fn has_target(&self) -> bool {
        let folder = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        let Ok(entries) = folder.read_dir() else {
            return false;
        };
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    }

    fn library_source(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust")
    }

    fn has_source(&self) -> bool {
        self.library_source()
            .join("library/std/Cargo.toml")
            .is_file()
    }

    fn linker_folder(&self) -> PathBuf {
        self.sysroot
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin")
    }

    fn own_linker(&self) -> Option<PathBuf> {
        let linker = self
            .linker_folder()
            .join(format!("rust-lld{}", env::consts::EXE_SUFFIX));
        linker.is_file().then_some(linker)
    }

    fn toolchain(&self, std: Std, linker: Option<PathBuf>) -> Toolchain {
        Toolchain {
            rustc: self.rustc.clone(),
            std,
            linker,
            library_source: self.library_source(),
        }
    }
}

/// `rust-lld` of any compiler here, else LLVM's own under the plain or a versioned name.
fn find_linker(compilers: &[Compiler]) -> Result<PathBuf, BuildError> {
    if let Some(linker) = compilers.iter().find_map(Compiler::own_linker) {
        return Ok(linker);
    }
    let on_path = |name: &str| {
        env::split_paths(&env::var_os("PATH")?)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    let versioned = (14..40).rev().map(|version| format!("wasm-ld-{version}"));
    std::iter::once("wasm-ld".to_owned())
        .chain(versioned)
        .find_map(|name| on_path(&name))
        .ok_or_else(|| BuildError::NoLinker {
            looked: compilers
                .first()
                .map(Compiler::linker_folder)
                .unwrap_or_default(),
        })
}

fn print(rustc: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_compiler_is_told_both_cures() {
        let error = Toolchain::among(&[PathBuf::from("/nowhere/rustc")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/rustc: not there"), "{error}");
        assert!(
            error.contains("rustup target add wasm32-unknown-unknown"),
            "{error}"
        );
        assert!(
            error.contains("apt-get install rustc-web rust-web-src"),
            "{error}"
        );
    }
}
