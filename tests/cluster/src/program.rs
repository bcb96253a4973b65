//! Where the `supercargo` program is.
//!
//! A test binary of one crate cannot ask Cargo for the program of another. So it is built here, unless
//! whoever runs the tests has built it already and says where: `make test` does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ClusterError;

/// The `supercargo` program: what `$SUPERCARGO` names, or else built by Cargo into the folder that this
/// program was built into.
pub fn supercargo() -> Result<PathBuf, ClusterError> {
    if let Some(named) = std::env::var_os("SUPERCARGO") {
        return Ok(PathBuf::from(named));
    }
    let path = std::env::current_exe().map_err(|source| ClusterError::Io {
        what: "find the folder of this program".to_owned(),
        source,
    })?;
    // target/<profile>/deps/<test> or target/<profile>/<program>
    let profile = path
        .ancestors()
        .skip(1)
        .find(|folder| folder.file_name().is_some_and(|name| name != "deps"))
        .unwrap_or(Path::new("."));
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command.args(["build", "--quiet", "--locked", "--package", "supercargo"]);
    command.arg("--manifest-path").arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../driver/Cargo.toml"
    ));
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    if let Some(target) = profile.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command.status().map_err(|source| ClusterError::Io {
        what: "run cargo".to_owned(),
        source,
    })?;
    match status.success() {
        true => Ok(profile.join("supercargo")),
        false => Err(ClusterError::Command {
            command: "cargo build --package supercargo".to_owned(),
            status,
            output: "see above".to_owned(),
        }),
    }
}
