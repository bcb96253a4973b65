//! What of a pod decides about its devices.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodResourceClaim, PodResourceClaimStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::Object;
use serde::{Deserialize, Serialize};
use supercargo_host::quantity;
use supercargo_host::scheduling::extended::{self, Container};

/// A pod as the scheduler sends it or the API server shows it, as far as it is read.
pub type PodObject = Object<Spec, Status>;

/// Of a pod's spec.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    node_name: Option<String>,
    scheduler_name: Option<String>,
    priority: Option<i64>,
    preemption_policy: Option<String>,
    resource_claims: Option<Vec<PodResourceClaim>>,
    init_containers: Option<Vec<ContainerSpec>>,
    containers: Option<Vec<ContainerSpec>>,
}

/// Of a container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerSpec {
    name: String,
    restart_policy: Option<String>,
    resources: Option<Resources>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Resources {
    requests: Option<BTreeMap<String, Quantity>>,
}

/// Of a pod's status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    phase: Option<String>,
    start_time: Option<Time>,
    resource_claim_statuses: Option<Vec<PodResourceClaimStatus>>,
    extended_resource_claim_status: Option<SpecialStatus>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecialStatus {
    resource_claim_name: String,
}

/// A pod, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Which scheduler it wants.
    pub scheduler: String,
    /// Where it is bound; empty if nowhere.
    pub node: String,
    /// The higher, the more important.
    pub priority: i64,
    /// Whether others may have to go for it.
    pub may_preempt: bool,
    /// Since when the kubelet has it.
    pub started: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has run to its end, or is being deleted.
    pub over: bool,
    /// Its entries in `spec.resourceClaims`.
    pub claims: Vec<Entry>,
    /// Its containers, the init containers first, if any asks for a resource that may be devices.
    pub containers: Vec<Container>,
    /// The claim that its `status.extendedResourceClaimStatus` names.
    pub special: Option<String>,
}

/// An entry of `spec.resourceClaims`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's name.
    pub name: String,
    /// What it stands for.
    pub claim: Named,
}

/// Which claim an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The claim of this name.
    Given(String),
    /// The claim of this name, which was made from a template for the pod.
    Generated(String),
    /// One that is still to be made from a template.
    NotYet,
    /// None is needed.
    None,
}

impl Pod {
    /// Whether it is still to be bound by `scheduler`.
    #[must_use]
    pub fn is_waiting_for(&self, scheduler: &str) -> bool {
        self.scheduler == scheduler && !self.is_bound() && !self.over
    }

    /// `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it has to do with claims, or may have.
    #[must_use]
    pub fn may_claim(&self) -> bool {
        !self.claims.is_empty() || !self.containers.is_empty()
    }

    /// The names of its claims that there are, as far as it says.
    pub fn claim_names(&self) -> impl Iterator<Item = &String> {
        let claims = self.claims.iter().filter_map(|entry| match &entry.claim {
            Named::Given(name) | Named::Generated(name) => Some(name),
            Named::NotYet | Named::None => None,
        });
        claims.chain(&self.special)
    }

    /// Whether it is bound to a node.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        !self.node.is_empty()
    }
}

/// All containers, if a resource of any of them may be devices.
fn containers(init: Vec<ContainerSpec>, others: Vec<ContainerSpec>) -> Vec<Container> {
    let read = |init: bool| {
        move |container: ContainerSpec| {
            let sidecar = container.restart_policy.as_deref() == Some("Always");
            let requests = container.resources.and_then(|it| it.requests);
            let requests = requests.into_iter().flatten();
            let whole = |amount: &Quantity| quantity::Quantity::parse(&amount.0).ok()?.as_int();
            Container {
                name: container.name,
                ends_early: init && !sidecar,
                requests: requests
                    .map(|(name, amount)| {
                        let amount = whole(&amount).unwrap_or_default();
                        (name, amount)
                    })
                    .collect(),
            }
        }
    };
    let init = init.into_iter().map(read(true));
    let all: Vec<Container> = init.chain(others.into_iter().map(read(false))).collect();
    let asks = |container: &Container| {
        let mut resources = container.requests.keys();
        resources.any(|name| extended::may_be_devices(name))
    };
    match all.iter().any(asks) {
        true => all,
        false => Vec::new(),
    }
}

