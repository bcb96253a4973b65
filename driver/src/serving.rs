//! The policies that serve this node, and which of them serves what.
//!
//! They come from the configuration file and from a folder that components are dropped into
//! ([`Origin`]); both are watched. Reading and compiling happen aside from the requests, and what
//! changed serves from the next call on: a call that is under way finishes on the version it began
//! with. A component or a configuration that is refused is reported, and what served goes on serving.
//!
//! Rules decide as they do for placement, first match first, with one difference: placing and
//! configuring are different trades, so a rule is passed over for a hook that its policy does not
//! have. One request can thus be placed by one policy and configured by another.

mod refresh;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use supercargo_host::allocator::Allocator;
use supercargo_host::configuration::{Configuration, PolicyEntry, Rule};
use supercargo_host::journal::{Question, Recorded, Recorder, Reply, Subject, Verdict};
use supercargo_host::placement::Placement;
use supercargo_host::policy::{CountsSnapshot, Digest, Engine, Hook, Policy, Registry, Status};

use crate::journal::{Journal, JournalError};
use crate::policies::PolicyError;
use refresh::Files;
pub use watch::watch;

/// The hooks that have to do with a claim on its node. A policy that has one of them configures what a
/// rule maps to it.
const CONFIGURING: [Hook; 3] = [Hook::Validate, Hook::Prepare, Hook::Unprepare];

/// Where policies come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The configuration file.
    pub configuration: Option<PathBuf>,
    /// The folder of components. Files named in the configuration are looked for here; any other
    /// `NAME.wasm` is a policy of its own, called `NAME`, without settings and grants, that serves what
    /// no rule of the configuration is for.
    pub folder: Option<PathBuf>,
}

/// A policy that serves, and what the administrator wrote about it.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The policy.
    pub policy: Policy,
    /// Its entry in the configuration: name and grants.
    pub entry: Arc<PolicyEntry>,
    /// Who writes down what it decides, if anybody does.
    pub recorder: Option<Arc<dyn Recorder>>,
}

impl Serving {
    /// Writes a decision down, where a journal is kept.
    pub fn record(&self, decision: impl FnOnce() -> (Subject, Question, Reply, Verdict)) {
        if let Some(recorder) = &self.recorder {
            let (subject, question, reply, verdict) = decision();
            let name = &self.entry.name;
            recorder.record(Recorded::new(
                name,
                &self.policy,
                subject,
                question,
                reply,
                verdict,
            ));
        }
    }
}

/// A request that a policy may serve.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its device class.
    pub class: &'a str,
    /// The namespace of its claim.
    pub namespace: &'a str,
    /// The labels of its claim.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

/// A rule names a policy of which no version could ever be loaded. What it would have done for the
/// claim is not known, so the claim cannot go on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy} does not serve: {reason}")]
pub struct NotServing {
    /// The policy's name.
    pub policy: String,
    /// Why it does not.
    pub reason: String,
}

/// What came of reading configuration and components again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The configuration was read.
    Configured,
    /// The configuration was refused, and the last good one holds.
    ConfigurationRefused {
        /// What is wrong, with file and line.
        reason: String,
    },
    /// A component serves from the next call on.
    Serves {
        /// The policy's name.
        policy: String,
        /// The component.
        digest: Digest,
    },
    /// A component was refused.
    Refused {
        /// The policy's name.
        policy: String,
        /// What is wrong, with the file.
        reason: String,
        /// The component that goes on serving.
        last_good: Option<Digest>,
    },
    /// A policy is no longer wanted.
    Removed {
        /// Its name.
        policy: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => write!(out, "the configuration was read"),
            Self::ConfigurationRefused { reason } => {
                write!(
                    out,
                    "the new configuration is refused, the earlier one holds: {reason}"
                )
            }
            Self::Serves { policy, digest } => write!(out, "policy {policy} serves ({digest})"),
            Self::Refused {
                policy,
                reason,
                last_good: Some(digest),
            } => write!(
                out,
                "a new version of policy {policy} is refused, {digest} goes on serving: {reason}"
            ),
            Self::Refused { policy, reason, .. } => {
                write!(
                    out,
                    "policy {policy} is refused and does not serve: {reason}"
                )
            }
            Self::Removed { policy } => write!(out, "policy {policy} is removed"),
        }
    }
}

/// How one policy is doing.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The policy's name.
    pub name: Arc<str>,
    /// The version that serves, and why a later one does not.
    pub status: Status,
    /// What it did so far.
    pub counts: CountsSnapshot,
}

/// What of claims makes a difference to policies or rules, besides their specs: claims that are alike in it are
/// placed alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToldApartBy {
    /// The name.
    pub name: bool,
    /// The namespace.
    pub namespace: bool,
    /// The labels.
    pub labels: bool,
}

/// The policies of this node.
#[derive(Debug)]
pub struct Policies {
    driver: String,
    registry: Arc<Registry>,
    table: RwLock<Arc<Table>>,
    files: Mutex<Files>,
    journal: Option<Arc<Journal>>,
}

/// What the administrator wrote, as it holds now.
#[derive(Debug)]
struct Table {
    configuration: Configuration,
    entries: BTreeMap<String, Arc<PolicyEntry>>,
    /// Why policies without any version do not serve.
    absent: BTreeMap<String, String>,
}

impl Policies {
    /// No policies yet; [`Policies::refresh`] loads them.
    ///
    /// # Errors
    /// A configuration that is wrong from the start.
    pub fn new(driver: &str, engine: Engine, origin: Origin) -> Result<Self, PolicyError> {
        let files = Files::open(origin)?;
        Ok(Self {
            driver: driver.to_owned(),
            registry: Arc::new(Registry::new(engine)),
            table: RwLock::new(Arc::new(Table::new(
                &Configuration::none(),
                BTreeMap::new(),
            ))),
            files: Mutex::new(files),
            journal: None,
        })
    }

