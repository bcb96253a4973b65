//! Everything between text and typed Kubernetes objects.
//!
//! [`read`] takes files as people write them (YAML with several documents, JSON, lists, three
//! versions of resource.k8s.io) and answers typed v1 objects and [`Problem`]s. It is strict, for a
//! field that is silently dropped is a device that is silently not asked for; and it is patient: a
//! broken document never hides a good one beside it, and all mistakes of a document are told at
//! once, each with file, line, field and cure.
//!
//! [`Cluster`] sorts the objects of many files, [`cross_check`] looks for what one object wants of
//! another and does not find, [`workloads`] does what Kubernetes' controllers do between a manifest
//! and the scheduler (claims from templates, pods from jobs, taints from rules), and [`write`](mod@write)
//! prints objects so that kubectl and this module read them again.

mod cluster;
pub mod convert;
mod cross_check;
mod cures;
mod decode;
pub mod defaults;
mod documents;
mod identity;
mod json;
mod kinds;
mod path;
mod plain;
mod problem;
mod references;
mod scalar;
pub mod taint_rules;
mod tree;
mod validate;
pub mod workloads;
pub mod write;
mod yaml;

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::resource::v1::{
    DeviceClass, DeviceTaintRule, ResourceClaim, ResourceClaimTemplate, ResourceSlice,
};

pub use cluster::Cluster;
pub use cross_check::{ADMIN_LABEL, cross_check};
pub use documents::FILE_BYTES_MAX;
pub use plain::{Plain, plain};
pub use problem::{Problem, Severity};

use path::Path;
use problem::Finding;
use tree::Tree;
use validate::Dialect;

/// An object that was read, always in its v1 form and with the API server's defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// resource.k8s.io DeviceClass.
    DeviceClass(DeviceClass),
    /// resource.k8s.io ResourceSlice.
    ResourceSlice(ResourceSlice),
    /// resource.k8s.io ResourceClaim.
    ResourceClaim(ResourceClaim),
    /// resource.k8s.io ResourceClaimTemplate.
    ResourceClaimTemplate(Box<ResourceClaimTemplate>),
    /// resource.k8s.io DeviceTaintRule.
    DeviceTaintRule(DeviceTaintRule),
    /// v1 Node.
    Node(Box<Node>),
    /// v1 Namespace.
    Namespace(Namespace),
    /// v1 Pod.
    Pod(Box<Pod>),
    /// batch/v1 Job.
    Job(Box<Job>),
    /// Anything else: named, not read.
    Ignored {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
        /// Its `metadata.name`, where there is one.
        name: Option<String>,
    },
}

impl Object {
    /// `namespace/name`, or the name alone of what has no namespace or was not read.
    pub fn full_name(&self) -> Option<String> {
        match (self, cluster::metadata(self)) {
            (Self::Ignored { name, .. }, _) => name.clone(),
            (_, metadata) => metadata.map(cluster::full_name),
        }
    }

    /// The object's kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::DeviceClass(_) => "DeviceClass",
            Self::ResourceSlice(_) => "ResourceSlice",
            Self::ResourceClaim(_) => "ResourceClaim",
            Self::ResourceClaimTemplate(_) => "ResourceClaimTemplate",
            Self::DeviceTaintRule(_) => "DeviceTaintRule",
            Self::Node(_) => "Node",
            Self::Namespace(_) => "Namespace",
            Self::Pod(_) => "Pod",
            Self::Job(_) => "Job",
            Self::Ignored { kind, .. } => kind,
        }
    }
}

/// Where an object was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The file as it was named when reading.
    pub file: Arc<str>,
    /// The document in the file, counted from 1.
    pub document: usize,
    /// The line where the object begins, counted from 1.
    pub line: usize,
    /// What was written, kept for objects that others are checked against.
    tree: Option<Arc<Tree>>,
    /// The version's shape.
    dialect: Dialect,
}

impl Source {
    /// A source for objects that were not read from a file.
    pub fn generated(name: &str) -> Self {
        Self {
            file: Arc::from(name),
            document: 0,
            line: 0,
            tree: None,
            dialect: Dialect::V1,
        }
    }

    fn problem(&self, object: Option<String>, finding: Finding) -> Problem {
        let Finding {
            severity,
            line,
            path,
            message,
            cure,
        } = finding;
        let (file, document) = (Arc::clone(&self.file), self.document);
        Problem {
            severity,
            file,
            document,
            line,
            object,
            path,
            message,
            cure,
        }
    }

    /// The line of a field, or of the object where the field is not known.
    fn line_of(&self, path: &Path<'_>) -> usize {
        self.tree
            .as_ref()
            .map_or(self.line, |tree| path.line_in(tree))
    }
}

/// An object and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced<T> {
    /// Where it was written.
    pub source: Source,
    /// The object.
    pub object: T,
}

/// What a file held.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The objects without errors, in the order written.
    pub objects: Vec<Sourced<Object>>,
    /// What is wrong, in the order written.
    pub problems: Vec<Problem>,
}

impl Read {
    /// Whether something could not be used.
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// Adds what another file held.
    pub fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.problems.extend(other.problems);
    }
}

/// Reads the text of a file. `file` is what problems call it; text that begins with `{` or `[` is
/// read as JSON, everything else as YAML.
pub fn read(file: &str, text: &str) -> Read {
    let file: Arc<str> = Arc::from(file);
    let mut read = Read::default();
    let split = documents::split(&file, text);
    let mut separators = split.separators.into_iter().peekable();
    let source = |document, line| {
        let file = Arc::clone(&file);
        Source {
            file,
            document,
            line,
            tree: None,
            dialect: Dialect::V1,
        }
    };
    for document in split.documents {
        match document.content {
            Ok(tree) => kinds::take(&source(document.number, tree.line), tree, &mut read),
            Err(finding) => {
                let source = source(document.number, finding.line);
                read.problems.push(source.problem(document.guess, finding));
            }
        }
        while let Some((_, finding)) = separators.next_if(|(after, _)| *after <= document.number) {
            let source = source(document.number, finding.line);
            read.problems.push(source.problem(None, finding));
        }
    }
    for (document, finding) in separators {
        read.problems
            .push(source(document, finding.line).problem(None, finding));
    }
    read
}

/// Checks an object that was made rather than read, by the same rules. `name` is what problems call
/// its origin.
pub fn check(name: &str, object: &Object) -> Vec<Problem> {
    let unread = Tree {
        line: 0,
        value: tree::Value::Null,
    };
    let source = Source::generated(name);
    validate::object(object, &unread, Dialect::V1)
        .into_iter()
        .map(|finding| source.problem(object.full_name(), finding))
        .collect()
}

#[cfg(test)]
mod tests;
