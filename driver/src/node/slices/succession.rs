//! Which instance of the driver publishes, where a rolling update has two on a node.
//!
//! Two releases may announce the same hardware differently, and each would put right what the other
//! wrote, without end. So the one that was started last publishes, from its start on, and the others
//! pause for as long as it lives. Each instance has a file, numbered in the order of their starts, that it
//! keeps locked; the kernel frees the lock of a process that dies.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::node::lock;

/// Instances that are looked at.
const MOST: usize = 64;
/// How often it is looked who else is there.
const LOOK: Duration = Duration::from_secs(1);

/// The place of this instance in the order of starts.
#[derive(Debug)]
pub struct Succession {
    folder: PathBuf,
    number: u64,
    _own: File,
}

impl Succession {
    /// Takes the last place among the instances that share a data folder.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub async fn join(data: &Path) -> io::Result<Self> {
        let folder = data.join("publishers");
        fs::create_dir_all(&folder)?;
        let _alone = lock::lock(&data.join("publishers.lock")).await?;
        let mut number = 0;
        for other in numbers(&folder)? {
            number = number.max(other);
            if !lives(&folder, other) {
                fs::remove_file(folder.join(other.to_string()))?;
            }
        }
        let number = number.saturating_add(1);
        let own = lock::lock(&folder.join(number.to_string())).await?;
        Ok(Self {
            folder,
            number,
            _own: own,
        })
    }

    /// Whether an instance that was started later lives. Who cannot tell goes on alone.
    fn has_heir(&self) -> bool {
        let others = numbers(&self.folder).unwrap_or_default();
        let mut later = others.into_iter().filter(|other| *other > self.number);
        later.any(|other| lives(&self.folder, other))
    }

    /// Completes when an instance that was started later is there, or none is any more.
    pub(super) async fn until(&self, heir: bool) {
        while self.has_heir() != heir {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)?.take(MOST) {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok()),
        );
    }
    Ok(numbers)
}

/// Whether the instance with this number lives: whether its file is locked.
fn lives(folder: &Path, number: u64) -> bool {
    let file = File::open(folder.join(number.to_string()));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
