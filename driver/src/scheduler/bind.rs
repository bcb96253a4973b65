//! Bind: the devices are taken, written, and the pod is bound; or nothing of it stays.
//!
//! What the in-tree plugin does between Reserve and Bind is done here in the same order, for each pending
//! claim: the finalizer, then allocation and reservation in one write, and last the pod's binding. Every
//! write carries the version of the object that it was decided by, so a claim that somebody else changed
//! is read again rather than overwritten.
//!
//! A write that was refused did not happen, and everything before it is undone. A write without an answer
//! may have happened, or may still happen: its devices stay taken, and it is found out later what became of
//! it ([`heal`](super::heal)). A crash leaves at worst claims that are allocated and reserved for a pod that is
//! not bound. The next attempt at the pod completes that, for a claim's node selector leads it to the same
//! node; and if none comes, it is undone.

mod special;
mod turns;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::{ApiResource, GroupVersionKind, PostParams};
use serde_json::Value;
use supercargo_host::scheduling::{claim_name, extended};
use tokio::time::timeout;

use super::conditions::{self, Conditions};
use super::decide::{Decider, Taken};
use super::leader::Leadership;
use super::pod::{Pod, PodObject};
use super::service::NOBODY_LEADS;
use super::state::State;
use super::wire::BindArgs;
use crate::claims::results;
use crate::fault;
use crate::kubernetes::api::{ApiError, Operation, ResourceApi, within};
use turns::Turns;
pub use turns::{Busy, Hold};
pub use writes::Failure;
use writes::{place, uid};

/// Who the fields belong to.
const MANAGER: &str = "supercargo-scheduler";
/// How long a request may be under way in the API server, whose own limit is a minute.
pub const SETTLED: Duration = Duration::from_secs(70);
/// How long one call waits for devices to get ready; the scheduler calls again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a pod was not bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Nothing was written.
    #[error("{0}")]
    Refused(String),
    /// Something was written, and undone.
    #[error("{0}; what was written is undone")]
    Undone(String),
    /// Something was written, and could not be undone yet.
    #[error("{0}; what was written stays for now, and is completed or undone")]
    Open(String),
    /// The devices are being made ready.
    #[error("{0}")]
    Waits(String),
}

/// Binds pods.
#[derive(Debug, Clone)]
pub struct Binder {
    state: Arc<State>,
    decider: Arc<Decider>,
    api: ResourceApi,
    leadership: Leadership,
    write_within: Duration,
    busy: Busy,
    turns: Turns,
    /// The scheduler whose pods are bound with their claims.
    scheduler: String,
}

impl Binder {
    /// Binds by these decisions, while this process leads.
    #[must_use]
    pub fn new(
        state: Arc<State>,
        decider: Arc<Decider>,
        api: ResourceApi,
        leadership: Leadership,
        write_within: Duration,
        scheduler: String,
    ) -> Self {
        Self {
            state,
            decider,
            api,
            leadership,
            write_within,
            busy: Busy::default(),
            turns: Turns::default(),
            scheduler,
        }
    }

