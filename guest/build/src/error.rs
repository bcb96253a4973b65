//! Everything that can stand between a policy's source and its component.

use std::path::PathBuf;

/// Why a policy could not be built. Every message ends in what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No compiler here can make WebAssembly.
    #[error(
        "no Rust toolchain here can build for wasm32-unknown-unknown ({}).\n\
         Install the target:          rustup target add wasm32-unknown-unknown\n\
         or, on Debian without rustup's servers:  apt-get install rustc-web rust-web-src",
        looked.join("; ")
    )]
    NoToolchain {
        /// What was looked at, and what was missing there.
        looked: Vec<String>,
    },
    /// A compiler is there, but nothing that links WebAssembly.
    #[error(
        "no linker for WebAssembly: looked for rust-lld in {}, and for wasm-ld on PATH.\n\
         Install rustup's toolchain (it brings rust-lld), or: apt-get install lld-19",
        looked.display()
    )]
    NoLinker {
        /// The folder where rust-lld would lie.
        looked: PathBuf,
    },
    /// A program could not be started.
    #[error("cannot run `{program}`: {source}. Is it installed and on PATH?")]
    CannotRun {
        /// The program.
        program: String,
        /// Why the system refused.
        #[source]
        source: std::io::Error,
    },
    /// Cargo does not understand the manifest.
    #[error("cargo cannot read {}:\n{stderr}", manifest.display())]
    Manifest {
        /// The manifest asked for.
        manifest: PathBuf,
        /// What cargo said.
        stderr: String,
    },
    /// The workspace has no such package.
    #[error("no package `{package}` in {}; there are: {}", manifest.display(), known.join(", "))]
    NoSuchPackage {
        /// The name asked for.
        package: String,
        /// The manifest that was read.
        manifest: PathBuf,
        /// The packages there are.
        known: Vec<String>,
    },
    /// A manifest of a workspace without a package of its own was given where one policy is meant.
    #[error(
        "{} names no single package; say which one to build: {}",
        manifest.display(),
        known.join(", ")
    )]
    WhichPackage {
        /// The manifest that was read.
        manifest: PathBuf,
        /// The packages there are.
        known: Vec<String>,
    },
    /// The compiler refused the policy.
    #[error("`{package}` does not build for WebAssembly:\n{stderr}")]
    Compile {
        /// The policy.
        package: String,
        /// What the compiler said; empty where it went to the terminal.
        stderr: String,
    },
    /// Cargo was content, but made no module.
    #[error(
        "cargo built `{package}` but made no .wasm; a policy is a library crate (src/lib.rs) \
         without `crate-type` in its manifest"
    )]
    NoModule {
        /// The policy.
        package: String,
    },
    /// The module does not describe a component.
    #[error(
        "`{package}` does not become a component: {reason}.\n\
         A policy exports itself with one line: supercargo_guest::export!(MyPolicy: select);"
    )]
    NotAComponent {
        /// The policy.
        package: String,
        /// What the encoder found.
        reason: String,
    },
    /// The component asks the host for something.
    #[error(
        "`{package}` imports {}; a policy may import nothing. \
         Remove the crate that reaches for the outside (clock, random numbers, files)",
        imports.join(", ")
    )]
    Imports {
        /// The policy.
        package: String,
        /// Each import by its name.
        imports: Vec<String>,
    },
    /// Not a name for a policy.
    #[error("{name:?} is no name for a policy: {reason}. Such as: gpu-pairs")]
    Name {
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A new policy would be mixed with what is there.
    #[error("{} is not empty; choose another name, or move what is there away", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder holds no policy.
    #[error(
        "{} holds no policy: neither Cargo.toml nor policy.yaml. \
         `supercargo policy new NAME` begins one",
        folder.display()
    )]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// A `policy.yaml` cannot be used.
    #[error("{}: {reason}", path.display())]
    PolicyManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// The contract has no such world.
    #[error("world: there is no world `{world}`; there are: {}", known.join(", "))]
    NoSuchWorld {
        /// The world asked for.
        world: String,
        /// The worlds there are.
        known: Vec<String>,
    },
    /// The contract itself does not parse.
    #[error("the contract in this program is damaged: {reason}; install it anew")]
    Contract {
        /// What the parser says.
        reason: String,
    },
    /// A language's toolchain is missing.
    #[error("{language} policies need {tool}, which is not here (looked in {}).\nInstall it:  {cure}", looked.join(", "))]
    NoTool {
        /// The language.
        language: &'static str,
        /// The program.
        tool: &'static str,
        /// Where it was looked for.
        looked: Vec<&'static str>,
        /// The command that installs it.
        cure: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
