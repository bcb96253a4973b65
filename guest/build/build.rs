//! Puts into the program what a new policy is made of: the templates, and the SDK as it stands beside
//! this crate, with the versions of its dependencies that it is tested with. So a project can be made
//! where there is nothing but the program.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?);
    let root = here.join("../..").canonicalize()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut sdk = files(&root.join("guest/src"), "supercargo-guest/src")?;
    for (name, path) in [
        ("supercargo-guest/Cargo.toml", "guest/Cargo.toml"),
        ("supercargo-guest/build.rs", "guest/build.rs"),
        ("supercargo-guest/README.md", "guest/README.md"),
        ("LICENSE", "LICENSE"),
    ] {
        sdk.push((name.to_owned(), root.join(path)));
    }
    sdk.extend(files(&root.join("wit"), "wit")?);
    let workspace = read(&root.join("Cargo.toml"))?;
    let lock = read(&root.join("Cargo.lock"))?;
    write(&out.join("Cargo.toml"), &manifest(&workspace)?)?;
    write(&out.join("Cargo.lock"), &locked(&lock)?)?;
    sdk.push(("Cargo.toml".to_owned(), out.join("Cargo.toml")));
    let mut code = String::new();
    for (name, files) in [
        ("TEMPLATES", files(&here.join("templates"), "")?),
        ("SDK", sdk),
    ] {
        writeln!(code, "const {name}: &[(&str, &str)] = &[")?;
        for (name, path) in files {
            println!("cargo::rerun-if-changed={}", path.display());
            writeln!(code, "    ({name:?}, include_str!({:?})),", path.display())?;
        }
        writeln!(code, "];")?;
    }
    write(&out.join("embedded.rs"), &code)
}

/// Every file of a folder, by its path in it, in the order of the paths.
fn files(folder: &Path, prefix: &str) -> Done<Vec<(String, PathBuf)>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.file_name().into_string().map_err(|_| "no UTF-8")?;
        let name = match prefix {
            "" => name,
            prefix => format!("{prefix}/{name}"),
        };
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &name)?);
        } else {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// What the SDK's manifest inherits, as the manifest of a workspace around it alone.
fn manifest(workspace: &str) -> Done<String> {
    let mut text = "# What the SDK inherits from its workspace.\n[workspace]\nresolver = \"3\"\n\
                    members = [\"supercargo-guest\"]\n"
        .to_owned();
    for section in ["workspace.package", "workspace.dependencies"] {
        let (_, rest) = workspace
            .split_once(&format!("[{section}]\n"))
            .ok_or_else(|| format!("no [{section}] in Cargo.toml"))?;
        let body = rest.split("\n[").next().unwrap_or(rest);
        let lines = body
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("path = "));
        write!(text, "\n[{section}]\n")?;
        for line in lines {
            writeln!(text, "{line}")?;
        }
    }
    Ok(text)
}

/// The part of the lock file that the SDK needs.
fn locked(lock: &str) -> Done<String> {
    let mut packages: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for block in lock.split("\n[[package]]\n").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(" = \"")?.strip_suffix('"')
        };
        let name = field("name").ok_or("a package without a name")?;
        let version = field("version").ok_or("a package without a version")?;
        packages.insert((name, version), block.trim_end());
    }
    let mut wanted = vec!["supercargo-guest".to_owned()];
    let mut kept = BTreeSet::new();
    while let Some(next) = wanted.pop() {
        let (name, version) = next.split_once(' ').unwrap_or((&next, ""));
        let found = packages
            .iter()
            .find(|((one, other), _)| *one == name && (version.is_empty() || *other == version));
        let (key, block) = found.ok_or_else(|| format!("{next} is not in Cargo.lock"))?;
        if !kept.insert(*key) {
            continue;
        }
        let dependencies = block.split_once("dependencies = [\n");
        for line in dependencies.map_or("", |(_, lines)| lines).lines() {
            if let Some(name) = line.strip_prefix(" \"") {
                wanted.push(name.trim_end_matches("\",").to_owned());
            }
        }
    }
    let mut text = "# This file is automatically @generated by Cargo.\n\
                    # It is not intended for manual editing.\nversion = 4\n"
        .to_owned();
    for key in kept {
        let block = packages.get(&key).ok_or("just found")?;
        write!(text, "\n[[package]]\n{block}\n")?;
    }
    Ok(text)
}

fn read(path: &Path) -> Done<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(fs::read_to_string(path)?)
}

fn write(path: &Path, text: &str) -> Done<()> {
    if fs::read_to_string(path).is_ok_and(|existing| existing == text) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}
