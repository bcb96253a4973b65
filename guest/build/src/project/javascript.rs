//! JavaScript: the QuickJS engine goes into the component together with the source, and what the
//! engine would ask of WASI is answered inside.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::foreign::{Foreign, Tool};
use crate::contract;
use crate::error::BuildError;

const TOOL: Tool = Tool {
    language: "JavaScript",
    name: "componentize-qjs",
    candidates: &["node_modules/.bin/componentize-qjs", "componentize-qjs"],
    cure: "npm install --save-dev componentize-qjs@0.4.5",
};

pub(super) fn tool(folder: &Path) -> Result<PathBuf, BuildError> {
    TOOL.find(folder)
}

pub(super) fn build(foreign: &Foreign<'_>) -> Result<Vec<u8>, BuildError> {
    let tool = tool(foreign.folder)?;
    let wit = foreign.out.join("wit");
    contract::write(&wit)?;
    let component = foreign.out.join("component.wasm");
    let mut arguments: Vec<OsString> = vec!["--wit".into(), wit.into()];
    arguments.extend(["-n".into(), foreign.manifest.world.clone().into()]);
    arguments.extend(["--js".into(), foreign.manifest.source.clone().into()]);
    arguments.extend(["--stub-wasi".into(), "--sync".into()]);
    arguments.extend(["-o".into(), component.clone().into()]);
    foreign.run(&tool, arguments)?;
    foreign.read(&component)
}
