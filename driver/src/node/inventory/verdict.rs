//! What follows from a health event: the policy's judgement, or the built-in rule.
//!
//! The built-in rule is that of NVIDIA's driver with its gaps closed: an event taints the device with
//! `<driver>/<what saw it>` and the event's number, `NoSchedule` where the hardware is at fault and
//! `None` where an application is, and the taint goes when the device is well again.

use std::sync::Arc;

use supercargo_host::journal::{Question as Written, Reply, Subject, Verdict};
use supercargo_host::names;
use supercargo_host::policy::CallError;
use supercargo_host::policy::inventory::{
    CurrentTaint, HealthEvent as Asked, Incident, TaintChange, TaintEffect,
};

use crate::node::slices::Owner;
use crate::serving::Serving;

/// Xids that an application causes: the GPU is as good as before.
const OF_APPLICATIONS: [i64; 6] = [13, 31, 43, 45, 68, 109];

/// Bytes of a message.
const MOST_MESSAGE: usize = 1024;

/// Who judges.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) owner: Owner,
    /// The policy that assesses, if one does.
    pub(super) policy: Option<Serving>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) effect: TaintEffect,
}

/// What changes; devices are positions in what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Set { device: usize, mark: Mark },
    Clear { device: usize, key: String },
}

/// What is asked of a policy.
#[derive(Debug)]
pub(super) struct Question<'a> {
    /// The names of all announced devices.
    pub(super) devices: Vec<Arc<str>>,
    /// The taints that a policy set: device, key, effect.
    pub(super) taints: Vec<(usize, String, TaintEffect)>,
    /// The device; `None`: all of the node.
    pub(super) device: Option<usize>,
    pub(super) source: &'a str,
    pub(super) code: i64,
    pub(super) message: &'a str,
    pub(super) occurrences: u32,
    pub(super) seconds: u64,
}

impl Rule {
    /// What the built-in rule says of a device that something happened to.
    pub(super) fn built_in(&self, source: &str, code: i64) -> Mark {
        let (what, value, effect) = match (source, code) {
            ("xid", code) if OF_APPLICATIONS.contains(&code) => {
                ("xid", code.to_string(), TaintEffect::None)
            }
            ("lost", _) => ("gpu-lost", String::new(), TaintEffect::NoSchedule),
            (source, 0) => (source, String::new(), TaintEffect::NoSchedule),
            (source, code) => (source, code.to_string(), TaintEffect::NoSchedule),
        };
        Mark {
            key: format!("{}/{what}", self.owner.driver),
            value,
            effect,
        }
    }

    /// What the policy says; `None`: there is no policy that says anything.
    ///
    /// # Errors
    /// It gave no answer, or one that cannot be announced: the built-in rule decides.
    pub(super) fn of_policy(&self, question: &Question<'_>) -> Option<Result<Vec<Change>, String>> {
        let serving = self.policy.as_ref()?;
        let name = &serving.policy.description().name;
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let taints = question.taints.iter();
        let incident = Incident {
            devices: question.devices.clone(),
            taints: taints
                .map(|(device, key, effect)| CurrentTaint {
                    device: position(*device),
                    key: Arc::from(key.as_str()),
                    effect: *effect,
                })
                .collect(),
            event: Asked {
                device: question.device.map(position),
                source: Arc::from(question.source),
                code: question.code,
                message: Arc::from(shortened(question.message)),
                occurrences: question.occurrences,
                seconds_since_first: question.seconds,
            },
        };
        let answer = serving.policy.assess(&incident, None);
        let reply = Reply::of(&answer, Reply::Changes);
        let mut verdict = Verdict::Accepted;
        let judged = match answer {
            Ok(changes) => self.read(changes).map_err(|problem| {
                verdict = Verdict::Refused(problem.clone());
                format!(
                    "policy {name}: what follows from {} {}: {problem}",
                    question.source, question.code
                )
            }),
            // It was asked and wants nothing done.
            Err(CallError::Refused(refusal)) => {
                tracing::info!(policy = %name, %refusal, "a health event was not judged");
                Ok(Vec::new())
            }
            Err(error) => Err(format!("policy {name}: {error}")),
        };
        serving.record(|| {
            let subject = self.subject(&question.devices);
            (subject, Written::Assess(incident), reply, verdict)
        });
        Some(judged)
    }

    fn subject(&self, devices: &[Arc<str>]) -> Subject {
        let Owner { driver, node } = &self.owner;
        let devices = devices.iter();
        Subject {
            node: node.clone(),
            devices: devices
                .map(|device| format!("{driver}/{node}/{device}"))
                .collect(),
            ..Subject::default()
        }
    }

    fn read(&self, changes: Vec<TaintChange>) -> Result<Vec<Change>, String> {
        let at = |device: u32| usize::try_from(device).unwrap_or(usize::MAX);
        let domain = format!("{}/", self.owner.driver);
        changes
            .into_iter()
            .map(|change| match change {
                TaintChange::Set(taint) => {
                    let key = &taint.key;
                    names::label_key(key).map_err(|rule| format!("the key {key:?} {rule}"))?;
                    if !key.starts_with(&domain) {
                        return Err(format!("the key {key:?} is not in the domain {domain}"));
                    }
                    let value = &taint.value;
                    names::label_value(value)
                        .map_err(|rule| format!("the value {value:?} {rule}"))?;
                    Ok(Change::Set {
                        device: at(taint.device),
                        mark: Mark {
                            key: taint.key,
                            value: taint.value,
                            effect: taint.effect,
                        },
                    })
                }
                TaintChange::Clear(cleared) => Ok(Change::Clear {
                    device: at(cleared.device),
                    key: cleared.key,
                }),
            })
            .collect()
    }
}

/// What of a message is kept.
pub(super) fn shortened(message: &str) -> &str {
    let end = message.floor_char_boundary(MOST_MESSAGE);
    message.get(..end).unwrap_or_default()
}
