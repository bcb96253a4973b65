//! What a pod wants: its claims, sorted into those that have their devices and those that need some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ContainerExtendedResourceRequest;
use k8s_openapi::api::resource::v1::{DeviceClaim, ResourceClaim, ResourceClaimSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use supercargo_host::scheduling::claim_name;
use supercargo_host::scheduling::extended::{self, Container, Special};
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
    extended: Option<Extended>,
}

/// The resources of a pod that classes stand for.
#[derive(Debug, Clone)]
struct Extended {
    /// By resource, the class.
    classes: BTreeMap<String, String>,
    containers: Vec<Container>,
    /// The special claim, as far as it is the same for all nodes.
    claim: ResourceClaim,
    /// The special claim that there is.
    made: Option<Arc<ResourceClaim>>,
}

/// The claims of a pod on one node.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Those that need devices, in the order of the pod. A special claim that is still to be made has no
    /// name and no UID.
    pub pending: Vec<Arc<ResourceClaim>>,
    /// Those that have theirs.
    pub allocated: Vec<Arc<ResourceClaim>>,
    /// The special claim is one of them, and these containers get devices of it.
    pub mappings: Vec<ContainerExtendedResourceRequest>,
}

/// What keeps a pod from every node for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// A change of a pod or a claim ends it, of which the scheduler hears by itself.
    #[error("{0}")]
    Told(String),
    /// It passes, and nobody tells the scheduler.
    #[error("{0}")]
    Passes(String),
}

impl Wait {
    fn about(self, claim: &str) -> Self {
        let about = |why| format!("ResourceClaim {claim} {why}");
        match self {
            Self::Told(why) => Self::Told(about(why)),
            Self::Passes(why) => Self::Passes(about(why)),
        }
    }
}

impl Wants {
    /// Whether no node has anything to allocate for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.extended.is_none()
    }

    /// Whether a node's own resources make a difference to it.
    #[must_use]
    pub fn depends_on_offers(&self) -> bool {
        self.extended.is_some()
    }

    /// The resources that claims must bring on a node that offers these by itself.
    #[must_use]
    pub fn missing(&self, offers: &BTreeSet<String>) -> BTreeMap<&str, &str> {
        let classes = self.extended.iter().flat_map(|it| &it.classes);
        classes
            .filter(|(resource, _)| !offers.contains(*resource))
            .map(|(resource, class)| (resource.as_str(), class.as_str()))
            .collect()
    }

    /// The claims where claims must bring these resources.
    ///
    /// # Errors
    /// The special claim that there is was made for other nodes.
    pub fn claims(&self, missing: &BTreeMap<&str, &str>) -> Result<Claims, String> {
        let mut claims = Claims {
            pending: self.pending.clone(),
            allocated: self.allocated.clone(),
            mappings: Vec::new(),
        };
        let Some(extended) = self.extended.as_ref().filter(|_| !missing.is_empty()) else {
            return Ok(claims);
        };
        let Special { requests, mappings } = Special::of(&extended.containers, missing);
        claims.mappings = mappings;
        match &extended.made {
            None => {
                let mut claim = extended.claim.clone();
                claim.spec = Some(ResourceClaimSpec {
                    devices: Some(DeviceClaim {
                        requests: Some(requests),
                        ..DeviceClaim::default()
                    }),
                });
                claims.pending.push(Arc::new(claim));
            }
            Some(made) => {
                let devices = made.spec.as_ref().and_then(|spec| spec.devices.as_ref());
                if devices.and_then(|devices| devices.requests.as_ref()) != Some(&requests) {
                    return Err(format!(
                        "ResourceClaim {} was made for a node with other resources; it is removed soon",
                        claim_name(made)
                    ));
                }
                match allocation(made) {
                    Some(_) => claims.allocated.push(Arc::clone(made)),
                    None => claims.pending.push(Arc::clone(made)),
                }
            }
        }
        Ok(claims)
    }
}

