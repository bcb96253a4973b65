//! Health: files that somebody writes, or the topology's script, and the events that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::state::{HEALTH, State};
use super::topology::{ScriptedHealth, Topology};
use super::{facts, partitions};
use crate::devices::nvidia::partition;
use crate::devices::{DeviceError, HealthEvent};

/// How long a change may go unnoticed.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a health file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// All is well.
    Ok,
    /// Something is wrong: what saw it, and its number.
    Ill(String, i64),
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let code = words.next().map(str::parse);
        match (kind, code, words.next()) {
            ("ok", None, None) => Ok(Self::Ok),
            ("xid" | "ecc" | "nvlink" | "thermal" | "pci", Some(Ok(code)), None) => {
                Ok(Self::Ill(kind.to_owned(), code))
            }
            ("ecc" | "nvlink" | "thermal" | "pci" | "lost", None, None) => {
                Ok(Self::Ill(kind.to_owned(), 0))
            }
            _ => Err(format!(
                "{text:?} is no condition; write ok, xid and its number, ecc, nvlink, thermal, pci or lost"
            )),
        }
    }
}

/// Notices what changes.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    /// What each health file said when it was last told; one that is not in here was well.
    told: BTreeMap<PathBuf, String>,
    /// Steps done or undone.
    steps: u64,
    /// What has not happened yet.
    script: Vec<ScriptedHealth>,
}

/// A health file, and the hardware it is about.
struct File {
    path: PathBuf,
    event: HealthEvent,
}

impl Watch {
    pub(super) fn new(topology: &Topology) -> Self {
        Self {
            seen: Mutex::new(Seen {
                script: topology.health.clone(),
                ..Seen::default()
            }),
            changed: Condvar::new(),
        }
    }

    /// A step was done or undone: what the script says for now is written.
    pub(super) fn stepped(&self, state: &State) -> Result<(), DeviceError> {
        let due: Vec<ScriptedHealth> = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.steps += 1;
            let steps = seen.steps;
            let due = seen
                .script
                .extract_if(.., |event| event.after_steps <= steps);
            due.collect()
        };
        for event in &due {
            let folder = match event.gpu {
                Some(at) => state.folder(at),
                None => state.root().to_owned(),
            };
            state.write(&folder.join(HEALTH), &event.write)?;
        }
        if !due.is_empty() {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Waits for a health file to say something new.
    pub(super) fn next(
        &self,
        state: &State,
        wait: Duration,
    ) -> Result<Option<HealthEvent>, DeviceError> {
        let until = Instant::now() + wait;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(event) = look(state, &mut seen)? {
                return Ok(Some(event));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.changed.wait_timeout(seen, left.min(INTERVAL));
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The first change since it was last looked.
fn look(state: &State, seen: &mut Seen) -> Result<Option<HealthEvent>, DeviceError> {
    let files = {
        let _lock = state.lock()?;
        files(state)?
    };
    let known: BTreeSet<&PathBuf> = files.iter().map(|file| &file.path).collect();
    seen.told.retain(|path, _| known.contains(path));
    for File { path, mut event } in files {
        let now = state.read(&path)?.unwrap_or_else(|| "ok".to_owned());
        let before = seen.told.get(&path).map_or("ok", String::as_str);
        if now == before {
            continue;
        }
        seen.told.insert(path.clone(), now.clone());
        let condition = Condition::parse(&now).map_err(|problem| DeviceError::Failed {
            what: format!("read {}", path.display()),
            source: problem.into(),
        })?;
        match condition {
            Condition::Ok => {
                event.source = "recovered".to_owned();
                event.healthy = true;
            }
            Condition::Ill(source, code) => (event.source, event.code) = (source, code),
        }
        event.message = format!("{} says {now}", path.display());
        return Ok(Some(event));
    }
    Ok(None)
}

/// All health files: the node's, each GPU's, each instance's.
fn files(state: &State) -> Result<Vec<File>, DeviceError> {
    let file = |path: PathBuf, unit, device| File {
        path,
        event: HealthEvent {
            unit,
            device,
            source: String::new(),
            code: 0,
            message: String::new(),
            healthy: false,
        },
    };
    let mut files = vec![file(state.root().join(HEALTH), None, None)];
    for at in 0..state.topology().gpus.len() {
        let unit = Some(state.unit(at));
        files.push(file(state.folder(at).join(HEALTH), unit.clone(), None));
        let profiles = &state.model(at)?.mig_profiles;
        for instance in partitions::instances(state, at)? {
            let profile = profiles.iter().find(|one| one.name == instance.profile);
            let name = profile.map(|profile| {
                let profile = facts::profile(profile);
                partition::name(&format!("gpu-{at}"), &profile, instance.placement)
            });
            let path = partitions::path(state, at, instance.placement).join(HEALTH);
            files.push(file(path, unit.clone(), name));
        }
    }
    Ok(files)
}