    /// Whether this replica may bind.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leadership.holds()
    }

    /// The pods that are being worked on.
    #[must_use]
    pub fn busy(&self) -> &Busy {
        &self.busy
    }

    /// Binds a pod to a node. `known` is the pod as Filter saw it.
    ///
    /// # Errors
    /// Why it is not bound, and what of it stays.
    pub async fn bind(&self, args: &BindArgs, known: Option<Pod>) -> Result<(), BindError> {
        let refused = BindError::Refused;
        if !self.leads() {
            return Err(refused(NOBODY_LEADS.to_owned()));
        }
        let Some(_hold) = self.busy.hold(&args.uid) else {
            return Err(refused("the pod is being worked on already".to_owned()));
        };
        let known = match known.or_else(|| self.state.pod(&args.uid).map(|pod| (*pod).clone())) {
            Some(pod) => pod,
            None => {
                let pod = self.read_pod(&args.namespace, &args.name, &args.uid).await;
                pod.map_err(|error| refused(error.to_string()))?
                    .ok_or_else(|| refused("the pod is gone".to_owned()))?
            }
        };
        if known.scheduler != self.scheduler || !known.may_claim() {
            let bound = self.bind_pod(args).await;
            return bound.map_err(|error| refused(error.to_string()));
        }
        let special = match self.make_special(&known, &args.node).await {
            Ok(special) => special,
            Err(Failure::Definite(why)) => return Err(refused(why)),
            Err(Failure::Open(why)) => return Err(BindError::Open(why)),
        };
        let bound = self.take_and_bind(args, &known).await;
        if special && let Err(BindError::Refused(_) | BindError::Undone(_)) = &bound {
            self.without_special(&known).await;
        }
        bound
    }

    async fn take_and_bind(&self, args: &BindArgs, pod: &Pod) -> Result<(), BindError> {
        let decider = Arc::clone(&self.decider);
        let (known, node) = (pod.clone(), args.node.clone());
        let taken = tokio::task::spawn_blocking(move || decider.take(&known, &node)).await;
        let taken = taken
            .unwrap_or_else(|_| Err("deciding ended early".to_owned()))
            .map_err(BindError::Refused)?;
        fault::reached("taken");
        self.carry_out(args, pod, taken).await
    }

    async fn carry_out(&self, args: &BindArgs, pod: &Pod, taken: Taken) -> Result<(), BindError> {
        let mut written: Vec<ResourceClaim> = Vec::new();
        let mut open: Vec<&Arc<ResourceClaim>> = taken.pending.iter().collect();
        open.reverse();
        while let Some(claim) = open.pop() {
            match self.write_allocation(claim, pod).await {
                Ok(claim) => written.push(claim),
                Err(failure) => {
                    let rest = open.iter().map(|claim| uid(claim).to_owned());
                    let mut forget: Vec<String> = rest.collect();
                    if !failure.is_open() {
                        forget.push(uid(claim).to_owned());
                    }
                    forget.iter().for_each(|uid| self.state.forget(uid));
                    return Err(self.undo(written, pod, failure).await);
                }
            }
        }
        for claim in &taken.allocated {
            match self.reserve(claim, pod).await {
                Ok(Some(claim)) => written.push(claim),
                Ok(None) => {}
                Err(failure) => return Err(self.undo(written, pod, failure).await),
            }
        }
        fault::reached("reserved");
        let mut claims = taken.pending.iter().chain(&taken.allocated);
        let special = claims.find(|claim| extended::is_special(claim));
        if (special.is_some() || pod.special.is_some())
            && let Err(failure) = self
                .name_special(pod, special.map(|it| &**it), &taken.mappings)
                .await
        {
            return Err(self.undo(written, pod, failure).await);
        }
        let claims = taken.pending.iter().chain(&taken.allocated);
        match self.ready(claims.map(|claim| &**claim)).await {
            Conditions::Met => {}
            Conditions::Waiting(why) => return Err(BindError::Waits(why)),
            Conditions::Failed(why) => {
                let all = self.as_written(&taken).await;
                return Err(self.undo(all, pod, Failure::Definite(why)).await);
            }
        }
        match self.bind_pod(args).await {
            Ok(()) => {
                fault::reached("bound");
                self.state.unnominate(&pod.uid);
                Ok(())
            }
            Err(error) => Err(self.undo(written, pod, error.into()).await),
        }
    }

    /// Undoes what was written for a pod, and says what stays.
    async fn undo(&self, written: Vec<ResourceClaim>, pod: &Pod, failure: Failure) -> BindError {
        let (open, message) = match failure {
            Failure::Definite(message) => (false, message),
            Failure::Open(message) => (true, message),
        };
        if open {
            return BindError::Open(message);
        }
        if written.is_empty() {
            return BindError::Refused(message);
        }
        for claim in written {
            if let Err(why) = self.release(&claim, &[&pod.uid]).await {
                let why = match why {
                    Failure::Definite(why) | Failure::Open(why) => why,
                };
                tracing::warn!(claim = claim_name(&claim), why, "cannot be released yet");
                return BindError::Open(message);
            }
        }
        BindError::Undone(message)
    }

    /// Whether the devices are ready, as far as they say how that is known.
    async fn ready<'a>(&self, claims: impl Iterator<Item = &'a ResourceClaim>) -> Conditions {
        let names: Vec<(String, String)> = claims
            .filter(|claim| results(claim).any(|result| result.binding_conditions.is_some()))
            .map(place)
            .collect();
        let now = || {
            let all = names
                .iter()
                .filter_map(|(ns, name)| self.state.claim(ns, name));
            conditions::of(all, Timestamp::now())
        };
        let wait = async {
            loop {
                match now() {
                    Conditions::Waiting(_) => tokio::time::sleep(PATIENCE / 20).await,
                    settled => return settled,
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| now())
    }

    /// All claims of a pod, as they are now.
    async fn as_written(&self, taken: &Taken) -> Vec<ResourceClaim> {
        let claims = taken.pending.iter().chain(&taken.allocated);
        let now = claims.filter_map(|claim| {
            let (namespace, name) = place(claim);
            self.state.claim(&namespace, &name)
        });
        now.map(|claim| (*claim).clone()).collect()
    }

    /// Creates the pod's binding. That it is bound there already is as good.
    async fn bind_pod(&self, args: &BindArgs) -> Result<(), ApiError> {
        let mut binding = Binding::default();
        binding.metadata.name = Some(args.name.clone());
        binding.metadata.namespace = Some(args.namespace.clone());
        binding.metadata.uid = Some(args.uid.clone());
        binding.target = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(args.node.clone()),
            ..ObjectReference::default()
        };
        let operation = Operation::new("create", "", "pods/binding");
        self.may_write(operation)?;
        let pods = self.pods(&args.namespace);
        let parameters = PostParams::default();
        let create =
            pods.create_subresource::<Binding, Value>("binding", &args.name, &parameters, &binding);
        let error = match timeout(self.write_within, within(operation, create)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => ApiError::TimedOut {
                operation,
                seconds: self.write_within.as_secs(),
            },
        };
        let now = self.read_pod(&args.namespace, &args.name, &args.uid).await;
        match now {
            Ok(Some(pod)) if pod.node == args.node => Ok(()),
            _ => {
                self.busy.may_be_bound(&args.uid);
                Err(error)
            }
        }
    }

    /// A pod as the API server has it; `None` if there is none of this UID.
    pub async fn read_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Option<Pod>, ApiError> {
        let operation = Operation::new("get", "", "pods");
        let pod = within(operation, self.pods(namespace).get_opt(name)).await?;
        Ok(pod.map(Pod::from).filter(|pod| pod.uid == uid))
    }

    /// The client below.
    pub(super) fn client(&self) -> kube::Client {
        self.api.client().clone()
    }

    /// The pods of a namespace.
    pub(super) fn pods(&self, namespace: &str) -> Api<PodObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        Api::namespaced_with(self.api.client().clone(), namespace, &resource)
    }
}
