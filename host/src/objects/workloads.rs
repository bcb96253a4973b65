//! What Kubernetes' controllers do between a manifest and the scheduler.
//!
//! The job controller makes pods, the resourceclaim controller makes a claim of each pod's own from
//! a template. Both are done here with names and uids derived from the objects, so that the same
//! files always give the same claims.

mod from_template;
mod jobs;

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Pod, PodResourceClaim, PodResourceClaimStatus};
use k8s_openapi::api::resource::v1::ResourceClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::cluster::full_name;
use super::references::{References, Target};
use super::{Cluster, Problem, Source, Sourced};

pub use jobs::JOB_PODS_MAX;

/// The annotation that says which of a pod's claim entries a generated claim is for.
pub const POD_CLAIM_ANNOTATION: &str = "resource.kubernetes.io/pod-claim-name";

/// All pods with their claims.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    /// The claims given, in order, and after them those made from templates.
    pub claims: Vec<Sourced<ResourceClaim>>,
    /// The pods given, in order, and after them those of jobs. Finished pods are left out.
    pub pods: Vec<Workload>,
    /// What could not be carried out in full.
    pub problems: Vec<Problem>,
}

/// A pod and what it claims.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Where the pod, or the job it comes from, was written.
    pub source: Source,
    /// The pod; its status names the claims made for it.
    pub pod: Pod,
    /// One for each entry of `spec.resourceClaims`, in order.
    pub claims: Vec<PodClaim>,
}

/// An entry of a pod's `spec.resourceClaims`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodClaim {
    /// The entry's name within the pod.
    pub name: String,
    /// The claim it stands for.
    pub state: ClaimState,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimState {
    /// The claim at this position of [`Workloads::claims`].
    Found(usize),
    /// There is no claim, and the pod must wait.
    Missing {
        /// Why, naming the object that is not there.
        reason: String,
        /// What to do.
        cure: String,
    },
    /// The pod's status says that none is needed.
    NotNeeded,
}

impl Workload {
    /// Positions of the claims that are there.
    pub fn found(&self) -> impl Iterator<Item = usize> + '_ {
        self.claims.iter().filter_map(|claim| match claim.state {
            ClaimState::Found(index) => Some(index),
            _ => None,
        })
    }

    /// Why the pod must wait, if a claim is missing.
    pub fn missing(&self) -> Option<&PodClaim> {
        self.claims
            .iter()
            .find(|claim| matches!(claim.state, ClaimState::Missing { .. }))
    }
}

/// The pods of a cluster with their claims, made where templates and jobs ask for it.
pub fn workloads(cluster: &Cluster) -> Workloads {
    let mut making = Making {
        references: References::of(cluster),
        owned: owned_claims(&cluster.claims),
        generated: HashMap::new(),
        made: Workloads {
            claims: cluster.claims.clone(),
            ..Workloads::default()
        },
    };
    let given = cluster.pods.iter().filter(|pod| !is_finished(&pod.object));
    for Sourced { source, object } in given {
        making.pod(source, object.clone());
    }
    for job in &cluster.jobs {
        let (pods, problem) = jobs::pods(job, cluster);
        making.made.problems.extend(problem);
        for pod in pods {
            making.pod(&job.source, pod);
        }
    }
    making.made
}

fn is_finished(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Claims made from templates before, by owner's uid and entry.
fn owned_claims(claims: &[Sourced<ResourceClaim>]) -> HashMap<(String, String), usize> {
    let mut owned = HashMap::new();
    for (index, claim) in claims.iter().enumerate() {
        let metadata = &claim.object.metadata;
        let annotations = metadata.annotations.as_ref();
        let entry = annotations.and_then(|annotations| annotations.get(POD_CLAIM_ANNOTATION));
        if let (Some(owner), Some(entry)) = (controlling_pod(metadata), entry) {
            owned
                .entry((owner.to_owned(), entry.clone()))
                .or_insert(index);
        }
    }
    owned
}

fn controlling_pod(metadata: &ObjectMeta) -> Option<&str> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners
        .iter()
        .find(|owner| owner.controller == Some(true) && owner.kind == "Pod");
    owner.map(|owner| owner.uid.as_str())
}

