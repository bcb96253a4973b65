//! The policies that are serving, by the administrator's names for them.
//!
//! A policy can be replaced while it serves. When the new one is refused the old one goes on, and the
//! reason stays readable until a replacement succeeds. Calls that are under way finish on the version
//! they began with.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::counts::Counts;
use super::digest::Digest;
use super::engine::Engine;
use super::limits::Limits;
use super::load::LoadError;
use super::loaded::Policy;

/// Why the latest version of a policy is not serving.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The component that was refused.
    pub digest: Digest,
    /// Why.
    pub error: LoadError,
}

/// How a policy is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// The version that serves: the last good one.
    pub serving: Option<Policy>,
    /// Why a later one does not, if there is a later one.
    pub refused: Option<Refused>,
}

#[derive(Debug, Default)]
struct Slot {
    serving: Option<Policy>,
    refused: Option<Refused>,
    counts: Arc<Counts>,
}

/// The policies of one host.
#[derive(Debug)]
pub struct Registry {
    engine: Engine,
    slots: RwLock<BTreeMap<Arc<str>, Slot>>,
}

impl Registry {
    /// A registry without policies.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            slots: RwLock::default(),
        }
    }

    /// Loads a policy under a name, in place of what served under it. When it is refused, what served
    /// goes on serving. Compiles on the calling thread, with nothing locked meanwhile.
    pub fn load(
        &self,
        name: &str,
        bytes: &[u8],
        settings: &str,
        limits: Limits,
    ) -> Result<Policy, LoadError> {
        let loaded = Policy::load(&self.engine, bytes, settings, limits);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(name.into()).or_default();
        match loaded {
            Ok(policy) => {
                let policy = Policy {
                    counts: Arc::clone(&slot.counts),
                    ..policy
                };
                slot.serving = Some(policy.clone());
                slot.refused = None;
                Ok(policy)
            }
            Err(error) => {
                slot.refused = Some(Refused {
                    digest: Digest::of(bytes),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    /// The policy that serves under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Policy> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)?
            .serving
            .clone()
    }

    /// How the policy of a name is doing; none if nothing was ever loaded under it.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Status> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(name)?;
        Some(Status {
            serving: slot.serving.clone(),
            refused: slot.refused.clone(),
        })
    }

    /// The names under which anything was loaded.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        self.slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// Forgets a policy. Calls that are under way finish.
    pub fn remove(&self, name: &str) {
        self.slots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}