    /// Has what policies decide written down in this journal, if there is to be one, and every component
    /// that serves from now on put beside it.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn recorded_in(mut self, journal: Option<&Path>) -> Result<Self, JournalError> {
        if let Some(file) = journal {
            self.journal = Some(Arc::new(Journal::open(file)?));
        }
        Ok(self)
    }

    /// Reads again what changed since the last time, and says what came of it. Blocks, and takes as
    /// long as compiling does; calls to policies go on meanwhile.
    pub fn refresh(&self) -> Vec<Change> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (table, changes) = files.refresh(&self.registry, self.journal.as_deref());
        if let Some(table) = table {
            *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        }
        changes
    }

    /// The folders in which a change may concern a policy.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .folders()
    }

    /// The policy that configures what a request got, if any.
    ///
    /// # Errors
    /// The rules name one that does not serve.
    pub fn configuring(&self, asked: Asked<'_>) -> Result<Option<Serving>, NotServing> {
        let table = self.table();
        let found = configuring(
            &table.configuration.rules,
            &self.registry,
            &self.driver,
            asked,
        );
        let found = found.map_err(|absent| NotServing {
            policy: absent.to_owned(),
            reason: table
                .absent
                .get(absent)
                .cloned()
                .unwrap_or_else(|| "it was removed just now".to_owned()),
        })?;
        Ok(found.and_then(|(name, policy)| self.serving(&table, name, policy)))
    }

    /// The policy that has a hook about all of the node's devices (`publish`, `assess`): the first for
    /// this driver that has it. One that the rules name and that does not serve is passed over, for
    /// what its hooks are is not known, and a node that announces nothing helps nobody.
    #[must_use]
    pub fn of_inventory(&self, hook: Hook) -> Option<Serving> {
        let table = self.table();
        let rules = table.configuration.rules.iter();
        let (name, policy) = rules
            .filter(|rule| rule.drivers.is_empty() || rule.drivers.contains(&self.driver))
            .filter_map(|rule| Some((&rule.policy, self.registry.get(&rule.policy)?)))
            .find(|(_, policy)| policy.description().hooks.contains(&hook))?;
        self.serving(&table, name, policy)
    }

    /// What places claims on these devices by the rules as they hold now.
    #[must_use]
    pub fn placement(&self, allocator: Arc<Allocator>) -> Placement {
        let registry = Arc::clone(&self.registry);
        let placement = Placement::new(allocator, &self.table().configuration, registry);
        match self.recorder() {
            Some(recorder) => placement.recorded_by(recorder),
            None => placement,
        }
    }

    /// What of claims, besides their specs, some policy wants to know or some rule goes by.
    #[must_use]
    pub fn told_apart_by(&self) -> ToldApartBy {
        let names = self.registry.names();
        let serving = names.iter().filter_map(|name| self.registry.get(name));
        let mut by = ToldApartBy::default();
        for policy in serving {
            let interests = &policy.description().interests;
            by.name |= interests.claim_name;
            by.namespace |= interests.namespace;
        }
        for rule in &self.table().configuration.rules {
            by.namespace |= !rule.namespaces.is_empty();
            by.labels |= !rule.claim_labels.is_empty();
        }
        by
    }

    /// The policy of a name, as it serves now.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Serving> {
        let policy = self.registry.get(name)?;
        self.serving(&self.table(), name, policy)
    }

    /// How every policy is doing, by name.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        let names = self.registry.names();
        names
            .into_iter()
            .filter_map(|name| {
                let status = self.registry.status(&name)?;
                let counts = status
                    .serving
                    .as_ref()
                    .map(|policy| policy.counts().snapshot())
                    .unwrap_or_default();
                Some(Condition {
                    name,
                    status,
                    counts,
                })
            })
            .collect()
    }

    fn serving(&self, table: &Table, name: &str, policy: Policy) -> Option<Serving> {
        Some(Serving {
            policy,
            entry: Arc::clone(table.entries.get(name)?),
            recorder: self.recorder(),
        })
    }

    fn recorder(&self) -> Option<Arc<dyn Recorder>> {
        let journal = self.journal.as_ref()?;
        Some(Arc::clone(journal) as Arc<dyn Recorder>)
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The policy that configures what a request got from this driver, if any, and its name: that of the first
/// rule that matches and whose policy has a hook for it.
///
/// # Errors
/// The name of a policy that the rules want and the registry does not have.
pub fn configuring<'r>(
    rules: &'r [Rule],
    registry: &Registry,
    driver: &str,
    asked: Asked<'_>,
) -> Result<Option<(&'r str, Policy)>, &'r str> {
    for rule in rules {
        if !rule.matches(
            asked.class,
            asked.namespace,
            asked.labels,
            [driver].into_iter(),
        ) {
            continue;
        }
        let policy = registry.get(&rule.policy).ok_or(rule.policy.as_str())?;
        let has = |hook: &Hook| policy.description().hooks.contains(hook);
        if CONFIGURING.iter().any(has) {
            return Ok(Some((&rule.policy, policy)));
        }
    }
    Ok(None)
}

impl Table {
    fn new(configuration: &Configuration, absent: BTreeMap<String, String>) -> Self {
        Self {
            configuration: configuration.clone(),
            entries: configuration
                .policies
                .iter()
                .map(|entry| (entry.name.clone(), Arc::new(entry.clone())))
                .collect(),
            absent,
        }
    }
}