struct Making<'c> {
    references: References<'c>,
    owned: HashMap<(String, String), usize>,
    /// Claims made here, by `namespace/name`.
    generated: HashMap<String, usize>,
    made: Workloads,
}

impl Making<'_> {
    fn pod(&mut self, source: &Source, mut pod: Pod) {
        let entries = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.resource_claims.clone());
        let mut claims = Vec::new();
        for entry in entries.into_iter().flatten() {
            let state = self.entry(source, &mut pod, &entry);
            claims.push(PodClaim {
                name: entry.name,
                state,
            });
        }
        self.made.pods.push(Workload {
            source: source.clone(),
            pod,
            claims,
        });
    }

    fn entry(&mut self, source: &Source, pod: &mut Pod, entry: &PodResourceClaim) -> ClaimState {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        if entry.resource_claim_name.is_none()
            && let Some(state) = self.made_before(pod, entry)
        {
            return state;
        }
        match self.references.resolve(&namespace, entry) {
            Ok(Target::Claim(index)) => ClaimState::Found(index),
            Ok(Target::Template(template)) => {
                let taken = |name: &str| {
                    let name = format!("{namespace}/{name}");
                    self.references.claims.contains_key(&name) || self.generated.contains_key(&name)
                };
                let claim = from_template::claim(pod, &entry.name, template, taken);
                let index = self.made.claims.len();
                self.generated.insert(full_name(&claim.metadata), index);
                record(pod, &entry.name, claim.metadata.name.clone());
                self.made.claims.push(Sourced {
                    source: source.clone(),
                    object: claim,
                });
                ClaimState::Found(index)
            }
            Err(missing) => ClaimState::Missing {
                reason: missing.message,
                cure: missing.cure,
            },
        }
    }

    /// A claim that the cluster made for this entry, by the pod's status or by its owner.
    fn made_before(&self, pod: &mut Pod, entry: &PodResourceClaim) -> Option<ClaimState> {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let statuses = pod
            .status
            .as_ref()
            .and_then(|status| status.resource_claim_statuses.as_ref());
        let status = statuses
            .into_iter()
            .flatten()
            .find(|status| status.name == entry.name);
        if let Some(status) = status {
            let Some(name) = &status.resource_claim_name else {
                return Some(ClaimState::NotNeeded);
            };
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            let name = format!("{namespace}/{name}");
            return Some(match self.references.claims.get(&name) {
                Some((index, claim)) if controlling_pod(&claim.metadata) == Some(&uid) => {
                    ClaimState::Found(*index)
                }
                Some(_) => ClaimState::Missing {
                    reason: format!("ResourceClaim {name} was made for another pod"),
                    cure: "delete the pod's status.resourceClaimStatuses, or the claim".to_owned(),
                },
                None => ClaimState::Missing {
                    reason: format!(
                        "there is no ResourceClaim {name}, which the pod's status names"
                    ),
                    cure: "add the claim, or remove status.resourceClaimStatuses from the pod"
                        .to_owned(),
                },
            });
        }
        let index = *self.owned.get(&(uid, entry.name.clone()))?;
        let name = self
            .made
            .claims
            .get(index)
            .and_then(|claim| claim.object.metadata.name.clone());
        record(pod, &entry.name, name);
        Some(ClaimState::Found(index))
    }
}

/// Writes into the pod's status which claim was made for an entry, as the controller does.
fn record(pod: &mut Pod, entry: &str, claim: Option<String>) {
    let status = pod.status.get_or_insert_default();
    status
        .resource_claim_statuses
        .get_or_insert_default()
        .push(PodResourceClaimStatus {
            name: entry.to_owned(),
            resource_claim_name: claim,
        });
}
