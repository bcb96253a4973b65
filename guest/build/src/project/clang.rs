//! C, with clang and nothing else: no C library, no adapter. The bindings are generated here; a page
//! of C beside them hands out memory. The result is the smallest and fastest policy there is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wit_bindgen_core::Files;

use super::foreign::{Foreign, Tool};
use crate::component::componentize;
use crate::contract;
use crate::error::BuildError;

const SUPPORT: [(&str, &str); 3] = [
    ("support/stdlib.h", include_str!("../c/stdlib.h")),
    ("support/string.h", include_str!("../c/string.h")),
    ("support/memory.c", include_str!("../c/memory.c")),
];

/// Small, without anything that a C library would bring. `-mbulk-memory` makes `memcpy` one
/// instruction; without it the one in `memory.c` would call itself.
const FLAGS: [&str; 12] = [
    "--target=wasm32-unknown-unknown",
    "-Os",
    "-flto",
    "-mbulk-memory",
    "-ffreestanding",
    "-nostdlib",
    "-fuse-ld=lld",
    "-Wall",
    "-Wextra",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wno-unused-parameter",
];

const CLANG: Tool = Tool {
    language: "C",
    name: "clang with lld",
    candidates: &[
        "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang",
    ],
    cure: "apt-get install clang-19 lld-19",
};

/// What clang links with; it looks beside itself and on PATH.
const LLD: Tool = Tool {
    language: "C",
    name: "clang's linker, lld",
    candidates: &[
        "wasm-ld-22",
        "wasm-ld-21",
        "wasm-ld-20",
        "wasm-ld-19",
        "wasm-ld-18",
        "wasm-ld-17",
        "wasm-ld-16",
        "wasm-ld",
    ],
    cure: "apt-get install lld-19",
};

pub(super) fn tool(folder: &Path) -> Result<PathBuf, BuildError> {
    let clang = CLANG.find(folder)?;
    let itself = clang.canonicalize();
    let beside = itself.is_ok_and(|clang| clang.with_file_name("wasm-ld").is_file());
    if !beside {
        LLD.find(folder)?;
    }
    Ok(clang)
}

pub(super) fn build(foreign: &Foreign<'_>) -> Result<Vec<u8>, BuildError> {
    let clang = tool(foreign.folder)?;
    let (mut resolve, world) = contract::world(&foreign.manifest.world)?;
    let mut files = Files::default();
    wit_bindgen_c::Opts {
        rename_world: Some("policy".to_owned()),
        ..wit_bindgen_c::Opts::default()
    }
    .build()
    .generate(&mut resolve, world, &mut files)
    .map_err(|error| BuildError::Contract {
        reason: format!("{error:#}"),
    })?;
    let mut inputs = Vec::new();
    for (name, bytes) in files.iter() {
        let path = foreign.write(name, bytes)?;
        if name.ends_with(".c") || name.ends_with(".o") {
            inputs.push(path);
        }
    }
    for (name, text) in SUPPORT {
        let path = foreign.write(name, text.as_bytes())?;
        if name.ends_with(".c") {
            inputs.push(path);
        }
    }
    let core = foreign.out.join("core.wasm");
    let mut arguments: Vec<OsString> = FLAGS.iter().map(Into::into).collect();
    for folder in [foreign.out.join("support"), foreign.out.clone()] {
        let mut include = OsString::from("-I");
        include.push(folder);
        arguments.push(include);
    }
    arguments.extend(["-o".into(), core.clone().into_os_string()]);
    arguments.push(foreign.manifest.source.clone().into_os_string());
    arguments.extend(inputs.into_iter().map(PathBuf::into_os_string));
    foreign.run(&clang, arguments)?;
    componentize(&foreign.read(&core)?).map_err(|reason| BuildError::NotAComponent {
        package: foreign.manifest.name.clone(),
        reason,
    })
}
