//! Building again whenever the source changes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher as _};

use crate::cli::{Exit, Failure};
use crate::render::style::{FAINT, paint};

/// How long a folder must be quiet: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long is waited for that at most.
const RESTLESS: Duration = Duration::from_secs(2);

/// What builds write, and what nobody writes by hand: a change there is no reason to build.
const NOT_SOURCE: [&str; 6] = [
    "target",
    "build",
    "node_modules",
    ".venv",
    "__pycache__",
    ".git",
];

enum Event {
    Changed,
    Interrupted,
}

/// Builds at once and after every change, until Ctrl-C. A change of `output` is the build's own.
pub(super) fn watch(
    folder: &Path,
    output: Option<&Path>,
    build: impl Fn() -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let cannot = |error: String| Failure::Watch {
        folder: folder.to_owned(),
        error,
    };
    let root = folder
        .canonicalize()
        .map_err(|error| cannot(error.to_string()))?;
    let output = output.and_then(place);
    let (send, events) = mpsc::channel();
    let interrupted = send.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The first Ctrl-C ends the watching; the one who waits below learns of it.
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            let _ = interrupted.send(Event::Interrupted);
        }
    });
    let watched = root.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Building reads every file, and that is an access.
        let is_access = matches!(event.kind, EventKind::Access(_));
        if !is_access
            && event
                .paths
                .iter()
                .any(|path| output.as_ref() != Some(path) && is_source(&watched, path))
        {
            let _ = send.send(Event::Changed);
        }
    })
    .and_then(|mut watcher| {
        watcher.watch(&root, RecursiveMode::Recursive)?;
        Ok(watcher)
    })
    .map_err(|error| cannot(error.to_string()))?;
    loop {
        build()?;
        anstream::eprintln!(
            "{}",
            paint(
                FAINT,
                &format!("watching {}; Ctrl-C ends", folder.display())
            )
        );
        match events.recv() {
            Ok(Event::Changed) => {}
            Ok(Event::Interrupted) | Err(_) => break,
        }
        let latest = Instant::now() + RESTLESS;
        let interrupted = loop {
            match events.recv_timeout(QUIET) {
                Ok(Event::Changed) if Instant::now() < latest => {}
                Ok(Event::Interrupted) | Err(RecvTimeoutError::Disconnected) => break true,
                Ok(Event::Changed) | Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        if interrupted {
            break;
        }
    }
    let _ = watcher.unwatch(&root);
    Ok(Exit::Done)
}

/// Where a file is, or will be, in the words of who watches: without links.
fn place(file: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(file).ok()?.parent()?.canonicalize();
    Some(folder.ok()?.join(file.file_name()?))
}

fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else {
        return false;
    };
    // Cargo writes the lock file of a project that has none of its own yet.
    let first = inside.components().next();
    first.is_some_and(|first| {
        let first = first.as_os_str();
        first != "Cargo.lock" && NOT_SOURCE.iter().all(|folder| first != *folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_writes_is_no_reason_to_build() {
        let root = Path::new("/policy");
        for source in [
            "src/lib.rs",
            "policy.c",
            "policy.yaml",
            "Cargo.toml",
            "fixtures/a.yaml",
        ] {
            assert!(is_source(root, &root.join(source)), "{source}");
        }
        for other in [
            "target/policies/a.wasm",
            "build/generated/policy.h",
            "Cargo.lock",
            "",
        ] {
            assert!(!is_source(root, &root.join(other)), "{other}");
        }
        assert!(!is_source(root, Path::new("/elsewhere/lib.rs")));
    }
}
