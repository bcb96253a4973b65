//! Compiled code, kept from one run to the next.
//!
//! Compiling takes 1 ms a KiB, loading what was compiled a hundredth of it. What is loaded is native
//! code, so this folder is as trusted as the program itself: it and all above it must be writable for
//! nobody but root and the user this runs as, and so must every file. A file that is not, or that is
//! damaged, or that another version of the runtime made, is left alone and the component compiled anew.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::digest::Digest;

mod mapped;

/// Bytes of the checksum at the beginning of a file.
const CHECKSUM: usize = 32;

/// No file of ours is greater: the largest component allowed compiles to about 40 MiB.
const MOST_BYTES: u64 = 256 << 20;

/// Why a folder for compiled code was refused.
#[derive(Debug, thiserror::Error)]
pub enum CompiledCodeError {
    /// It cannot be made or read.
    #[error("cannot use {} for compiled code: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can write to it, so others could run code in this process.
    #[error(
        "refusing {} for compiled code: {} is {problem}; make it writable by its owner only (chmod go-w) and owned by root or the user this runs as",
        .folder.display(), .path.display()
    )]
    Untrusted {
        /// The folder.
        folder: PathBuf,
        /// The folder, or the one above it, that is at fault.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A folder of compiled code.
#[derive(Debug)]
pub(super) struct CompiledCode {
    folder: PathBuf,
    /// Tells code of other versions and settings of the runtime apart.
    compatibility: u64,
}

impl CompiledCode {
    /// Opens a folder, and makes it where it does not exist.
    pub(super) fn open(
        folder: &Path,
        engine: &wasmtime::Engine,
    ) -> Result<Self, CompiledCodeError> {
        let io = |source| CompiledCodeError::Io {
            path: folder.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        let folder = folder.canonicalize().map_err(io)?;
        for path in folder.ancestors() {
            let metadata = fs::symlink_metadata(path).map_err(io)?;
            // A sticky folder, such as /tmp, lets nobody rename what others made in it.
            let sticky = path != folder && metadata.mode() & 0o1000 != 0;
            if let Some(problem) = distrusted(&metadata, sticky) {
                return Err(CompiledCodeError::Untrusted {
                    folder: folder.clone(),
                    path: path.to_owned(),
                    problem,
                });
            }
        }
        // A stable hash: its result is part of file names.
        let mut compatibility = DefaultHasher::new();
        engine
            .precompile_compatibility_hash()
            .hash(&mut compatibility);
        Ok(Self {
            folder,
            compatibility: compatibility.finish(),
        })
    }

    /// The code of a component, if it is here and can be trusted.
    pub(super) fn load(&self, digest: &Digest, engine: &wasmtime::Engine) -> Option<Component> {
        let mut file = File::open(self.path(digest)).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file()
            || metadata.len() > MOST_BYTES
            || distrusted(&metadata, false).is_some()
        {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let (checksum, code) = bytes.split_at_checked(CHECKSUM)?;
        if Sha256::digest(code).as_slice() != checksum {
            return None;
        }
        mapped::component(engine, code).ok()
    }

    /// Keeps the code of a component. Not being able to is no reason not to serve the policy.
    pub(super) fn store(&self, digest: &Digest, component: &Component) -> io::Result<()> {
        let code = component
            .serialize()
            .map_err(|error| io::Error::other(error.to_string()))?;
        let path = self.path(digest);
        let draft = path.with_extension(format!("draft-{}", process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(&Sha256::digest(&code))?;
                file.write_all(&code)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Best effort: the draft is in the way of nothing but this process' own next attempt.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!(
            "{}-{:016x}.cwasm",
            digest.hex(),
            self.compatibility
        ))
    }
}

/// What keeps a file or folder from being trusted.
fn distrusted(metadata: &Metadata, sticky: bool) -> Option<&'static str> {
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        Some("owned by another user")
    } else if metadata.mode() & 0o022 != 0 && !sticky {
        Some("writable by others")
    } else {
        None
    }
}