/// The special claim of a pod, as upstream's scheduler makes it.
fn special_claim(pod: &Pod) -> ResourceClaim {
    ResourceClaim {
        metadata: ObjectMeta {
            namespace: Some(pod.namespace.clone()),
            generate_name: Some(format!("{}-extended-resources-", pod.name)),
            annotations: Some(BTreeMap::from([(
                extended::ANNOTATION.to_owned(),
                "true".to_owned(),
            )])),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        ..ResourceClaim::default()
    }
}

/// Whether a pod is one of a claim's users.
pub(in crate::scheduler) fn is_reserved_for(claim: &ResourceClaim, pod: &str) -> bool {
    let status = claim.status.as_ref();
    let pods = status.and_then(|status| status.reserved_for.as_ref());
    pods.is_some_and(|pods| pods.iter().any(|user| user.uid == pod))
}

impl Inner {
    pub(super) fn wants(&self, pod: &Pod) -> Result<Wants, Wait> {
        let mut wants = Wants::default();
        for entry in &pod.claims {
            let (name, generated) = match &entry.claim {
                Named::None => continue,
                Named::Given(name) => (name, false),
                Named::Generated(name) => (name, true),
                Named::NotYet => {
                    return Err(Wait::Told(format!(
                        "waiting until the claim for entry {:?} of spec.resourceClaims is made from its template",
                        entry.name
                    )));
                }
            };
            let full = format!("{}/{name}", pod.namespace);
            let Some(claim) = self.claims.named(&pod.namespace, name) else {
                // The scheduler may have heard of it already.
                return Err(Wait::Passes(format!("there is no ResourceClaim {full}")));
            };
            let taken = wants.pending.iter().chain(&wants.allocated);
            if taken.into_iter().any(|other| Arc::ptr_eq(other, &claim)) {
                continue;
            }
            self.check(pod, &claim, generated)
                .map_err(|wait| wait.about(&full))?;
            match allocation(&claim) {
                Some(_) => wants.allocated.push(claim),
                None => wants.pending.push(claim),
            }
        }
        wants.extended = self.extended(pod)?;
        Ok(wants)
    }

    fn extended(&self, pod: &Pod) -> Result<Option<Extended>, Wait> {
        let mut classes = BTreeMap::new();
        let requests = pod.containers.iter().flat_map(|it| &it.requests);
        let asked = requests.filter(|(name, count)| **count > 0 && extended::may_be_devices(name));
        for (resource, _) in asked {
            if let Some(class) = extended::class_of(&*self.common.classes, resource) {
                classes.insert(resource.clone(), class.to_owned());
            }
        }
        if classes.is_empty() {
            return Ok(None);
        }
        let made = self.claims.special_of(&pod.uid);
        if let Some(made) = &made {
            self.check(pod, made, true)
                .map_err(|wait| wait.about(&claim_name(made)))?;
        }
        Ok(Some(Extended {
            classes,
            containers: pod.containers.clone(),
            claim: special_claim(pod),
            made,
        }))
    }

    /// Whether a pod may use a claim now.
    fn check(&self, pod: &Pod, claim: &ResourceClaim, generated: bool) -> Result<(), Wait> {
        let told = |why: &str| Err(Wait::Told(why.to_owned()));
        let metadata = &claim.metadata;
        let mut owners = metadata.owner_references.iter().flatten();
        if generated && !owners.any(|owner| owner.uid == pod.uid && owner.controller == Some(true))
        {
            return told("was not made for this pod; wait until its namesake is gone");
        }
        if metadata.deletion_timestamp.is_some() {
            return told("is being deleted; wait until it is gone, then make it anew");
        }
        let uid = metadata.uid.as_deref().unwrap_or_default();
        if self.claims.is_unsettled(uid) {
            let why = "is just being allocated or released";
            return Err(Wait::Passes(why.to_owned()));
        }
        if allocation(claim).is_some() {
            let users = claim
                .status
                .as_ref()
                .and_then(|it| it.reserved_for.as_ref());
            if users.is_some_and(|users| users.len() >= MAX_CONSUMERS)
                && !is_reserved_for(claim, &pod.uid)
            {
                return told(&format!(
                    "is reserved for {MAX_CONSUMERS} pods, the most there may be"
                ));
            }
            return match self.pools.clash(claim) {
                None => Ok(()),
                Some(clash) => told(&format!(
                    "cannot be used: its device {clash}; the one without a running pod is released soon"
                )),
            };
        }
        self.admitted(claim).map_err(Wait::Told)
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