impl From<PodObject> for Pod {
    fn from(pod: PodObject) -> Self {
        let PodObject {
            metadata,
            spec,
            status,
            ..
        } = pod;
        let status = status.unwrap_or_default();
        let generated: BTreeMap<String, Option<String>> = status
            .resource_claim_statuses
            .into_iter()
            .flatten()
            .map(|status| (status.name, status.resource_claim_name))
            .collect();
        let claims = spec.resource_claims.into_iter().flatten();
        let claims = claims.map(|entry| {
            let claim = match (entry.resource_claim_name, generated.get(&entry.name)) {
                (Some(name), _) => Named::Given(name),
                (None, Some(Some(name))) => Named::Generated(name.clone()),
                (None, Some(None)) => Named::None,
                (None, None) => Named::NotYet,
            };
            Entry {
                name: entry.name,
                claim,
            }
        });
        Self {
            claims: claims.collect(),
            containers: containers(
                spec.init_containers.unwrap_or_default(),
                spec.containers.unwrap_or_default(),
            ),
            special: status
                .extended_resource_claim_status
                .map(|status| status.resource_claim_name),
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            scheduler: spec.scheduler_name.unwrap_or_default(),
            node: spec.node_name.unwrap_or_default(),
            priority: spec.priority.unwrap_or_default(),
            may_preempt: spec.preemption_policy.as_deref() != Some("Never"),
            started: status.start_time.map(|time| time.0),
            labels: metadata.labels.unwrap_or_default(),
            over: metadata.deletion_timestamp.is_some()
                || matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_lead_to_claims_in_four_ways() {
        let pod: PodObject = serde_json::from_value(serde_json::json!({
            "metadata": {"namespace": "n", "name": "p", "uid": "1"},
            "spec": {"schedulerName": "supercargo", "priority": 7, "resourceClaims": [
                {"name": "a", "resourceClaimName": "shared"},
                {"name": "b", "resourceClaimTemplateName": "t"},
                {"name": "c", "resourceClaimTemplateName": "t"},
                {"name": "d", "resourceClaimTemplateName": "t"}]},
            "status": {"phase": "Pending", "resourceClaimStatuses": [
                {"name": "b", "resourceClaimName": "p-b-x"}, {"name": "c"}]},
        }))
        .unwrap();
        let pod = Pod::from(pod);
        let claims: Vec<&Named> = pod.claims.iter().map(|entry| &entry.claim).collect();
        assert_eq!(
            claims,
            [
                &Named::Given("shared".into()),
                &Named::Generated("p-b-x".into()),
                &Named::None,
                &Named::NotYet
            ]
        );
        assert!(!pod.is_bound() && !pod.over);
        assert_eq!((pod.priority, pod.full_name().as_str()), (7, "n/p"));
    }

    #[test]
    fn containers_are_read_where_a_resource_may_be_devices() {
        let pod = |resource: &str| {
            let pod: PodObject = serde_json::from_value(serde_json::json!({
                "metadata": {"name": "p"}, "spec": {"preemptionPolicy": "Never",
                    "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
                    "containers": [{"name": "c", "resources": {"requests":
                        {"cpu": "500m", "memory": "1Gi", (resource): "2k"}}}]},
                "status": {"extendedResourceClaimStatus": {"resourceClaimName": "p-x"}}}))
            .unwrap();
            Pod::from(pod)
        };
        assert!(!pod("hugepages-2Mi").may_claim());
        let pod = pod("example.com/gpu");
        let told: Vec<(&str, bool)> = pod
            .containers
            .iter()
            .map(|it| (&*it.name, it.ends_early))
            .collect();
        assert_eq!(told, [("i", true), ("s", false), ("c", false)]);
        assert_eq!(pod.containers[2].requests["example.com/gpu"], 2000);
        assert_eq!(pod.claim_names().collect::<Vec<_>>(), ["p-x"]);
        assert!(pod.may_claim() && !pod.may_preempt);
    }
}
