//! How cargo is started: the one that runs us where there is one, in an environment cleared of
//! everything that would change what is built.

use std::env;
use std::ffi::OsString;
use std::process::Command;

/// What an outer cargo, clippy or a developer's shell may have set and what must not reach the
/// build of a policy: each of these changes the bytes, rebuilds the standard library, or fails.
const CLEARED: &[&str] = &[
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "RUSTC_BOOTSTRAP",
    "RUST_TARGET_PATH",
];

/// The command for cargo: `$CARGO` is set wherever cargo itself started the process.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    Command::new(program)
}

/// As [`cargo`], in the cleared environment.
pub(crate) fn clean_cargo() -> Command {
    let mut command = cargo();
    for name in CLEARED {
        command.env_remove(name);
    }
    // A coverage run or a profile override of the outer build is no business of a policy.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PROFILE_") || text == "CARGO_TARGET_DIR" {
            command.env_remove(&name);
        }
    }
    command
}
