//! Reading configuration and components again, as far as they changed.
//!
//! A file is read again when its identity, size or time changed, and a component is loaded again when
//! its bytes, settings or limits did. So looking is cheap, and what was refused once is not tried, and
//! reported, over and over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use supercargo_host::configuration::{Configuration, Rule};
use supercargo_host::names;
use supercargo_host::policy::{Digest, Limits, Registry};

use super::{Change, Origin, Table};
use crate::journal::Journal;
use crate::policies::{self, PolicyError};

/// How many components are looked at in the folder.
const MOST_FILES: usize = 256;

/// What a file looked like when it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How a component was loaded last, whatever came of it.
#[derive(Debug, Clone, PartialEq)]
struct Tried {
    file: PathBuf,
    stamp: Option<Stamp>,
    digest: Option<Digest>,
    settings: String,
    limits: Limits,
    refused: Option<String>,
}

/// A policy that should serve.
struct Wanted {
    name: String,
    file: PathBuf,
    settings: String,
    limits: Limits,
}

/// The files that policies come from, and how they were when they were read last.
#[derive(Debug)]
pub(super) struct Files {
    origin: Origin,
    /// What is in force: the last good configuration.
    configuration: Configuration,
    read: Option<Stamp>,
    /// Whether what was read last was refused.
    refused: bool,
    tried: BTreeMap<String, Tried>,
    /// What was said of files in the folder that cannot be policies.
    unfit: BTreeMap<PathBuf, String>,
}

impl Files {
    /// Reads the configuration for the first time.
    pub(super) fn open(origin: Origin) -> Result<Self, PolicyError> {
        let mut read = None;
        let configuration = match &origin.configuration {
            None => nothing(),
            Some(file) => {
                read = stamp(file).ok();
                policies::configuration(file)?
            }
        };
        Ok(Self {
            origin,
            configuration,
            read,
            refused: false,
            tried: BTreeMap::new(),
            unfit: BTreeMap::new(),
        })
    }

