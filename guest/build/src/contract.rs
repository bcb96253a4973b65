//! The contract itself, `wit/`, inside the program: a project in any language is built against the
//! version that this host serves, and nothing has to be fetched.

use std::fs;
use std::path::Path;

use wit_parser::{PackageId, Resolve, SourceMap, WorldId};

use crate::error::BuildError;

/// Each file of `wit/`, by name.
pub const WIT: [(&str, &str); 6] = [
    ("about.wit", include_str!("../../../wit/about.wit")),
    (
        "allocation.wit",
        include_str!("../../../wit/allocation.wit"),
    ),
    (
        "configuration.wit",
        include_str!("../../../wit/configuration.wit"),
    ),
    ("inventory.wit", include_str!("../../../wit/inventory.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// The contract and one of its worlds.
pub(crate) fn world(name: &str) -> Result<(Resolve, WorldId), BuildError> {
    let (resolve, package) = contract().map_err(|reason| BuildError::Contract { reason })?;
    let world = resolve.select_world(&[package], Some(name));
    match world {
        Ok(world) => Ok((resolve, world)),
        Err(_) => Err(BuildError::NoSuchWorld {
            world: name.to_owned(),
            known: resolve
                .worlds
                .iter()
                .map(|(_, world)| world.name.clone())
                .collect(),
        }),
    }
}

fn contract() -> Result<(Resolve, PackageId), String> {
    let mut files = SourceMap::new();
    for (name, text) in WIT {
        files.push_str(name, text);
    }
    let group = files
        .parse()
        .map_err(|(files, error)| error.render(&files))?;
    let mut resolve = Resolve::default();
    let package = resolve
        .push_group(group)
        .map_err(|error| format!("{error:#}"))?;
    Ok((resolve, package))
}

/// Writes the contract into a folder, for toolchains that read it from files.
pub(crate) fn write(folder: &Path) -> Result<(), BuildError> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::File {
            action: "write",
            path,
            source,
        }
    };
    fs::create_dir_all(folder).map_err(cannot(folder))?;
    for (name, text) in WIT {
        let file = folder.join(name);
        fs::write(&file, text).map_err(cannot(&file))?;
    }
    Ok(())
}
