//! The special claim for a pod's extended resources: made before its devices are taken, and named in the
//! pod's status before the pod is bound, for that is where the kubelet looks.
//!
//! It exists for this one attempt: where the attempt fails for good, it is deleted, and the pod's status is
//! as it was. An attempt that was cut short leaves it behind, and it says by itself whose it is (its owner)
//! and what for (its requests), so the next attempt goes on with it where it fits, and it is deleted where
//! no attempt comes ([`heal`](crate::scheduler::heal)).

use k8s_openapi::api::core::v1::ContainerExtendedResourceRequest;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use supercargo_host::scheduling::claim_name;

use super::{Binder, Failure, MANAGER, PodObject, place, uid};
use crate::fault;
use crate::kubernetes::api::{ApiError, Operation, within};
use crate::scheduler::pod::Pod;

impl Binder {
    /// Makes the pod's special claim, if the node calls for one and there is none. Answers whether the pod
    /// has one now.
    pub(super) async fn make_special(&self, pod: &Pod, node: &str) -> Result<bool, Failure> {
        let definite = Failure::Definite;
        let (wants, snapshot) = self
            .state
            .wants(pod)
            .map_err(|wait| definite(wait.to_string()))?;
        let Some((_, entry)) = snapshot.node(node) else {
            let why = format!("node {node} is not known to Supercargo yet");
            return Err(definite(why));
        };
        let claims = wants.claims(&wants.missing(&entry.offers));
        let claims = claims.map_err(definite)?;
        if claims.mappings.is_empty() {
            return Ok(false);
        }
        let unmade = claims.pending.iter().find(|claim| uid(claim).is_empty());
        let Some(claim) = unmade else {
            return Ok(true);
        };
        self.leading("create", "resourceclaims")?;
        let claim = self.api.create_claim(&pod.namespace, claim).await?;
        fault::reached("made");
        self.state.observe(claim);
        Ok(true)
    }

    /// Names the special claim among `claims` in the pod's status, or takes what is named there away.
    pub(super) async fn name_special(
        &self,
        pod: &Pod,
        claim: Option<&ResourceClaim>,
        mappings: &[ContainerExtendedResourceRequest],
    ) -> Result<(), Failure> {
        let status = match claim {
            Some(claim) => json!({
                "requestMappings": mappings, "resourceClaimName": claim.metadata.name}),
            None => Value::Null,
        };
        self.leading("patch", "pods/status")?;
        let patch = json!({"metadata": {"uid": pod.uid},
            "status": {"extendedResourceClaimStatus": status}});
        self.patch_pod_status(pod, &patch).await?;
        fault::reached("named");
        Ok(())
    }

    /// Merges `patch` into a pod's status.
    pub(in crate::scheduler) async fn patch_pod_status(
        &self,
        pod: &Pod,
        patch: &Value,
    ) -> Result<(), ApiError> {
        self.write_pod_status(pod, &Patch::Merge(patch)).await
    }

    /// Adds to a pod's status: of lists, such as its conditions, `patch` has what is new.
    pub(in crate::scheduler) async fn add_to_pod_status(
        &self,
        pod: &Pod,
        patch: &Value,
    ) -> Result<(), ApiError> {
        self.write_pod_status(pod, &Patch::Strategic(patch)).await
    }

    async fn write_pod_status(&self, pod: &Pod, patch: &Patch<&Value>) -> Result<(), ApiError> {
        let operation = Operation::new("patch", "", "pods/status");
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let pods = self.pods(&pod.namespace);
        let write = pods.patch_status(&pod.name, &parameters, patch);
        within(operation, write).await.map(|_: PodObject| ())
    }

    /// Deletes a special claim without devices; the pod's status names it no longer.
    pub async fn unmake_special(&self, claim: &ResourceClaim, pod: &Pod) -> Result<(), Failure> {
        self.leading("delete", "resourceclaims")?;
        let (namespace, name) = place(claim);
        let now = self.read_pod(&pod.namespace, &pod.name, &pod.uid).await?;
        if let Some(now) = now.filter(|now| now.special.as_ref() == Some(&name)) {
            if now.is_bound() {
                return Err(Failure::Definite("the pod is bound with it".to_owned()));
            }
            self.name_special(pod, None, &[]).await?;
        }
        match self.api.delete_claim(&namespace, &name, claim).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => {
                self.state.gone(uid(claim));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// After an attempt that failed for good: nothing stays of the special claim.
    pub(super) async fn without_special(&self, pod: &Pod) {
        let Some(claim) = self.state.special_of(&pod.uid) else {
            return;
        };
        if let Err(Failure::Definite(why) | Failure::Open(why)) =
            self.unmake_special(&claim, pod).await
        {
            let claim = claim_name(&claim);
            tracing::warn!(claim, why, "cannot be deleted yet");
        }
    }

    fn leading(&self, verb: &'static str, resource: &'static str) -> Result<(), Failure> {
        if self.leads() {
            return Ok(());
        }
        Err(Failure::Definite(format!(
            "cannot {verb} {resource}: this replica has lost the Lease"
        )))
    }
}