    /// The folders in which a change may concern a policy.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let files = self.tried.values().map(|tried| tried.file.as_path());
        let of_files = files
            .chain(self.origin.configuration.as_deref())
            .filter_map(Path::parent);
        let folders: BTreeSet<&Path> = of_files.chain(self.origin.folder.as_deref()).collect();
        folders
            .into_iter()
            .map(|folder| match folder.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => folder.to_owned(),
            })
            .collect()
    }

    /// Loads what changed, and says what came of it. A table where there is a new one. What serves is
    /// put beside the journal, where one is kept.
    pub(super) fn refresh(
        &mut self,
        registry: &Registry,
        journal: Option<&Journal>,
    ) -> (Option<Table>, Vec<Change>) {
        let mut changes = Vec::new();
        self.configure(&mut changes);
        let (configuration, wanted) = self.wanted(&mut changes);
        for policy in &wanted {
            self.load(registry, policy, journal, &mut changes);
        }
        let names: BTreeSet<&str> = wanted.iter().map(|policy| policy.name.as_str()).collect();
        let gone: Vec<String> = self
            .tried
            .keys()
            .filter(|name| !names.contains(name.as_str()))
            .cloned()
            .collect();
        for policy in &gone {
            self.tried.remove(policy);
            changes.push(Change::Removed {
                policy: policy.clone(),
            });
        }
        let absent = self
            .tried
            .iter()
            .filter(|(name, _)| registry.get(name).is_none())
            .filter_map(|(name, tried)| Some((name.clone(), tried.refused.clone()?)))
            .collect();
        let table = (!changes.is_empty()).then(|| Table::new(&configuration, absent));
        // Last: until the new table is there, rules may still name them.
        for policy in &gone {
            registry.remove(policy);
        }
        (table, changes)
    }

    /// Reads the configuration again if its file changed.
    fn configure(&mut self, changes: &mut Vec<Change>) {
        let Some(file) = &self.origin.configuration else {
            return;
        };
        let found = stamp(file).ok();
        if found.is_some() && found == self.read {
            return;
        }
        let was_there = self.read.is_some();
        self.read = found;
        match policies::configuration(file) {
            Ok(configuration) => {
                let mended = std::mem::take(&mut self.refused);
                if mended || configuration != self.configuration {
                    self.configuration = configuration;
                    changes.push(Change::Configured);
                }
            }
            Err(error) if self.read.is_some() || was_there => {
                self.refused = true;
                changes.push(Change::ConfigurationRefused {
                    reason: error.to_string(),
                });
            }
            // It is still not there, which was said already.
            Err(_) => {}
        }
    }

    /// What should serve, and the configuration with the components that were dropped in.
    fn wanted(&mut self, changes: &mut Vec<Change>) -> (Configuration, Vec<Wanted>) {
        let mut configuration = self.configuration.clone();
        let mut wanted: Vec<Wanted> = self
            .configuration
            .policies
            .iter()
            .enumerate()
            .map(|(position, entry)| Wanted {
                name: entry.name.clone(),
                file: self.place(&entry.wasm),
                settings: serde_json::Value::Object(entry.settings.clone()).to_string(),
                // Checked when the configuration was read.
                limits: self.configuration.limits(position).unwrap_or_default(),
            })
            .collect();
        for (name, file) in self.dropped(&wanted, changes) {
            let alone = Configuration::single(&name, &file.to_string_lossy());
            configuration.policies.extend(alone.policies);
            configuration.rules.extend(alone.rules);
            wanted.push(Wanted {
                name,
                file,
                settings: "{}".to_owned(),
                limits: Limits::default(),
            });
        }
        (configuration, wanted)
    }

    /// Where a component of the configuration lies.
    fn place(&self, wasm: &str) -> PathBuf {
        let beside = self.origin.configuration.as_deref().and_then(Path::parent);
        let folder = self.origin.folder.as_deref().or(beside);
        folder.map_or_else(|| PathBuf::from(wasm), |folder| folder.join(wasm))
    }

    /// The components in the folder that the configuration says nothing of, in order of their names.
    fn dropped(
        &mut self,
        configured: &[Wanted],
        changes: &mut Vec<Change>,
    ) -> Vec<(String, PathBuf)> {
        let mut unfit = BTreeMap::new();
        let mut dropped = Vec::new();
        if let Some(folder) = &self.origin.folder {
            match components(folder) {
                Err(error) => {
                    // What serves from there goes on: a folder that cannot be read says nothing.
                    unfit.insert(folder.clone(), format!("cannot read the folder: {error}"));
                    let kept = self.tried.iter();
                    dropped.extend(kept.map(|(name, tried)| (name.clone(), tried.file.clone())));
                }
                Ok(files) => {
                    if files.len() > MOST_FILES {
                        let reason = format!(
                            "holds more than {MOST_FILES} components; the first by name are looked at"
                        );
                        unfit.insert(folder.clone(), reason);
                    }
                    for file in files.into_iter().take(MOST_FILES) {
                        let name = file.file_stem().unwrap_or_default().to_string_lossy();
                        match names::dns_label(&name) {
                            Ok(_) => dropped.push((name.into_owned(), file)),
                            Err(reason) => {
                                let reason =
                                    format!("the file's name is to be the policy's: {reason}");
                                unfit.insert(file, reason);
                            }
                        }
                    }
                }
            }
        }
        dropped.retain(|(name, file)| {
            let taken = |wanted: &Wanted| wanted.name == *name || wanted.file == *file;
            !configured.iter().any(taken)
        });
        unfit.retain(|file, _| !configured.iter().any(|wanted| wanted.file == *file));
        for (file, reason) in &unfit {
            if self.unfit.get(file) != Some(reason) {
                changes.push(Change::Refused {
                    policy: file
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into(),
                    reason: format!("{}: {reason}", file.display()),
                    last_good: None,
                });
            }
        }
        self.unfit = unfit;
        dropped
    }

    /// Loads a component unless nothing about it changed.
    fn load(
        &mut self,
        registry: &Registry,
        wanted: &Wanted,
        journal: Option<&Journal>,
        changes: &mut Vec<Change>,
    ) {
        let earlier = self.tried.get(&wanted.name);
        let stamp = stamp(&wanted.file).ok();
        let as_before = |tried: &Tried| {
            tried.file == wanted.file
                && tried.settings == wanted.settings
                && tried.limits == wanted.limits
        };
        if earlier.is_some_and(|tried| as_before(tried) && tried.stamp == stamp) {
            return;
        }
        let read = policies::component(&wanted.file);
        let digest = read.as_ref().ok().map(|bytes| Digest::of(bytes));
        let same_bytes = digest.is_some()
            && earlier.is_some_and(|tried| as_before(tried) && tried.digest == digest);
        let refused = if same_bytes {
            earlier.and_then(|tried| tried.refused.clone())
        } else {
            let loaded = match read {
                Err(error) => Err(error.to_string()),
                Ok(bytes) => registry
                    .load(&wanted.name, &bytes, &wanted.settings, wanted.limits)
                    .inspect(|_| keep(journal, &bytes))
                    .map_err(|error| format!("{}: {error}", wanted.file.display())),
            };
            let last_good = || registry.get(&wanted.name).map(|policy| *policy.digest());
            match loaded {
                Ok(policy) => {
                    changes.push(Change::Serves {
                        policy: wanted.name.clone(),
                        digest: *policy.digest(),
                    });
                    None
                }
                Err(reason) => {
                    changes.push(Change::Refused {
                        policy: wanted.name.clone(),
                        reason: reason.clone(),
                        last_good: last_good(),
                    });
                    Some(reason)
                }
            }
        };
        let tried = Tried {
            file: wanted.file.clone(),
            stamp,
            digest,
            settings: wanted.settings.clone(),
            limits: wanted.limits,
            refused,
        };
        self.tried.insert(wanted.name.clone(), tried);
    }
}

/// Puts a component beside the journal. A policy serves without: what is said is that a replay will miss it.
fn keep(journal: Option<&Journal>, component: &[u8]) {
    if let Some(Err(error)) = journal.map(|journal| journal.keep(component)) {
        tracing::error!(%error, "decisions of this component cannot be replayed");
    }
}

/// The configuration of who wrote none.
fn nothing() -> Configuration {
    Configuration {
        policies: Vec::new(),
        rules: Vec::<Rule>::new(),
        ..Configuration::single("none", "")
    }
}

/// The `.wasm` files of a folder by name; hidden ones are somebody's unfinished business.
fn components(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(100 * MOST_FILES) {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "wasm")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(file: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(file)?;
    Ok(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
