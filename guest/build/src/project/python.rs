//! Python: the interpreter goes into the component together with the source, already started, and
//! what it would ask of WASI is answered inside.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::foreign::{Foreign, Tool};
use crate::contract;
use crate::error::BuildError;

const TOOL: Tool = Tool {
    language: "Python",
    name: "componentize-py",
    candidates: &[".venv/bin/componentize-py", "componentize-py"],
    cure: "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1",
};

pub(super) fn tool(folder: &Path) -> Result<PathBuf, BuildError> {
    TOOL.find(folder)
}

pub(super) fn build(foreign: &Foreign<'_>) -> Result<Vec<u8>, BuildError> {
    let tool = tool(foreign.folder)?;
    let wit = foreign.out.join("wit");
    contract::write(&wit)?;
    let component = foreign.out.join("component.wasm");
    let module = foreign.manifest.source.with_extension("");
    let mut arguments: Vec<OsString> = vec!["-d".into(), wit.into()];
    arguments.extend(["-w".into(), foreign.manifest.world.clone().into()]);
    arguments.extend(["componentize".into(), "--stub-wasi".into()]);
    arguments.extend([module.into(), "-o".into(), component.clone().into()]);
    foreign.run(&tool, arguments)?;
    foreign.read(&component)
}
