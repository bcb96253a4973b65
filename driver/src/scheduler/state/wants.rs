//! What a pod wants: its claims, sorted into those that have their devices and those that need some.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::scheduling::reservation::MAX_CONSUMERS;

use super::Inner;
use super::claims::allocation;
use crate::scheduler::pod::{Named, Pod};

/// The claims of a pod.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// Those that need devices, in the order of the pod.
    pub pending: Vec<Arc<ResourceClaim>>,
    /// Those that have theirs.
    pub allocated: Vec<Arc<ResourceClaim>>,
}

/// Whether a pod is one of a claim's users.
pub(in crate::scheduler) fn is_reserved_for(claim: &ResourceClaim, pod: &str) -> bool {
    let status = claim.status.as_ref();
    let pods = status.and_then(|status| status.reserved_for.as_ref());
    pods.is_some_and(|pods| pods.iter().any(|user| user.uid == pod))
}

impl Inner {
    pub(super) fn wants(&self, pod: &Pod) -> Result<Wants, String> {
        let mut wants = Wants::default();
        for entry in &pod.claims {
            let (name, generated) = match &entry.claim {
                Named::None => continue,
                Named::Given(name) => (name, false),
                Named::Generated(name) => (name, true),
                Named::NotYet => {
                    return Err(format!(
                        "waiting until the claim for entry {:?} of spec.resourceClaims is made from its template",
                        entry.name
                    ));
                }
            };
            let full = format!("{}/{name}", pod.namespace);
            let Some(claim) = self.claims.named(&pod.namespace, name) else {
                return Err(format!("there is no ResourceClaim {full}"));
            };
            let taken = wants.pending.iter().chain(&wants.allocated);
            if taken.into_iter().any(|other| Arc::ptr_eq(other, &claim)) {
                continue;
            }
            self.check(pod, &claim, generated)
                .map_err(|why| format!("ResourceClaim {full} {why}"))?;
            match allocation(&claim) {
                Some(_) => wants.allocated.push(claim),
                None => wants.pending.push(claim),
            }
        }
        Ok(wants)
    }

    /// Whether a pod may use a claim now.
    fn check(&self, pod: &Pod, claim: &ResourceClaim, generated: bool) -> Result<(), String> {
        let metadata = &claim.metadata;
        let mut owners = metadata.owner_references.iter().flatten();
        if generated && !owners.any(|owner| owner.uid == pod.uid && owner.controller == Some(true))
        {
            return Err("was not made for this pod; wait until its namesake is gone".to_owned());
        }
        if metadata.deletion_timestamp.is_some() {
            return Err("is being deleted; wait until it is gone, then make it anew".to_owned());
        }
        let uid = metadata.uid.as_deref().unwrap_or_default();
        if self.claims.is_being_written(uid) {
            return Err("is just being allocated for another pod".to_owned());
        }
        if allocation(claim).is_some() {
            let users = claim
                .status
                .as_ref()
                .and_then(|it| it.reserved_for.as_ref());
            if users.is_some_and(|users| users.len() >= MAX_CONSUMERS)
                && !is_reserved_for(claim, &pod.uid)
            {
                return Err(format!(
                    "is reserved for {MAX_CONSUMERS} pods, the most there may be"
                ));
            }
            return match self.pools.clash(claim) {
                None => Ok(()),
                Some(clash) => Err(format!(
                    "cannot be used: its device {clash}; the one without a running pod is released soon"
                )),
            };
        }
        self.admitted(claim)
    }

    /// Admin access needs the namespace's leave.
    fn admitted(&self, claim: &ResourceClaim) -> Result<(), String> {
        let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
        if self.admin_namespaces.contains(namespace) {
            return Ok(());
        }
        let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
        let requests = devices.and_then(|devices| devices.requests.as_ref());
        let asks = requests.into_iter().flatten().find(|request| {
            let exactly = request.exactly.as_ref();
            exactly.is_some_and(|exactly| exactly.admin_access == Some(true))
        });
        match asks {
            None => Ok(()),
            Some(request) => Err(format!(
                "asks for admin access in request {:?}, which namespace {namespace} does not allow; \
                 label it resource.kubernetes.io/admin-access=true",
                request.name
            )),
        }
    }
}
