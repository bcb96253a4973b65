//! Extended resources that a DeviceClass stands for (KEP-5004).
//!
//! A container may ask for devices the old way, `example.com/gpu: 2` among its requests. Where a DeviceClass
//! has that `extendedResourceName`, and the node does not offer the resource by itself, the devices come from
//! one special claim of the pod, which the scheduler makes: a request for each container and resource, and a
//! mapping that tells the kubelet which container gets the devices of which request. Containers that run
//! beside each other need devices of their own. An init container that ends before the others start uses
//! theirs, and where those do not suffice, all such containers share one request for what is missing.
//!
//! That such a pod gets as far as this is up to the kube-scheduler: its own count of resources (NodeResourcesFit)
//! leaves a resource that a class stands for alone on nodes that do not offer it, whether or not the plugin
//! DynamicResources is enabled, if its feature gate DRAExtendedResource is on.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ContainerExtendedResourceRequest;
use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceRequest, ExactDeviceRequest, ResourceClaim,
};

use crate::names;

/// Marks the special claim of a pod.
pub const ANNOTATION: &str = "resource.kubernetes.io/extended-resource-claim";

/// The resource that every DeviceClass stands for: this, and its name.
pub const IMPLICIT: &str = "deviceclass.resource.kubernetes.io/";

/// What a container requests, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Whether it ends before the pod's other containers start: an init container that is no sidecar.
    pub ends_early: bool,
    /// Its `resources.requests`, all of them, as whole numbers; 0 where it is none.
    pub requests: BTreeMap<String, i64>,
}

/// What a pod's special claim asks for, and which container gets what of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Special {
    /// `spec.devices.requests` of the claim.
    pub requests: Vec<DeviceRequest>,
    /// `status.extendedResourceClaimStatus.requestMappings` of the pod.
    pub mappings: Vec<ContainerExtendedResourceRequest>,
}

/// Whether a resource may be one that a class stands for: neither Kubernetes' own nor a quota's.
#[must_use]
pub fn may_be_devices(resource: &str) -> bool {
    if let Some(class) = resource.strip_prefix(IMPLICIT) {
        return !class.is_empty();
    }
    resource.contains('/')
        && !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && names::label_key(&format!("requests.{resource}")).is_ok()
}

/// The class that stands for a resource. Of several, the newest one, so that one class can replace another;
/// of those made in one second, the first by name.
#[must_use]
pub fn class_of<'a>(
    classes: impl IntoIterator<Item = (&'a String, &'a Arc<DeviceClass>)>,
    resource: &str,
) -> Option<&'a str> {
    let implicit = resource.strip_prefix(IMPLICIT);
    let stands = |(name, class): &(&'a String, &'a Arc<DeviceClass>)| match implicit {
        Some(wanted) => name.as_str() == wanted,
        None => {
            let spec = class.spec.as_ref();
            spec.and_then(|spec| spec.extended_resource_name.as_deref()) == Some(resource)
        }
    };
    let made = |class: &DeviceClass| class.metadata.creation_timestamp.as_ref().map(|it| it.0);
    classes
        .into_iter()
        .filter(stands)
        .max_by(|(a, one), (b, other)| made(one).cmp(&made(other)).then(b.cmp(a)))
        .map(|(name, _)| name.as_str())
}

/// Whether a claim is a pod's special claim.
#[must_use]
pub fn is_special(claim: &ResourceClaim) -> bool {
    let annotations = claim.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.get(ANNOTATION).is_some_and(|value| value == "true"))
}

/// The pod whose special claim this is.
#[must_use]
pub fn owner(claim: &ResourceClaim) -> Option<&str> {
    if !is_special(claim) {
        return None;
    }
    let mut owners = claim.metadata.owner_references.iter().flatten();
    owners
        .find(|owner| owner.kind == "Pod" && owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
}

impl Special {
    /// What containers need of `resources` (the resource, and the class that stands for it).
    #[must_use]
    pub fn of(containers: &[Container], resources: &BTreeMap<&str, &str>) -> Self {
        let mut special = Self::default();
        for (resource, class) in resources {
            special.add(containers, resource, class);
        }
        special.requests.sort_by(|a, b| a.name.cmp(&b.name));
        special
    }

    fn add(&mut self, containers: &[Container], resource: &str, class: &str) {
        let wants = |container: &Container| container.requests.get(resource).copied();
        // For each container that stays: how many devices it gets, and by which request.
        let mut own: Vec<Option<(i64, String)>> = Vec::with_capacity(containers.len());
        for (at, container) in containers.iter().enumerate() {
            let stays = !container.ends_early;
            let count = wants(container).filter(|count| stays && *count > 0);
            let request = count.map(|count| (count, request_name(at, container, resource)));
            if let Some((count, name)) = &request {
                self.requests.push(device_request(name, class, *count));
                self.map(container, resource, name);
            }
            own.push(request);
        }
        // Those that end early use what the ones after them get, and one request for the rest.
        let mut rest: Option<(i64, String)> = None;
        let mut short = Vec::new();
        for (at, container) in containers.iter().enumerate() {
            let Some(count) = wants(container).filter(|count| container.ends_early && *count > 0)
            else {
                continue;
            };
            let mut missing = count;
            for (count, name) in own.iter().skip(at).flatten() {
                if missing <= 0 {
                    break;
                }
                self.map(container, resource, name);
                missing = missing.saturating_sub(*count);
            }
            if missing > 0 {
                short.push(container);
                if rest.as_ref().is_none_or(|(most, _)| *most < missing) {
                    rest = Some((missing, request_name(at, container, resource)));
                }
            }
        }
        if let Some((count, name)) = rest {
            self.requests.push(device_request(&name, class, count));
            for container in short {
                self.map(container, resource, &name);
            }
        }
    }

    fn map(&mut self, container: &Container, resource: &str, request: &str) {
        self.mappings.push(ContainerExtendedResourceRequest {
            container_name: container.name.clone(),
            resource_name: resource.to_owned(),
            request_name: request.to_owned(),
        });
    }
}

/// By the container's place among all, and the resource's among the container's, in order of name.
fn request_name(at: usize, container: &Container, resource: &str) -> String {
    let mut resources = container.requests.keys();
    let place = resources.position(|name| name == resource).unwrap_or(0);
    format!("container-{at}-request-{place}")
}

fn device_request(name: &str, class: &str, count: i64) -> DeviceRequest {
    DeviceRequest {
        name: name.to_owned(),
        exactly: Some(ExactDeviceRequest {
            device_class_name: class.to_owned(),
            allocation_mode: Some("ExactCount".to_owned()),
            count: Some(count),
            ..ExactDeviceRequest::default()
        }),
        ..DeviceRequest::default()
    }
}

#[cfg(test)]
mod tests;
