//! Manifests as one cluster: read, checked, and made ready for scheduling.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceClass, ResourceSlice};
use supercargo_host::allocator::{Allocator, Features};
use supercargo_host::objects::{
    Cluster, Object, Problem, Read, Severity, Source, Sourced, cross_check, read, workloads,
};
use supercargo_host::scheduling::Input;

use crate::input::{self, InputError};

/// What files held, without errors.
#[derive(Debug)]
pub struct Manifests {
    cluster: Cluster,
    slices: Vec<ResourceSlice>,
    /// The files, in the order read.
    files: BTreeMap<Arc<str>, usize>,
    /// What is worth knowing, but no error.
    pub remarks: Vec<Problem>,
}

/// Why manifests cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Documents are wrong.
    #[error("{} of the documents cannot be used", .0.errors().count())]
    Documents(Box<BadDocuments>),
    /// A node that is not there was asked for.
    #[error("--node {asked}: no such node; there are: {}", known.join(", "))]
    NoSuchNode {
        /// The name.
        asked: String,
        /// The nodes there are.
        known: Vec<String>,
    },
}

/// Bad documents, and the good ones beside them.
#[derive(Debug)]
pub struct BadDocuments {
    /// All problems, in reading order.
    pub problems: Vec<Problem>,
    /// What was read without errors: `file:line`, and what it is.
    pub good: Vec<(String, String)>,
}

impl BadDocuments {
    /// The problems that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
    }
}

impl Manifests {
    /// Reads files, folders and standard input; every error of every document, or none.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ManifestError> {
        Self::of(input::read(paths)?)
    }

    /// Reads texts; every error of every document, or none.
    pub fn of(sources: Vec<input::Source>) -> Result<Self, ManifestError> {
        let mut all = Read::default();
        let mut files = BTreeMap::new();
        for (number, source) in sources.iter().enumerate() {
            let one = read(&source.name, &source.text);
            files.insert(source.name.as_str().into(), number);
            all.extend(one);
        }
        let Read {
            objects,
            mut problems,
        } = all;
        let good = objects.iter().map(describe).collect();
        let (cluster, twice) = Cluster::from_objects(objects);
        problems.extend(twice);
        let wanted = cross_check(&cluster);
        problems.extend(wanted);
        if problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
        {
            return Err(ManifestError::Documents(Box::new(BadDocuments {
                problems,
                good,
            })));
        }
        Ok(Self {
            slices: cluster.tainted_slices(),
            cluster,
            files,
            remarks: problems,
        })
    }

    /// The slices, with the taints of all rules.
    pub fn slices(&self) -> &[ResourceSlice] {
        &self.slices
    }

    /// What devices are allocated from.
    pub fn allocator(&self) -> Arc<Allocator> {
        let classes: Vec<DeviceClass> = self
            .cluster
            .classes
            .iter()
            .map(|class| class.object.clone())
            .collect();
        Arc::new(Allocator::new(Features::ALL, &self.slices, &classes))
    }

    /// What is to be scheduled: pods and claims in the order written, files in the order read. With
    /// `node` only that one takes anything.
    pub fn input(&self, node: Option<&str>) -> Result<Input, ManifestError> {
        let workloads = workloads::workloads(&self.cluster);
        let place = |source: &Source| (self.files.get(&source.file).copied(), source.line);
        let mut input = Input::of(&self.cluster, workloads, place);
        if let Some(asked) = node {
            let name = |node: &k8s_openapi::api::core::v1::Node| node.metadata.name.clone();
            let known: Vec<String> = input.nodes.iter().filter_map(name).collect();
            input
                .nodes
                .retain(|node| node.metadata.name.as_deref() == Some(asked));
            if input.nodes.is_empty() {
                return Err(ManifestError::NoSuchNode {
                    asked: asked.to_owned(),
                    known,
                });
            }
        }
        Ok(input)
    }
}

fn describe(object: &Sourced<Object>) -> (String, String) {
    let Sourced { source, object } = object;
    let name = object.full_name().unwrap_or_default();
    let ignored = if matches!(object, Object::Ignored { .. }) {
        " (not needed here)"
    } else {
        ""
    };
    (
        format!("{}:{}", source.file, source.line),
        format!("{} {name}{ignored}", object.kind()),
    )
}
