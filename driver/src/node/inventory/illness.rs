//! What is wrong with the hardware, and the taints that follow: kept in one file over restarts.
//!
//! What happened is kept apart from what follows from it. When the announced devices change, because a
//! partition or another policy came, what happened to their hardware is judged anew for those that were
//! not there before. When the hardware is well again, what happened is forgotten and its taints go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::resource::v1::DeviceTaint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use supercargo_host::plan::UnitId;
use supercargo_host::policy::inventory::TaintEffect;

use super::announcement;
use super::verdict::{Change, Mark, Question, Rule, shortened};
use crate::devices::{Announced, AnnouncedDevice, HealthEvent, folder};

/// The form of the file.
const VERSION: u32 = 1;
/// The most that the file may take.
const MOST_BYTES: u64 = 64 << 20;
/// The most conditions that are remembered; the oldest are forgotten first.
const MOST_CONDITIONS: usize = 1024;
/// The most taints that the API takes of a device, less what a policy may announce by itself.
const MOST_TAINTS: usize = 8;

/// What is known.
#[derive(Debug)]
pub(super) struct Illness {
    file: PathBuf,
    written: Option<String>,
    known: Known,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    version: u32,
    conditions: Vec<Condition>,
    taints: Vec<Taint>,
}

/// Something that happened and has not passed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    unit: Option<UnitId>,
    part: Option<String>,
    source: String,
    code: i64,
    message: String,
    occurrences: u32,
    first: Timestamp,
    last: Timestamp,
    /// The devices for which it was judged since it last happened.
    judged: BTreeSet<String>,
}

/// A taint that follows from a condition.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taint {
    device: String,
    unit: UnitId,
    key: String,
    value: String,
    effect: String,
    since: Timestamp,
    message: String,
    by_policy: bool,
}

impl Condition {
    fn is_about(&self, event: &HealthEvent) -> bool {
        self.unit == event.unit && self.part == event.device
    }

    fn concerns(&self, taint: &Taint) -> bool {
        self.unit.as_ref().is_none_or(|unit| *unit == taint.unit)
            && self.part.as_ref().is_none_or(|part| *part == taint.device)
    }

    fn is_the_same(&self, event: &HealthEvent) -> bool {
        self.is_about(event) && self.source == event.source && self.code == event.code
    }
}

impl Illness {
    /// What the file holds. A file that cannot be read is set aside, and the reason comes back.
    pub(super) fn read(file: PathBuf) -> (Self, Option<String>) {
        let (known, broken) = match known(&file) {
            Ok(known) => (known, None),
            Err(reason) => {
                let aside = file.with_extension("broken");
                let kept = std::fs::rename(&file, &aside);
                let where_to = match kept {
                    Ok(()) => format!("it lies in {}", aside.display()),
                    Err(error) => error.to_string(),
                };
                let reason = format!(
                    "{}: {reason}; taints from before are lost until events come again ({where_to})",
                    file.display()
                );
                (Known::default(), Some(reason))
            }
        };
        let this = Self {
            file,
            written: None,
            known,
        };
        (this, broken)
    }

    /// Writes what changed since it was last written.
    pub(super) fn keep(&mut self) -> Result<(), String> {
        self.known.version = VERSION;
        let text = serde_json::to_string(&self.known).map_err(|error| error.to_string())?;
        if self.written.as_ref() == Some(&text) {
            return Ok(());
        }
        folder::write_durably(&self.file, &text)
            .map_err(|error| format!("write {}: {error}", self.file.display()))?;
        self.written = Some(text);
        Ok(())
    }

    /// Something happened.
    pub(super) fn fell(&mut self, event: &HealthEvent, now: Timestamp) {
        let conditions = &mut self.known.conditions;
        let message = shortened(&event.message).to_owned();
        match conditions.iter_mut().find(|one| one.is_the_same(event)) {
            Some(condition) => {
                condition.occurrences = condition.occurrences.saturating_add(1);
                condition.last = now;
                condition.message = message;
                condition.judged.clear();
            }
            None => conditions.push(Condition {
                unit: event.unit.clone(),
                part: event.device.clone(),
                source: event.source.clone(),
                code: event.code,
                message,
                occurrences: 1,
                first: now,
                last: now,
                judged: BTreeSet::new(),
            }),
        }
        let surplus = conditions.len().saturating_sub(MOST_CONDITIONS);
        conditions.drain(..surplus);
    }

