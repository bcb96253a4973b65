//! What one object wants of another and does not find.
//!
//! None of this makes an object wrong: in a cluster the missing one may come later, and until then
//! the pod is pending. So every problem here has [`Severity::Pending`] and nothing is dropped.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::resource::v1::ResourceClaimSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::cluster::full_name;
use super::path::Path;
use super::problem::{Finding, Severity};
use super::references::References;
use super::validate::Dialect;
use super::{Cluster, Problem, Source};

/// The label by which a namespace allows admin access to devices.
pub const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";

/// Everything that keeps pods of this cluster pending, as far as it shows without allocating.
pub fn cross_check(cluster: &Cluster) -> Vec<Problem> {
    let mut check = Check {
        references: References::of(cluster),
        classes: cluster
            .classes
            .iter()
            .filter_map(|c| c.object.metadata.name.as_deref())
            .collect(),
        nodes: cluster
            .nodes
            .iter()
            .filter_map(|n| n.object.metadata.name.as_deref())
            .collect(),
        admin: admin_namespaces(cluster),
        problems: Vec::new(),
    };
    let root = Path::root();
    let spec = root.field("spec");
    for claim in &cluster.claims {
        let metadata = &claim.object.metadata;
        let allocated = claim
            .object
            .status
            .as_ref()
            .is_some_and(|s| s.allocation.is_some());
        if !allocated {
            let subject = Subject::new(&claim.source, "ResourceClaim", metadata);
            check.claim(&subject, &spec, claim.object.spec.as_ref());
        }
    }
    for template in &cluster.templates {
        let metadata = &template.object.metadata;
        let subject = Subject::new(&template.source, "ResourceClaimTemplate", metadata);
        let inner = template
            .object
            .spec
            .as_ref()
            .and_then(|spec| spec.spec.as_ref());
        check.claim(&subject, &spec.field("spec"), inner);
    }
    for pod in &cluster.pods {
        let subject = Subject::new(&pod.source, "Pod", &pod.object.metadata);
        check.pod(&subject, &spec, pod.object.spec.as_ref());
    }
    for job in &cluster.jobs {
        let subject = Subject::new(&job.source, "Job", &job.object.metadata);
        let template = spec.field("template");
        let inner = job
            .object
            .spec
            .as_ref()
            .and_then(|spec| spec.template.spec.as_ref());
        check.pod(&subject, &template.field("spec"), inner);
    }
    check.problems
}

/// Whether a namespace lets its claims have admin access, by name.
fn admin_namespaces(cluster: &Cluster) -> HashMap<&str, bool> {
    let allowed = |metadata: &ObjectMeta| {
        let labels = metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(ADMIN_LABEL))
            .is_some_and(|value| value == "true")
    };
    cluster
        .namespaces
        .iter()
        .filter_map(|namespace| {
            let metadata = &namespace.object.metadata;
            metadata
                .name
                .as_deref()
                .map(|name| (name, allowed(metadata)))
        })
        .collect()
}

/// The object being checked.
struct Subject<'c> {
    source: &'c Source,
    name: String,
    namespace: &'c str,
}

impl<'c> Subject<'c> {
    fn new(source: &'c Source, kind: &str, metadata: &'c ObjectMeta) -> Self {
        Self {
            source,
            name: format!("{kind} {}", full_name(metadata)),
            namespace: metadata.namespace.as_deref().unwrap_or("default"),
        }
    }
}

struct Check<'c> {
    references: References<'c>,
    classes: BTreeSet<&'c str>,
    nodes: BTreeSet<&'c str>,
    admin: HashMap<&'c str, bool>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn pending(&mut self, subject: &Subject<'_>, path: &Path<'_>, message: String, cure: String) {
        let finding = Finding {
            severity: Severity::Pending,
            path: path.to_string(),
            ..Finding::at(subject.source.line_of(path), message, cure)
        };
        self.problems
            .push(subject.source.problem(Some(subject.name.clone()), finding));
    }

    fn claim(&mut self, subject: &Subject<'_>, path: &Path<'_>, spec: Option<&ResourceClaimSpec>) {
        let path = path.field("devices");
        let list = path.field("requests");
        let devices = spec.and_then(|spec| spec.devices.as_ref());
        let requests = devices
            .and_then(|devices| devices.requests.as_deref())
            .unwrap_or_default();
        for (index, request) in requests.iter().enumerate() {
            let path = list.index(index);
            if let Some(exactly) = &request.exactly {
                let path = match subject.source.dialect {
                    Dialect::V1 => path.field("exactly"),
                    Dialect::V1beta1 => path.unwritten(),
                };
                self.class(subject, &path, &exactly.device_class_name);
                if exactly.admin_access == Some(true) {
                    self.admin_access(subject, &path);
                }
            }
            let alternatives = path.field("firstAvailable");
            for (index, given) in request.first_available.iter().flatten().enumerate() {
                self.class(
                    subject,
                    &alternatives.index(index),
                    &given.device_class_name,
                );
            }
        }
    }

    fn class(&mut self, subject: &Subject<'_>, path: &Path<'_>, class: &str) {
        if self.classes.contains(class) {
            return;
        }
        let known: Vec<&str> = self.classes.iter().copied().take(10).collect();
        let cure = match known.as_slice() {
            [] => "create the DeviceClass; drivers usually install theirs".to_owned(),
            known => format!("create it, or use one of: {}", known.join(", ")),
        };
        let message = format!("no DeviceClass is named '{class}'");
        self.pending(subject, &path.field("deviceClassName"), message, cure);
    }

    fn admin_access(&mut self, subject: &Subject<'_>, path: &Path<'_>) {
        let namespace = subject.namespace;
        let message = match self.admin.get(namespace) {
            Some(true) => return,
            Some(false) => format!("namespace {namespace} does not allow admin access"),
            None => format!("namespace {namespace} is not known to allow admin access"),
        };
        let cure = format!(
            "give the Namespace {namespace} the label {ADMIN_LABEL}: \"true\", which only \
             administrators should"
        );
        self.pending(subject, &path.field("adminAccess"), message, cure);
    }

    fn pod(&mut self, subject: &Subject<'_>, path: &Path<'_>, spec: Option<&PodSpec>) {
        let Some(spec) = spec else { return };
        let list = path.field("resourceClaims");
        for (index, entry) in spec.resource_claims.iter().flatten().enumerate() {
            if let Err(missing) = self.references.resolve(subject.namespace, entry) {
                let path = list.index(index);
                self.pending(
                    subject,
                    &path.field(missing.field),
                    missing.message,
                    missing.cure,
                );
            }
        }
        if let Some(node) = spec.node_name.as_deref().filter(|node| !node.is_empty())
            && !self.nodes.contains(node)
        {
            let message = format!("the pod is bound to node {node}, which is not there");
            let cure = "add the Node, or use nodeSelector and leave the choice to the scheduler";
            self.pending(subject, &path.field("nodeName"), message, cure.to_owned());
        }
    }
}
