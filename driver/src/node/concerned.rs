//! Whom a claim concerns: the claim itself, and the pods that wait for it.
//!
//! The kubelet tells a driver the claim's name and nothing of its pods, so they are read from the claim
//! (`status.reservedFor`), and only when there is something to tell: aside from the request, one claim
//! at a time, with a bound on how much waits.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::resource::v1::ResourceClaim;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::claims::ClaimRef;
use super::events::{Events, Reason, Report};
use super::slices::Owner;
use super::status::{DeviceState, DeviceStatuses};
use crate::claims::results;
use crate::kubernetes::api::ResourceApi;

/// How many failures wait to be told.
const QUEUE: usize = 128;
/// How many pods of a claim are told; a claim may be reserved for 256.
const PODS: usize = 16;
/// How long reading the claim may take.
const READ: Duration = Duration::from_secs(5);

/// Something to tell about a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The claim.
    pub claim: ClaimRef,
    /// Why.
    pub reason: Reason,
    /// What was being done: `Prepare` or `Unprepare`.
    pub action: &'static str,
    /// What went wrong, where, and what to do.
    pub message: String,
    /// Since when its devices cannot be used, which its status is then to say.
    pub unusable: Option<Instant>,
}

/// Where to leave notices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Concerned(mpsc::Sender<Notice>);

impl Concerned {
    /// Starts telling. The task ends when nobody can leave a notice any more and all is told.
    #[must_use]
    pub fn start(
        api: ResourceApi,
        owner: Owner,
        events: Events,
        statuses: DeviceStatuses,
    ) -> (Self, JoinHandle<()>) {
        let (queue, mut notices) = mpsc::channel::<Notice>(QUEUE);
        let task = async move {
            while let Some(notice) = notices.recv().await {
                let ClaimRef {
                    namespace,
                    name,
                    uid,
                } = &notice.claim;
                let read = timeout(READ, api.claim(namespace, name)).await;
                let object = match read {
                    // Another claim of the same name has nothing to do with it.
                    Ok(Ok(object)) => Some(object)
                        .filter(|object| object.metadata.uid.as_deref() == Some(uid.as_str())),
                    // What cannot be read is told of the claim alone.
                    Ok(Err(_)) | Err(_) => None,
                };
                for regarding in concerned(&notice.claim, object.as_ref()) {
                    events.tell(Report {
                        regarding,
                        warning: true,
                        reason: notice.reason,
                        action: notice.action,
                        message: notice.message.clone(),
                    });
                }
                if let (Some(since), Some(object)) = (notice.unusable, &object) {
                    let devices = unusable(&owner, object, &notice);
                    statuses.want(notice.claim.clone(), devices, since);
                }
            }
        };
        (Self(queue), tokio::spawn(task))
    }

    /// Leaves a notice. Never waits; what does not fit is in the log.
    pub fn tell(&self, notice: Notice) {
        let _ = self.0.try_send(notice);
    }
}

/// The claim, and pods that it is reserved for.
fn concerned(claim: &ClaimRef, object: Option<&ResourceClaim>) -> Vec<ObjectReference> {
    let of_claim = ObjectReference {
        api_version: Some("resource.k8s.io/v1".to_owned()),
        kind: Some("ResourceClaim".to_owned()),
        namespace: Some(claim.namespace.clone()),
        name: Some(claim.name.clone()),
        uid: Some(claim.uid.clone()),
        ..ObjectReference::default()
    };
    let status = object.and_then(|object| object.status.as_ref());
    let reserved = status.and_then(|status| status.reserved_for.as_deref());
    let pods = reserved.unwrap_or_default().iter().filter(|consumer| {
        consumer.resource == "pods" && consumer.api_group.as_deref().unwrap_or_default().is_empty()
    });
    let of_pods = pods.take(PODS).map(|pod| ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(claim.namespace.clone()),
        name: Some(pod.name.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    });
    std::iter::once(of_claim).chain(of_pods).collect()
}

/// The devices of a claim that are the driver's on this node, none of which can be used.
fn unusable(owner: &Owner, object: &ResourceClaim, notice: &Notice) -> Vec<DeviceState> {
    results(object)
        .filter(|result| result.driver == owner.driver && result.pool == owner.node)
        .map(|result| DeviceState {
            pool: result.pool.clone(),
            device: result.device.clone(),
            share_id: result.share_id.clone(),
            ready: false,
            reason: notice.reason.0,
            message: notice.message.clone(),
            data: None,
            network: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_claim_and_its_pods_are_told_and_no_other_consumers() {
        let claim = ClaimRef {
            namespace: "ml".to_owned(),
            name: "gpu".to_owned(),
            uid: "c".to_owned(),
        };
        let many = (0..40).map(|pod| json!({"resource": "pods", "name": format!("pod-{pod}"), "uid": format!("p{pod}")}));
        let group = json!({"apiGroup": "scheduling.k8s.io", "resource": "podgroups", "name": "g", "uid": "g"});
        let reserved: Vec<_> = std::iter::once(group).chain(many).collect();
        let object = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {},
            "spec": {}, "status": {"reservedFor": reserved},
        }))
        .unwrap();
        let told = concerned(&claim, Some(&object));
        let kinds = |kind: &str| {
            let of_kind = told.iter().filter(|of| of.kind.as_deref() == Some(kind));
            of_kind.count()
        };
        assert_eq!((kinds("ResourceClaim"), kinds("Pod")), (1, 16));
        assert_eq!(told.len(), 17);
        assert_eq!(told[1].name.as_deref(), Some("pod-0"));
        assert_eq!(concerned(&claim, None).len(), 1);
    }

    #[test]
    fn only_devices_of_this_node_are_said_to_be_unusable() {
        let result = |driver: &str, pool: &str| json!({"request": "r", "driver": driver, "pool": pool, "device": "gpu-0"});
        let results = [
            result("gpu.nvidia.com", "node-1"),
            result("gpu.nvidia.com", "node-2"),
            result("other.example.com", "node-1"),
        ];
        let object = serde_json::from_value(json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {},
            "spec": {}, "status": {"allocation": {"devices": {"results": results}}},
        }))
        .unwrap();
        let owner = Owner {
            driver: "gpu.nvidia.com".to_owned(),
            node: "node-1".to_owned(),
        };
        let notice = Notice {
            claim: ClaimRef {
                namespace: "ml".to_owned(),
                name: "gpu".to_owned(),
                uid: "c".to_owned(),
            },
            reason: Reason::UNPREPARE_FAILED,
            action: "Prepare",
            message: "no".to_owned(),
            unusable: None,
        };
        let told = unusable(&owner, &object, &notice);
        let told: Vec<_> = told.iter().map(|one| one.pool.as_str()).collect();
        assert_eq!(told, ["node-1"]);
    }
}
