//! The folder of CDI files, which other drivers share: only files named after this driver are touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::spec::Spec;
use crate::node::claims::durable::{self, Wait};
use crate::node::claims::fault::{FaultPoint, reached};
use crate::node::claims::seal::MOST_BYTES;
use crate::node::claims::store::is_uid;

/// Files that are looked at.
const MOST_FILES: usize = 65_536;

/// The annotation that holds the claim's checkpoint.
pub(super) const CHECKPOINT: &str = "supercargo.dev/checkpoint";

/// The files of one driver.
#[derive(Debug, Clone)]
pub(in crate::node::claims) struct SpecFiles {
    folder: PathBuf,
    driver: String,
}

/// A file that was found.
#[derive(Debug)]
pub(in crate::node::claims) struct Found {
    /// The claim that its name tells.
    pub(in crate::node::claims) uid: String,
    /// The claim's checkpoint as it was when the file was written, if the file can be read.
    pub(in crate::node::claims) checkpoint: Option<String>,
}

impl SpecFiles {
    /// The files in this folder, which is made where it is not there.
    pub(in crate::node::claims) fn open(folder: &Path, driver: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            driver: driver.to_owned(),
        })
    }

    /// The kind of every device in them.
    pub(in crate::node::claims) fn kind(&self) -> String {
        format!("k8s.{}/claim", self.driver)
    }

    /// Writes a claim's file. Where the folder is in memory, as the usual `/var/run/cdi` is, waiting
    /// for the disk takes no time; elsewhere it keeps a power cut from leaving half a file, over which
    /// the runtime would stumble.
    pub(in crate::node::claims) fn write(&self, uid: &str, spec: &Spec) -> io::Result<()> {
        let text = serde_json::to_vec(spec)?;
        durable::put(&self.file(uid), &text, Wait::ForContent)
    }

    /// Whether a claim has a file.
    pub(in crate::node::claims) fn has(&self, uid: &str) -> io::Result<bool> {
        self.file(uid).try_exists()
    }

    /// Removes a claim's file, if there is one.
    pub(in crate::node::claims) fn remove(&self, uid: &str) -> io::Result<()> {
        durable::remove(&self.file(uid))
    }

    /// Removes the file of a claim that nobody knows.
    pub(in crate::node::claims) fn sweep(&self, uid: &str) {
        sweep(&self.file(uid));
    }

    /// All files of this driver. Unfinished ones are removed on the way.
    pub(in crate::node::claims) fn find(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)?.take(MOST_FILES) {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if durable::is_unfinished(name) && name.contains(&self.prefix()) {
                sweep(&entry.path());
            } else if let Some(uid) = self.uid(name) {
                found.push(Found {
                    checkpoint: checkpoint(&entry.path()),
                    uid: uid.to_owned(),
                });
            }
        }
        found.sort_by(|a, b| a.uid.cmp(&b.uid));
        Ok(found)
    }

    fn file(&self, uid: &str) -> PathBuf {
        self.folder.join(format!("{}{uid}.json", self.prefix()))
    }

    fn prefix(&self) -> String {
        format!("k8s.{}-claim_", self.driver)
    }

    fn uid<'a>(&self, name: &'a str) -> Option<&'a str> {
        let uid = name.strip_prefix(&self.prefix())?.strip_suffix(".json")?;
        is_uid(uid).then_some(uid)
    }
}

/// Removes what nobody needs. What cannot be removed is in nobody's way.
fn sweep(file: &Path) {
    if let Err(error) = durable::remove(file) {
        tracing::warn!(%error, "a CDI file that belongs to no claim stays");
    }
    reached(FaultPoint::Swept);
}

fn checkpoint(file: &Path) -> Option<String> {
    let text = durable::read(file, 4 * MOST_BYTES).ok()??;
    let mut spec: Spec = serde_json::from_slice(&text).ok()?;
    spec.annotations.remove(CHECKPOINT)
}
