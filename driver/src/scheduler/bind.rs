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

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use k8s_openapi::api::resource::v1::{
    AllocationResult, ResourceClaim, ResourceClaimConsumerReference,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{ApiResource, GroupVersionKind, PostParams};
use serde_json::{Value, json};
use supercargo_host::scheduling::reservation::{FINALIZER, MAX_CONSUMERS};
use supercargo_host::scheduling::{claim_name, extended};
use tokio::sync::OwnedMutexGuard;
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
use crate::kubernetes::api::{ApiError, Operation, Part, ResourceApi, within};

/// Who the fields belong to.
const MANAGER: &str = "supercargo-scheduler";
/// How often a claim that somebody else changed is read again.
const TRIES: usize = 8;
/// How long a request may be under way in the API server, whose own limit is a minute.
pub const SETTLED: Duration = Duration::from_secs(70);
/// How long one call waits for devices to get ready; the scheduler calls again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pods that are being worked on.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<Mutex<Pods>>);

#[derive(Debug, Default)]
struct Pods {
    held: HashSet<String>,
    /// Pods that may yet get bound by a request that was not answered, and since when.
    unanswered: HashMap<String, Instant>,
}

/// A pod that is being worked on, by nobody else.
#[derive(Debug)]
pub struct Hold {
    busy: Busy,
    uid: String,
}

impl Busy {
    /// Takes a pod; `None` if somebody else has it.
    #[must_use]
    pub fn hold(&self, uid: &str) -> Option<Hold> {
        let mut pods = self.pods();
        pods.held.insert(uid.to_owned()).then(|| Hold {
            busy: self.clone(),
            uid: uid.to_owned(),
        })
    }

    /// Whether nobody works on any pod.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pods().held.is_empty()
    }

    /// Whether a request may be under way in the API server that binds the pod.
    #[must_use]
    pub fn is_unanswered(&self, uid: &str) -> bool {
        let since = self.pods().unanswered.get(uid).copied();
        since.is_some_and(|since| since.elapsed() < SETTLED)
    }

    fn may_be_bound(&self, uid: &str) {
        let mut pods = self.pods();
        pods.unanswered.retain(|_, since| since.elapsed() < SETTLED);
        pods.unanswered.insert(uid.to_owned(), Instant::now());
    }

    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.busy.pods().held.remove(&self.uid);
    }
}

