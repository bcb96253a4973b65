//! The writes to claims: each carries the version of the claim that it was decided by, and each says whether it
//! did not happen or may have happened.

use jiff::Timestamp;
use k8s_openapi::api::resource::v1::{
    AllocationResult, ResourceClaim, ResourceClaimConsumerReference,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use supercargo_host::scheduling::reservation::{FINALIZER, MAX_CONSUMERS};
use tokio::time::timeout;

use super::{Binder, MANAGER};
use crate::claims::results;
use crate::fault;
use crate::kubernetes::api::{ApiError, Operation, Part};
use crate::scheduler::pod::Pod;

/// How often a claim that somebody else changed is read again.
const TRIES: usize = 8;

impl Binder {
    /// The finalizer, then allocation and reservation. `decided` is the claim with its allocation.
    pub(super) async fn write_allocation(
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
    pub(super) async fn reserve(
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
    pub(super) fn may_write(&self, operation: Operation) -> Result<(), ApiError> {
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

    pub(super) fn is_open(&self) -> bool {
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

pub(super) fn uid(claim: &ResourceClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn place(claim: &ResourceClaim) -> (String, String) {
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
