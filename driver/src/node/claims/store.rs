//! The folder of checkpoint files: one file a claim, named after its UID and its state.
//!
//! | name | state |
//! |---|---|
//! | `UID` | prepared |
//! | `UID.preparing` | being set up |
//! | `UID.ending` | being taken down |
//! | `UID.refused-N` | set aside: it could not be read |
//!
//! Whatever else lies there is set aside too, so that nothing in the folder can keep the driver from
//! starting, and nothing that may still be of use to a person is deleted at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::durable::{self, Wait};
use super::fault::{FaultPoint, reached};
use super::record::{Record, State};
use super::seal::{Damage, MOST_BYTES};

/// Bytes of a claim's UID. Kubernetes' are 36.
const MOST_UID: usize = 64;
/// Files that are looked at. A node has some hundred claims.
const MOST_FILES: usize = 65_536;
/// Files that are kept aside. The oldest go first.
const MOST_REFUSED: usize = 256;

const REFUSED: &str = ".refused-";

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
}

/// What the folder holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The claims, by UID.
    pub(super) claims: BTreeMap<String, (State, Record)>,
    /// What was set aside just now.
    pub(super) refused: Vec<Refused>,
    /// Claims of which a checkpoint lies aside, from now or earlier.
    pub(super) aside: BTreeSet<String>,
}

/// A file that was set aside.
#[derive(Debug)]
pub(super) struct Refused {
    /// The claim and the state that its name told; `None`: its name is that of no checkpoint.
    pub(super) claim: Option<(String, State)>,
    /// Where it is now.
    pub(super) file: PathBuf,
    /// What is wrong with it.
    pub(super) damage: Damage,
}

/// Whether a text can be a claim's UID, and so a file's name.
pub(super) fn is_uid(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MOST_UID).contains(&text.len()) && text.bytes().all(allowed)
}

impl State {
    fn suffix(self) -> &'static str {
        match self {
            Self::Preparing => ".preparing",
            Self::Prepared => "",
            Self::Ending => ".ending",
        }
    }
}

impl Store {
    /// The folder at this path, made where it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Writes a claim that is about to be set up. Where steps follow, this waits for the disk: what
    /// they do may outlive the machine going down, and so must the way back.
    pub(super) fn begin(&self, uid: &str, sealed: &[u8], steps: bool) -> io::Result<()> {
        let wait = if steps {
            Wait::ForContentAndName
        } else {
            Wait::No
        };
        let file = self.file(uid, State::Preparing);
        durable::put(&file, sealed, wait).inspect_err(|_| {
            // Nothing was done yet, so nothing is lost with it.
            let _ = fs::remove_file(&file);
        })
    }

    /// Puts new content in the place of a claim's.
    pub(super) fn rewrite(&self, uid: &str, state: State, sealed: &[u8]) -> io::Result<()> {
        durable::put(&self.file(uid, state), sealed, Wait::ForContent)
    }

    /// Takes a claim from one state to another.
    pub(super) fn advance(&self, uid: &str, from: State, to: State) -> io::Result<()> {
        durable::rename(&self.file(uid, from), &self.file(uid, to))
    }

    /// Forgets a claim. Comes the machine down before that is on disk, the claim is found again after
    /// the boot and taken down once more.
    pub(super) fn forget(&self, uid: &str, state: State) -> io::Result<()> {
        durable::remove(&self.file(uid, state))
    }

