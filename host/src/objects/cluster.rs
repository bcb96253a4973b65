//! The objects of many files, by kind.

use std::collections::HashMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::problem::{Finding, Severity};
use super::{Object, Problem, Sourced, taint_rules};

/// What a cluster holds, each kind in the order it was written.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// DeviceClasses.
    pub classes: Vec<Sourced<DeviceClass>>,
    /// ResourceSlices as published, without the taints of [`Self::taint_rules`].
    pub slices: Vec<Sourced<ResourceSlice>>,
    /// Nodes.
    pub nodes: Vec<Sourced<Node>>,
    /// Namespaces.
    pub namespaces: Vec<Sourced<Namespace>>,
    /// ResourceClaims.
    pub claims: Vec<Sourced<ResourceClaim>>,
    /// ResourceClaimTemplates.
    pub templates: Vec<Sourced<ResourceClaimTemplate>>,
    /// Pods.
    pub pods: Vec<Sourced<Pod>>,
    /// Jobs.
    pub jobs: Vec<Sourced<Job>>,
    /// DeviceTaintRules.
    pub taint_rules: Vec<Sourced<DeviceTaintRule>>,
}

impl Cluster {
    /// Sorts objects by kind. Of two objects with the same kind, namespace and name the first is
    /// kept, and the second told as an error.
    pub fn from_objects(
        objects: impl IntoIterator<Item = Sourced<Object>>,
    ) -> (Self, Vec<Problem>) {
        let mut cluster = Self::default();
        let mut problems = Vec::new();
        let mut places: HashMap<(String, String), String> = HashMap::new();
        for Sourced { source, object } in objects {
            if let Some(metadata) = metadata(&object) {
                let name = (object.kind().to_owned(), full_name(metadata));
                if let Some(first) = places.get(&name) {
                    let finding = Finding {
                        severity: Severity::Error,
                        path: "metadata.name".to_owned(),
                        ..Finding::at(
                            source.line,
                            format!("is there twice, first at {first}"),
                            "rename one of them, or leave one file out",
                        )
                    };
                    problems.push(source.problem(Some(format!("{} {}", name.0, name.1)), finding));
                    continue;
                }
                places.insert(name, format!("{}:{}", source.file, source.line));
            }
            match object {
                Object::DeviceClass(object) => cluster.classes.push(Sourced { source, object }),
                Object::ResourceSlice(object) => cluster.slices.push(Sourced { source, object }),
                Object::ResourceClaim(object) => cluster.claims.push(Sourced { source, object }),
                Object::ResourceClaimTemplate(object) => {
                    cluster.templates.push(Sourced {
                        source,
                        object: *object,
                    });
                }
                Object::DeviceTaintRule(object) => {
                    cluster.taint_rules.push(Sourced { source, object });
                }
                Object::Node(object) => cluster.nodes.push(Sourced {
                    source,
                    object: *object,
                }),
                Object::Namespace(object) => cluster.namespaces.push(Sourced { source, object }),
                Object::Pod(object) => cluster.pods.push(Sourced {
                    source,
                    object: *object,
                }),
                Object::Job(object) => cluster.jobs.push(Sourced {
                    source,
                    object: *object,
                }),
                Object::Ignored { .. } => {}
            }
        }
        (cluster, problems)
    }

    /// The slices with the taints of all rules: what the allocator is to see.
    pub fn tainted_slices(&self) -> Vec<ResourceSlice> {
        let mut slices: Vec<_> = self
            .slices
            .iter()
            .map(|slice| slice.object.clone())
            .collect();
        taint_rules::apply(
            &mut slices,
            self.taint_rules.iter().map(|rule| &rule.object),
        );
        slices
    }
}

/// `namespace/name`, or the name of what has no namespace.
pub(crate) fn full_name(metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    match metadata
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
    {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

pub(crate) fn metadata(object: &Object) -> Option<&ObjectMeta> {
    Some(match object {
        Object::DeviceClass(object) => &object.metadata,
        Object::ResourceSlice(object) => &object.metadata,
        Object::ResourceClaim(object) => &object.metadata,
        Object::ResourceClaimTemplate(object) => &object.metadata,
        Object::DeviceTaintRule(object) => &object.metadata,
        Object::Node(object) => &object.metadata,
        Object::Namespace(object) => &object.metadata,
        Object::Pod(object) => &object.metadata,
        Object::Job(object) => &object.metadata,
        Object::Ignored { .. } => return None,
    })
}