    /// The hardware is well again.
    ///
    /// # Errors
    /// Why the policy did not judge; its taints then go as the built-in rule says.
    pub(super) fn recovered(
        &mut self,
        event: &HealthEvent,
        base: &Announced,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<(), String> {
        let conditions = &mut self.known.conditions;
        let passed = conditions.extract_if(.., |one| one.is_about(event));
        let passed: BTreeSet<String> = passed
            .map(|one| rule.built_in(&one.source, one.code).key)
            .collect();
        let devices = affected(base, event.unit.as_ref(), event.device.as_deref());
        let asked: Vec<Option<usize>> = match event.unit {
            None => vec![None],
            Some(_) => devices.iter().copied().map(Some).collect(),
        };
        let answers = asked.into_iter().filter_map(|device| {
            rule.of_policy(&Question {
                devices: names(base),
                taints: by_policy(base, &self.known.taints),
                device,
                source: "recovered",
                code: event.code,
                message: &event.message,
                occurrences: 1,
                seconds: 0,
            })
        });
        let answer: Result<Vec<Vec<Change>>, String> = answers.collect();
        let judged = rule.policy.is_some() && answer.is_ok();
        let standing = &self.known.conditions;
        let called_for = |taint: &Taint| {
            standing.iter().any(|one| {
                one.concerns(taint) && rule.built_in(&one.source, one.code).key == taint.key
            })
        };
        let is_well: BTreeSet<&str> = devices.iter().map(|at| name_at(base, *at)).collect();
        let announced: BTreeSet<&str> = (0..base.devices.len())
            .map(|at| name_at(base, at))
            .collect();
        self.known.taints.retain(|taint| {
            if !announced.contains(taint.device.as_str()) {
                return match &event.unit {
                    Some(unit) => *unit != taint.unit,
                    None => !passed.contains(&taint.key),
                };
            }
            if !is_well.contains(taint.device.as_str()) {
                return true;
            }
            // What a policy set is its own to clear, unless nobody is there to do it.
            if taint.by_policy {
                judged
            } else {
                !passed.contains(&taint.key) || called_for(taint)
            }
        });
        let changes = answer?.into_iter().flatten().collect();
        self.change(base, changes, &event.message, true, now);
        Ok(())
    }

    /// Judges what happened for the devices for which it was not judged yet.
    ///
    /// # Errors
    /// Why the policy did not judge; the built-in rule did.
    pub(super) fn judge(
        &mut self,
        base: &Announced,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<(), String> {
        let mut outcome = Ok(());
        for at in 0..self.known.conditions.len() {
            let Some(condition) = self.known.conditions.get(at) else {
                break;
            };
            let devices = affected(base, condition.unit.as_ref(), condition.part.as_deref());
            let open: Vec<usize> = devices
                .into_iter()
                .filter(|device| !condition.judged.contains(name_at(base, *device)))
                .collect();
            let message = condition.message.clone();
            let asked: Vec<Option<usize>> = match condition.unit {
                None if !open.is_empty() => vec![None],
                None => Vec::new(),
                Some(_) => open.iter().copied().map(Some).collect(),
            };
            for device in asked {
                let Some(condition) = self.known.conditions.get(at) else {
                    break;
                };
                let seconds = now.as_second().saturating_sub(condition.first.as_second());
                let question = Question {
                    devices: names(base),
                    taints: by_policy(base, &self.known.taints),
                    device,
                    source: &condition.source,
                    code: condition.code,
                    message: &condition.message,
                    occurrences: condition.occurrences,
                    seconds: u64::try_from(seconds).unwrap_or(0),
                };
                let answer = rule.of_policy(&question);
                let mark = rule.built_in(&condition.source, condition.code);
                let built_in = || {
                    let on = device.map_or_else(|| open.clone(), |device| vec![device]);
                    on.into_iter()
                        .map(|device| Change::Set {
                            device,
                            mark: mark.clone(),
                        })
                        .collect()
                };
                match answer {
                    Some(Ok(changes)) => self.change(base, changes, &message, true, now),
                    Some(Err(reason)) => {
                        outcome = Err(reason);
                        self.change(base, built_in(), &message, false, now);
                    }
                    None => self.change(base, built_in(), &message, false, now),
                }
            }
            if let Some(condition) = self.known.conditions.get_mut(at) {
                let judged = open.iter().map(|device| name_at(base, *device).to_owned());
                condition.judged.extend(judged);
            }
        }
        outcome
    }

    fn change(
        &mut self,
        base: &Announced,
        changes: Vec<Change>,
        message: &str,
        by_policy: bool,
        now: Timestamp,
    ) {
        let taints = &mut self.known.taints;
        for change in changes {
            match change {
                Change::Clear { device, key } => {
                    let name = name_at(base, device);
                    taints.retain(|one| !(one.by_policy && one.device == name && one.key == key));
                }
                Change::Set { device, mark } => {
                    let Some(AnnouncedDevice { device, unit }) = base.devices.get(device) else {
                        continue;
                    };
                    let Mark { key, value, effect } = mark;
                    let effect = announcement::effect(effect).to_owned();
                    let of_device = |one: &&Taint| one.device == device.name;
                    let before = taints.iter().filter(of_device).find(|one| one.key == key);
                    // A worse one is a new one: evictions count from when it was added.
                    let same = before.filter(|one| one.effect == effect);
                    let since = same.map_or(now, |one| one.since);
                    if before.is_none() && taints.iter().filter(of_device).count() >= MOST_TAINTS {
                        tracing::warn!(device = %device.name, key, "a device has {MOST_TAINTS} taints for its health, and gets no more");
                        continue;
                    }
                    taints.retain(|one| !(one.device == device.name && one.key == key));
                    taints.push(Taint {
                        device: device.name.clone(),
                        unit: unit.clone(),
                        key,
                        value,
                        effect,
                        since,
                        message: message.to_owned(),
                        by_policy,
                    });
                }
            }
        }
    }

    /// What is announced, with the taints of its health.
    pub(super) fn taint(&self, base: &Announced) -> Announced {
        let mut announced = base.clone();
        for AnnouncedDevice { device, .. } in &mut announced.devices {
            for taint in self.of(&device.name) {
                let taints = device.taints.get_or_insert_default();
                taints.retain(|one| one.key != taint.key);
                taints.push(DeviceTaint {
                    key: taint.key.clone(),
                    value: (!taint.value.is_empty()).then(|| taint.value.clone()),
                    effect: taint.effect.clone(),
                    time_added: Some(Time(taint.since)),
                });
            }
        }
        announced
    }

    /// Why a device is not to be used: the latest word about it. `None`: it is well.
    pub(super) fn complaint(&self, device: &str) -> Option<&str> {
        let mut bad = self.of(device).filter(|taint| taint.effect != "None");
        bad.next_back().map(|taint| taint.message.as_str())
    }

    fn of(&self, device: &str) -> impl DoubleEndedIterator<Item = &Taint> {
        let taints = self.known.taints.iter();
        taints.filter(move |taint| taint.device == device)
    }
}

fn known(file: &Path) -> Result<Known, String> {
    let text = folder::read(file, MOST_BYTES).map_err(|error| error.to_string())?;
    let Some(text) = text else {
        return Ok(Known::default());
    };
    let known: Known = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if known.version > VERSION {
        return Err(format!(
            "it is of form {}, and this release reads {VERSION}",
            known.version
        ));
    }
    Ok(known)
}

/// The announced devices that something is about.
fn affected(base: &Announced, unit: Option<&UnitId>, part: Option<&str>) -> Vec<usize> {
    let part = part.filter(|part| base.devices.iter().any(|one| one.device.name == *part));
    let devices = base.devices.iter().enumerate();
    devices
        .filter(|(_, one)| unit.is_none_or(|unit| *unit == one.unit))
        .filter(|(_, one)| part.is_none_or(|part| part == one.device.name))
        .map(|(at, _)| at)
        .collect()
}

fn names(base: &Announced) -> Vec<Arc<str>> {
    let devices = base.devices.iter();
    devices
        .map(|one| Arc::from(one.device.name.as_str()))
        .collect()
}

fn name_at(base: &Announced, at: usize) -> &str {
    base.devices
        .get(at)
        .map(|one| one.device.name.as_str())
        .unwrap_or_default()
}

/// The taints that a policy set on devices that are announced.
fn by_policy(base: &Announced, taints: &[Taint]) -> Vec<(usize, String, TaintEffect)> {
    let by_policy = taints.iter().filter(|taint| taint.by_policy);
    by_policy
        .filter_map(|taint| {
            let mut devices = base.devices.iter();
            let at = devices.position(|one| one.device.name == taint.device)?;
            let effect = match taint.effect.as_str() {
                "NoSchedule" => TaintEffect::NoSchedule,
                "NoExecute" => TaintEffect::NoExecute,
                _ => TaintEffect::None,
            };
            Some((at, taint.key.clone(), effect))
        })
        .collect()
}