    /// Reads everything, and sets aside what cannot be read.
    pub(super) fn read(&self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        let mut refused = Vec::new();
        let mut names = Vec::new();
        let at = durable::at(&self.folder);
        for entry in fs::read_dir(&self.folder).map_err(&at)? {
            names.push(entry.map_err(&at)?.file_name());
            if names.len() > MOST_FILES {
                let many = format!("more than {MOST_FILES} files; it is the driver's alone");
                return Err(at(io::Error::other(many)));
            }
        }
        // What lies aside comes first: what joins it is numbered after it.
        names.retain(|name| {
            let text = name.to_string_lossy();
            let file = self.folder.join(name);
            match refused_number(&text) {
                Some(number) => refused.push((number, file)),
                // A write that a kill interrupted, and that nobody was told of.
                None => return !(durable::is_unfinished(&text) && durable::remove(&file).is_ok()),
            }
            false
        });
        names.sort();
        for name in names {
            self.take(&name, &mut contents, &mut refused)?;
        }
        refused.sort();
        let superfluous = refused.len().saturating_sub(MOST_REFUSED);
        for (_, file) in refused.iter().skip(superfluous) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if let Some((uid, _)) = name.split_once(REFUSED) {
                contents.aside.insert(uid.to_owned());
            }
        }
        for (_, file) in refused.iter().take(superfluous) {
            if let Err(error) = durable::remove(file) {
                tracing::warn!(file = %file.display(), %error, "an old refused checkpoint stays");
            }
        }
        Ok(contents)
    }

    /// Reads one file into the contents, or sets it aside.
    fn take(
        &self,
        name: &OsStr,
        contents: &mut Contents,
        refused: &mut Vec<(u32, PathBuf)>,
    ) -> io::Result<()> {
        let known = name.to_str().and_then(parse);
        let read = match &known {
            None => Err(Damage::Foreign),
            Some((uid, _)) => self.record(uid, name)?,
        };
        match (read, known) {
            (Ok(record), Some((uid, state))) => {
                // A claim has one file. Where a person made two, the further one counts: undoing is
                // never wrong, answering with what is undone is.
                match contents.claims.remove(&uid) {
                    Some((other, earlier)) if other > state => {
                        contents.claims.insert(uid.clone(), (other, earlier));
                        self.forget(&uid, state)?;
                    }
                    Some((other, _)) => {
                        contents.claims.insert(uid.clone(), (state, record));
                        self.forget(&uid, other)?;
                    }
                    None => {
                        contents.claims.insert(uid, (state, record));
                    }
                }
            }
            (Err(damage), known) => {
                let numbers = refused.iter().map(|(number, _)| *number);
                let number = numbers.max().unwrap_or(0).saturating_add(1);
                let base = match &known {
                    Some((uid, _)) => uid.clone(),
                    None => name.to_string_lossy().chars().take(50).collect(),
                };
                let file = self.folder.join(format!("{base}{REFUSED}{number}"));
                durable::rename(&self.folder.join(name), &file)?;
                reached(FaultPoint::SetAside);
                refused.push((number, file.clone()));
                contents.refused.push(Refused {
                    claim: known,
                    file,
                    damage,
                });
            }
            (Ok(_), None) => {}
        }
        Ok(())
    }

    /// Reads a claim's file. An error that is no fault of the file's is not held against it.
    fn record(&self, uid: &str, name: &OsStr) -> io::Result<Result<Record, Damage>> {
        let file = self.folder.join(name);
        Ok(match durable::read(&file, MOST_BYTES) {
            Ok(Some(sealed)) => Record::unseal(uid, &sealed),
            Ok(None) => Err(Damage::TooLarge),
            Err(error) if is_exhausted(&error) => return Err(durable::at(&file)(error)),
            Err(error) => Err(Damage::Unreadable(error.to_string())),
        })
    }

    fn file(&self, uid: &str, state: State) -> PathBuf {
        self.folder.join(format!("{uid}{}", state.suffix()))
    }
}

/// The claim and the state that a file's name tells.
fn parse(name: &str) -> Option<(String, State)> {
    let (uid, suffix) = name.split_at(name.find('.').unwrap_or(name.len()));
    let state = [State::Preparing, State::Prepared, State::Ending]
        .into_iter()
        .find(|state| state.suffix() == suffix)?;
    is_uid(uid).then(|| (uid.to_owned(), state))
}

/// Whether this process, or the machine, has no room to open a file.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn refused_number(name: &str) -> Option<u32> {
    name.rsplit_once(REFUSED)?.1.parse().ok()
}
