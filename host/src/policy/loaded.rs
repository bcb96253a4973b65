//! A policy that was loaded, and the questions it can be asked.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

use super::about::{Description, Hook};
use super::answer::Proposal;
use super::cache::Identity;
use super::configuration::{AllocatedClaim, CandidateParameters, Plan, Violation};
use super::counts::Counts;
use super::digest::Digest;
use super::domain::{Domain, NodeSet};
use super::engine::Engine;
use super::failure::CallError;
use super::guard::Guard;
use super::input::Situation;
use super::inventory::{Announcement, Hardware, Incident, TaintChange};
use super::limits::Limits;
use super::run::run;
use super::types::Refusal;
use super::verify;

/// A policy, ready to be asked. Cheap to clone; calls may run on many threads at once.
#[derive(Clone)]
pub struct Policy {
    pub(super) loaded: Arc<Loaded>,
    pub(super) counts: Arc<Counts>,
}

pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<Guard>,
    pub(super) functions: Functions,
    pub(super) description: Description,
    pub(super) identity: Arc<Identity>,
}

/// Where the hooks are that the policy implements.
#[derive(Debug, Default)]
pub(super) struct Functions(pub(super) Vec<(Hook, ComponentExportIndex)>);

impl Policy {
    /// Asks which devices a claim gets on a node.
    ///
    /// An answer was checked against the situation: every position in it exists, devices are of their
    /// request's list, counts add up and scores are 0 to 100. It is never empty. Equal situations are
    /// answered from the engine's memory. `until` can only shorten the deadline of the policy's limits.
    pub fn select(
        &self,
        situation: &Situation,
        until: Option<Instant>,
    ) -> Result<Arc<[Proposal]>, CallError> {
        let engine = self.loaded.engine.shared();
        let identity = &self.loaded.identity;
        let place = match engine.decisions.find(identity, situation) {
            Ok(decision) => {
                self.counts.hit();
                return decision.map_err(|refusal| self.failed(CallError::Refused(refusal)));
            }
            Err(place) => place,
        };
        if place.is_some() {
            self.counts.missed();
        }
        let answer: Result<Vec<Proposal>, Refusal> = self.ask(Hook::Select, situation, until)?;
        let decision = match answer {
            Ok(proposals) if proposals.is_empty() => Err(Refusal {
                reason: String::new(),
            }),
            Ok(proposals) => {
                verify::proposals(&proposals, situation, &identity.limits)
                    .map_err(|error| self.failed(error))?;
                Ok(Arc::from(proposals))
            }
            Err(refusal) => {
                verify::reason(&refusal.reason).map_err(|error| self.failed(error))?;
                Err(refusal)
            }
        };
        if let Some(place) = place {
            engine
                .decisions
                .remember(place, identity, situation, decision.clone());
        }
        decision.map_err(|refusal| self.failed(CallError::Refused(refusal)))
    }

    /// Asks which nodes a domain gets. Answers are checked as those of [`Policy::select`] are.
    pub fn place(
        &self,
        domain: &Domain,
        until: Option<Instant>,
    ) -> Result<Vec<NodeSet>, CallError> {
        let sets: Vec<NodeSet> = self.answer(Hook::Place, domain, until)?;
        self.checked(verify::node_sets(&sets, domain, self.limits()), sets)
    }

    /// Asks whether parameters are right: no violations means that they are.
    pub fn validate(
        &self,
        candidate: &CandidateParameters,
        until: Option<Instant>,
    ) -> Result<Vec<Violation>, CallError> {
        let violations: Vec<Violation> = self.ask(Hook::Validate, candidate, until)?;
        self.checked(verify::violations(&violations), violations)
    }

    /// Asks what must be done before a claim's containers start. The plan is readable, not granted.
    pub fn prepare(
        &self,
        claim: &AllocatedClaim,
        until: Option<Instant>,
    ) -> Result<Plan, CallError> {
        self.plan(Hook::Prepare, claim, until)
    }

    /// Asks what must be undone when a claim is over, beyond the inverse of what was done.
    pub fn unprepare(
        &self,
        claim: &AllocatedClaim,
        until: Option<Instant>,
    ) -> Result<Plan, CallError> {
        self.plan(Hook::Unprepare, claim, until)
    }

    /// Asks what a node announces.
    pub fn publish(
        &self,
        hardware: &Hardware,
        until: Option<Instant>,
    ) -> Result<Announcement, CallError> {
        let answer: Announcement = self.answer(Hook::Publish, hardware, until)?;
        self.checked(verify::announcement(&answer, hardware.units.len()), answer)
    }

    /// Asks what follows from a health event.
    pub fn assess(
        &self,
        incident: &Incident,
        until: Option<Instant>,
    ) -> Result<Vec<TaintChange>, CallError> {
        let changes: Vec<TaintChange> = self.answer(Hook::Assess, incident, until)?;
        self.checked(verify::taint_changes(&changes, incident), changes)
    }

    /// Who the policy says it is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.loaded.description
    }

    /// The digest of its component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.loaded.identity.digest
    }

    /// The settings it runs with, as JSON.
    #[must_use]
    pub fn settings(&self) -> &str {
        &self.loaded.identity.settings
    }

    /// The limits it runs with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.loaded.identity.limits
    }

    /// What it did so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn plan(
        &self,
        hook: Hook,
        claim: &AllocatedClaim,
        until: Option<Instant>,
    ) -> Result<Plan, CallError> {
        let plan: Plan = self.answer(hook, claim, until)?;
        self.checked(verify::plan(hook, &plan, claim.devices.len()), plan)
    }

    /// Asks a hook that may decline.
    fn answer<Q, A>(&self, hook: Hook, question: &Q, until: Option<Instant>) -> Result<A, CallError>
    where
        Q: Lower,
        for<'q> (&'q str, &'q Q): ComponentNamedList + Lower,
        (Result<A, Refusal>,): ComponentNamedList + Lift,
    {
        let answer: Result<A, Refusal> = self.ask(hook, question, until)?;
        answer.map_err(|refusal| {
            let error = verify::reason(&refusal.reason)
                .err()
                .unwrap_or(CallError::Refused(refusal));
            self.failed(error)
        })
    }

    fn ask<Q, A>(&self, hook: Hook, question: &Q, until: Option<Instant>) -> Result<A, CallError>
    where
        Q: Lower,
        for<'q> (&'q str, &'q Q): ComponentNamedList + Lower,
        (A,): ComponentNamedList + Lift,
    {
        let loaded = &*self.loaded;
        let Some((_, function)) = loaded
            .functions
            .0
            .iter()
            .find(|(implemented, _)| *implemented == hook)
        else {
            return Err(self.failed(CallError::NotImplemented(hook)));
        };
        let params = (&*loaded.identity.settings, question);
        let outcome = run(
            loaded.engine.shared(),
            &loaded.pre,
            function,
            params,
            &loaded.identity.limits,
            until,
        );
        self.counts.called(outcome.took, outcome.memory);
        outcome
            .answer
            .map(|(answer,)| answer)
            .map_err(|error| self.failed(error))
    }

    fn checked<A>(&self, verdict: Result<(), CallError>, answer: A) -> Result<A, CallError> {
        verdict.map(|()| answer).map_err(|error| self.failed(error))
    }

    /// Counts a failure on its way out.
    fn failed(&self, error: CallError) -> CallError {
        self.counts.failed(&error);
        error
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Policy")
            .field("name", &self.description().name)
            .field("version", &self.description().version)
            .field("digest", self.digest())
            .finish_non_exhaustive()
    }
}