/// Whose turn it is to write to a claim that pods share: hundreds may come at once, and if all wrote, each would
/// make the others' writes conflicts.
#[derive(Debug, Clone, Default)]
struct Turns(Arc<Mutex<HashMap<String, Weak<Turn>>>>);

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    /// Waits for one's turn at a claim. It ends when the answer is dropped.
    async fn at(&self, uid: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = turns.get(uid).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                turns.retain(|_, turn| turn.strong_count() > 0);
                let turn = Arc::default();
                turns.insert(uid.to_owned(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

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

    /// The finalizer, then allocation and reservation. `decided` is the claim with its allocation.
    async fn write_allocation(
        &self,
        decided: &ResourceClaim,
        pod: &Pod,
    ) -> Result<ResourceClaim, Failure> {
        let mut allocation = decided
            .status
            .as_ref()
            .and_then(|status| status.allocation.clone())
            .unwrap_or_default();
        if results(decided).any(|result| result.binding_conditions.is_some()) {
            // The API server keeps whole seconds.
            let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
            allocation.allocation_timestamp = Some(Time(now));
        }
        let (namespace, name) = place(decided);
        let seen = self.state.unassumed(uid(decided));
        let mut claim = match seen {
            Some(claim) => (*claim).clone(),
            None => return Err(Failure::Definite(format!("{namespace}/{name} is gone"))),
        };
        let mut last = Failure::Definite(String::new());
        for _ in 0..TRIES {
            let metadata = &claim.metadata;
            let status = claim.status.as_ref();
            if status.and_then(|status| status.allocation.as_ref()) == Some(&allocation) {
                // A write that was not answered did happen.
                self.state.wrote(claim.clone());
                return Ok(claim);
            }
            if metadata.deletion_timestamp.is_some() || has_allocation(&claim) {
                if has_allocation(&claim) {
                    // Whoever's it is, its devices are taken.
                    self.state.wrote(claim);
                }
                return Err(Failure::Definite(format!(
                    "{namespace}/{name} was allocated or deleted by somebody else"
                )));
            }
            let finalizers = metadata.finalizers.clone().unwrap_or_default();
            let written = if finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
                let users = users_with(&claim, pod);
                let status = json!({"allocation": allocation, "reservedFor": users});
                let patch = guarded(&claim, json!({}), Some(status));
                self.patch(&claim, Part::Status, &patch).await
            } else {
                let finalizers = finalizers.iter().map(String::as_str);
                let with: Vec<&str> = finalizers.chain([FINALIZER]).collect();
                let patch = guarded(&claim, json!({"finalizers": with}), None);
                self.patch(&claim, Part::Object, &patch).await
            };
            claim = match written {
                // As the server keeps it, which may be less than was written.
                Ok(now) if has_allocation(&now) => {
                    fault::reached("allocated");
                    self.state.wrote(now.clone());
                    return Ok(now);
                }
                Ok(now) => {
                    fault::reached("finalizer");
                    now
                }
                // Also when there was no answer: written twice, it is the same allocation.
                Err(error) => {
                    last = retry(error).map_err(|it| it.or(&last))?;
                    let now = self.read_again(&claim).await;
                    now.map_err(|it| it.or(&last))?
                        .ok_or_else(|| Failure::Definite(format!("{namespace}/{name} is gone")))?
                }
            };
        }
        Err(last)
    }

    /// Makes a pod one of an allocated claim's users; `None` if it is one.
    async fn reserve(
        &self,
        known: &ResourceClaim,
        pod: &Pod,
    ) -> Result<Option<ResourceClaim>, Failure> {
        let _turn = self.turns.at(uid(known)).await;
        let (namespace, name) = place(known);
        let mut claim = self.latest(known);
        let mut last = Failure::Definite(String::new());
        let mut written = false;
        for _ in 0..TRIES {
            let users = users(&claim);
            if users.iter().any(|user| user.uid == pod.uid) {
                return Ok(written.then_some(claim));
            }
            if claim.metadata.deletion_timestamp.is_some()
                || allocation(&claim) != allocation(known)
            {
                return Err(Failure::Definite(format!(
                    "{namespace}/{name} was released meanwhile"
                )));
            }
            if users.len() >= MAX_CONSUMERS {
                return Err(Failure::Definite(format!(
                    "{namespace}/{name} is reserved for {MAX_CONSUMERS} pods, the most there may be"
                )));
            }
            let status = json!({"reservedFor": users_with(&claim, pod)});
            let patch = guarded(&claim, json!({}), Some(status));
            written = true;
            claim = match self.patch(&claim, Part::Status, &patch).await {
                Ok(now) => {
                    self.state.wrote(now.clone());
                    now
                }
                Err(error) => {
                    last = retry(error).map_err(|it| it.or(&last))?;
                    let now = self.read_again(&claim).await;
                    now.map_err(|it| it.or(&last))?
                        .ok_or_else(|| Failure::Definite(format!("{namespace}/{name} is gone")))?
                }
            };
        }
        Err(last)
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

    /// Takes pods from a claim's users. Without users it has no allocation any more, either.
    pub async fn release(&self, claim: &ResourceClaim, pods: &[&str]) -> Result<(), Failure> {
        let _turn = self.turns.at(uid(claim)).await;
        let mut claim = self.latest(claim);
        let mut last = String::new();
        for _ in 0..TRIES {
            let mut left = users(&claim);
            let before = left.len();
            left.retain(|user| !pods.contains(&user.uid.as_str()));
            let unused = left.is_empty() && has_allocation(&claim);
            if left.len() == before && !unused {
                return Ok(());
            }
            let status = match left.is_empty() {
                true => json!({"allocation": null, "reservedFor": null}),
                false => json!({"reservedFor": left}),
            };
            let patch = guarded(&claim, json!({}), Some(status));
            match self.patch(&claim, Part::Status, &patch).await {
                Ok(now) => {
                    fault::reached("released");
                    self.state.wrote(now.clone());
                    if left.is_empty() {
                        self.unprotect(now).await;
                    }
                    return Ok(());
                }
                Err(ApiError::Conflict { message, .. }) => {
                    last = message;
                    match self.read_again(&claim).await? {
                        Some(now) => claim = now,
                        // It is gone, and its devices with it.
                        None => return Ok(()),
                    }
                }
                Err(ApiError::NotFound { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Definite(last))
    }

    /// Removes the finalizer. Where that fails it does no harm: whoever deletes the claim waits for nobody.
    async fn unprotect(&self, claim: ResourceClaim) {
        let finalizers = claim.metadata.finalizers.iter().flatten();
        let without: Vec<&String> = finalizers.filter(|it| *it != FINALIZER).collect();
        let patch = guarded(&claim, json!({"finalizers": without}), None);
        match self.patch(&claim, Part::Object, &patch).await {
            Ok(now) => self.state.wrote(now),
            Err(error) => tracing::debug!(%error, "the finalizer stays"),
        }
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

    async fn patch(
        &self,
        claim: &ResourceClaim,
        part: Part,
        patch: &Value,
    ) -> Result<ResourceClaim, ApiError> {
        let operation = Operation::new("patch", "resource.k8s.io", "resourceclaims/status");
        self.may_write(operation)?;
        let (namespace, name) = place(claim);
        let write = (self.api).patch_claim(&namespace, &name, part, MANAGER, patch);
        timeout(self.write_within, write)
            .await
            .unwrap_or(Err(ApiError::TimedOut {
                operation,
                seconds: self.write_within.as_secs(),
            }))
    }

    /// Right before every write: the process may have been stopped since it was last asked.
    fn may_write(&self, operation: Operation) -> Result<(), ApiError> {
        match self.leadership.holds() {
            true => Ok(()),
            false => Err(ApiError::Refused {
                operation,
                message: "this replica does not lead any more".to_owned(),
            }),
        }
    }

    /// A claim as it is known now, which may be newer than when it was decided about.
    fn latest(&self, claim: &ResourceClaim) -> ResourceClaim {
        let (namespace, name) = place(claim);
        let known = self.state.claim(&namespace, &name);
        let known = known.filter(|known| uid(known) == uid(claim));
        known.map_or_else(|| claim.clone(), |known| (*known).clone())
    }

    /// A claim as the API server has it now; `None`: it is gone, and another one may have its name.
    async fn read_again(&self, claim: &ResourceClaim) -> Result<Option<ResourceClaim>, Failure> {
        let (namespace, name) = place(claim);
        match self.api.claim(&namespace, &name).await {
            Ok(now) => Ok(Some(now).filter(|now| now.metadata.uid == claim.metadata.uid)),
            Err(ApiError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A step that failed.
#[derive(Debug)]
pub enum Failure {
    /// It did not happen.
    Definite(String),
    /// It may have happened.
    Open(String),
}

/// What is worth another try: a claim that somebody else changed, and a write without an answer.
fn retry(error: ApiError) -> Result<Failure, Failure> {
    let conflict = matches!(error, ApiError::Conflict { .. });
    let failure = Failure::from(error);
    match conflict || failure.is_open() {
        true => Ok(failure),
        false => Err(failure),
    }
}

impl Failure {
    /// This failure; but as open as the one before it.
    fn or(self, before: &Self) -> Self {
        match (self, before) {
            (Self::Definite(message), Self::Open(_)) => Self::Open(message),
            (failure, _) => failure,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let message = error.to_string();
        match error {
            ApiError::TimedOut { .. }
            | ApiError::Unavailable { .. }
            | ApiError::Unreadable { .. } => Self::Open(message),
            _ => Self::Definite(message),
        }
    }
}

fn uid(claim: &ResourceClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}

fn place(claim: &ResourceClaim) -> (String, String) {
    (
        claim.metadata.namespace.clone().unwrap_or_default(),
        claim.metadata.name.clone().unwrap_or_default(),
    )
}

fn allocation(claim: &ResourceClaim) -> Option<&AllocationResult> {
    claim.status.as_ref()?.allocation.as_ref()
}

fn has_allocation(claim: &ResourceClaim) -> bool {
    allocation(claim).is_some()
}

fn users(claim: &ResourceClaim) -> Vec<ResourceClaimConsumerReference> {
    let status = claim.status.as_ref();
    status
        .and_then(|status| status.reserved_for.clone())
        .unwrap_or_default()
}

fn users_with(claim: &ResourceClaim, pod: &Pod) -> Vec<ResourceClaimConsumerReference> {
    let mut users = users(claim);
    if !users.iter().any(|user| user.uid == pod.uid) {
        users.push(ResourceClaimConsumerReference {
            api_group: None,
            resource: "pods".to_owned(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
        });
    }
    users
}

/// A patch that holds only for the claim as it is known.
fn guarded(claim: &ResourceClaim, metadata: Value, status: Option<Value>) -> Value {
    let mut patch = json!({ "metadata": metadata });
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".to_owned(), json!(claim.metadata.uid));
        let version = json!(claim.metadata.resource_version);
        metadata.insert("resourceVersion".to_owned(), version);
    }
    if let (Some(status), Some(patch)) = (status, patch.as_object_mut()) {
        patch.insert("status".to_owned(), status);
    }
    patch
}
