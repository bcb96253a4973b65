//! The folder of compiled code: what is in it runs in this process, so who may write there is all that
//! counts.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "hostile/guest.rs"]
#[allow(dead_code, reason = "the hostile tests use the rest")]
mod guest;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guest::{Describe, Guest};
use supercargo_host::policy::{
    CompiledCodeError, Engine, EngineError, EngineOptions, Limits, Policy,
};

/// A folder of one test's own, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("supercargo-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        set_mode(&path, 0o700);
        Self(path)
    }

    fn engine(&self) -> Result<Engine, EngineError> {
        open(&self.0)
    }

    /// The files of code.
    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Path) -> Result<Engine, EngineError> {
    Engine::new(EngineOptions {
        compiled_code: Some(folder.to_owned()),
        concurrency: 1,
        ..EngineOptions::default()
    })
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn named(name: &str) -> Vec<u8> {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        name: name.as_bytes(),
        ..Describe::default()
    });
    guest.component()
}

fn name_of(engine: &Engine, component: &[u8]) -> String {
    let policy = Policy::load(engine, component, "{}", Limits::default()).unwrap();
    policy.description().name.clone()
}

#[test]
fn code_is_kept_for_its_owner_only_and_loaded_instead_of_compiled() {
    let folder = Folder::new("kept");
    let engine = folder.engine().unwrap();
    assert_eq!(name_of(&engine, &named("one")), "one");
    let files = folder.files();
    assert_eq!(files.len(), 1);
    assert_eq!(
        fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // Its owner may put the code of another policy there, and just that is then run: the reason for
    // everything else in this file.
    assert_eq!(name_of(&engine, &named("two")), "two");
    let other = folder
        .files()
        .into_iter()
        .find(|file| *file != files[0])
        .unwrap();
    fs::copy(&other, &files[0]).unwrap();
    assert_eq!(name_of(&folder.engine().unwrap(), &named("one")), "two");
}

#[test]
fn a_file_that_others_may_write_is_left_alone_and_replaced() {
    let folder = Folder::new("file");
    let engine = folder.engine().unwrap();
    name_of(&engine, &named("one"));
    name_of(&engine, &named("two"));
    let files = folder.files();
    fs::copy(&files[1], &files[0]).unwrap();
    for file in &files {
        set_mode(file, 0o666);
    }
    assert_eq!(name_of(&engine, &named("one")), "one");
    assert_eq!(name_of(&engine, &named("two")), "two");
    for file in &files {
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn a_damaged_file_is_left_alone_and_replaced() {
    let folder = Folder::new("damaged");
    let engine = folder.engine().unwrap();
    name_of(&engine, &named("one"));
    let file = folder.files().remove(0);
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for damaged in [&[][..], &good[..20], &good[..good.len() - 1], &flipped] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(name_of(&engine, &named("one")), "one");
        assert_eq!(fs::read(&file).unwrap().len(), good.len());
    }
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = Folder::new("open");
    for mode in [0o777, 0o770, 0o1777] {
        set_mode(&folder.0, mode);
        let error = folder.engine().unwrap_err();
        let EngineError::CompiledCode(CompiledCodeError::Untrusted { problem, .. }) = &error else {
            panic!("{error}");
        };
        assert_eq!(*problem, "writable by others");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
}

#[test]
fn a_folder_in_a_folder_that_others_may_write_is_refused() {
    let folder = Folder::new("above");
    set_mode(&folder.0, 0o777);
    assert!(open(&folder.0.join("below")).is_err());
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = Folder::new("file-in-the-way");
    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("below")).unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::CompiledCode(CompiledCodeError::Io { .. })
        ),
        "{error}"
    );
}
