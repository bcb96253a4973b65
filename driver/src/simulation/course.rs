//! What happens to a cluster, from a dump or a scenario.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimSpec, ResourceSlice};
use serde_json::Value;
use supercargo_host::objects::{self, Object, Plain, plain};
use supercargo_host::scheduling::{Input, Task};

use super::scenario::{Arrival, KIND, Scenario};
use crate::claims::results;
use crate::input::{self, InputError, Source};
use crate::manifests::{ManifestError, Manifests};

/// Copies of every node.
const MOST_COPIES: u16 = 1_000;

/// Why there is no course.
#[derive(Debug, thiserror::Error)]
pub enum CourseError {
    /// The manifests.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// The scenario cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The scenario is wrong.
    #[error("{file}:{line}: {path}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The field.
        path: String,
        /// What is wrong.
        message: String,
    },
}

/// Workloads that are told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What they are called.
    pub name: String,
    /// What each asks for, in a few words.
    pub wants: String,
}

/// A cluster and what happens to it.
#[derive(Debug)]
pub struct Course {
    /// What it is made from, for a title.
    pub title: String,
    /// The manifests, before copies.
    manifests: Manifests,
    copies: u16,
    /// The kinds of workloads.
    pub kinds: Vec<Kind>,
    /// The arrivals of a scenario; a dump's tasks arrive a minute apart.
    pub(super) arrivals: Option<(Vec<Arrival>, Vec<ResourceClaimSpec>)>,
    /// How long it goes on, in minutes.
    pub length: f64,
    /// Whether claims that are allocated in a dump are placed anew.
    anew: bool,
}

impl Course {
    /// Reads a scenario, or takes the files for a dump. `anew`: allocations of a dump are forgotten.
    ///
    /// # Errors
    /// A file cannot be read, or is wrong.
    pub fn read(files: &[PathBuf], anew: bool) -> Result<Self, CourseError> {
        let sources = input::read(files)?;
        if let (Some(scenario), [file]) = (scenario(&sources)?, files) {
            return Self::of_scenario(file, scenario);
        }
        let manifests = Manifests::of(sources)?;
        let names: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        Ok(Self {
            title: names.join(" "),
            manifests,
            copies: 1,
            kinds: Vec::new(),
            arrivals: None,
            length: 0.0,
            anew,
        })
    }

    fn of_scenario(file: &Path, scenario: Scenario) -> Result<Self, CourseError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let cluster: Vec<PathBuf> = scenario
            .cluster
            .iter()
            .map(|path| folder.join(path))
            .collect();
        let arrivals = scenario.arrivals().map_err(|message| CourseError::Wrong {
            file: file.display().to_string(),
            line: 1,
            path: "workloads".to_owned(),
            message,
        })?;
        let named = |spec: &ResourceClaimSpec| ResourceClaim {
            spec: Some(spec.clone()),
            ..ResourceClaim::default()
        };
        Ok(Self {
            title: file.display().to_string(),
            manifests: Manifests::read(&cluster)?,
            copies: scenario.copies,
            kinds: scenario
                .workloads
                .iter()
                .map(|kind| Kind {
                    name: kind.name.clone(),
                    wants: crate::claims::wants(&named(&kind.claim)),
                })
                .collect(),
            arrivals: Some((
                arrivals,
                scenario
                    .workloads
                    .into_iter()
                    .map(|kind| kind.claim)
                    .collect(),
            )),
            length: scenario.length,
            anew: false,
        })
    }

    /// What is published: every node as often as the scenario says.
    pub fn slices(&self) -> Vec<ResourceSlice> {
        let all = self.manifests.slices();
        let copied = (1..self.copies).flat_map(|copy| {
            let own = all.iter().filter(|slice| slice.spec.node_name.is_some());
            own.map(move |slice| {
                let mut slice = slice.clone();
                let name = |name: &str| format!("{name}-{copy}");
                slice.metadata.name = slice.metadata.name.as_deref().map(name);
                slice.spec.node_name = slice.spec.node_name.as_deref().map(name);
                slice.spec.pool.name = name(&slice.spec.pool.name);
                slice
            })
        });
        all.iter().cloned().chain(copied).collect()
    }

    /// The classes.
    pub fn classes(&self) -> Vec<k8s_openapi::api::resource::v1::DeviceClass> {
        self.manifests.classes()
    }

    /// Nodes, claims, tasks.
    ///
    /// # Errors
    /// Never for a course that was read.
    pub fn input(&self) -> Result<Input, CourseError> {
        let mut input = self.manifests.input(None)?;
        if !self.anew {
            input.tasks.retain(|task| !runs(task, &input.claims));
        } else {
            for task in &mut input.tasks {
                if runs(task, &input.claims)
                    && let Task::Pod(pod) = task
                    && let Some(spec) = &mut pod.pod.spec
                {
                    spec.node_name = None;
                }
            }
            for claim in &mut input.claims {
                if let Some(status) = &mut claim.status {
                    status.allocation = None;
                    status.reserved_for = None;
                }
            }
        }
        let copied: Vec<Node> = (1..self.copies)
            .flat_map(|copy| {
                input.nodes.iter().map(move |node| {
                    let mut node = node.clone();
                    node.metadata.name = node.metadata.name.map(|name| format!("{name}-{copy}"));
                    node
                })
            })
            .collect();
        input.nodes.extend(copied);
        if self.anew {
            // What was allocated was no task; now all that no pod uses is.
            let known: BTreeSet<usize> =
                input.tasks.iter().flat_map(super::run::claims_of).collect();
            let lone = (0..input.claims.len()).filter(|at| !known.contains(at));
            input.tasks.extend(lone.map(Task::Claim));
        }
        Ok(input)
    }
}

/// The scenario, where there is one; it stands alone.
fn scenario(sources: &[Source]) -> Result<Option<Scenario>, CourseError> {
    for source in sources.iter().filter(|source| source.text.contains(KIND)) {
        let among = |line: usize| CourseError::Wrong {
            file: source.name.clone(),
            line,
            path: "kind".to_owned(),
            message: format!(
                "a {KIND} stands alone, one document in one file that is given alone; its cluster is \
                 what it names"
            ),
        };
        match plain(&source.name, &source.text) {
            Ok(document) if document.value.get("kind").and_then(Value::as_str) == Some(KIND) => {
                if sources.len() > 1 {
                    return Err(among(document.line_of("kind")));
                }
                return read(&source.name, &document).map(Some);
            }
            Ok(_) => {}
            // Several documents, or one with a mistake that is told with those of the others.
            Err(_) => {
                let objects = objects::read(&source.name, &source.text).objects;
                let is_scenario = |object: &Object| matches!(object, Object::Ignored { kind, .. } if kind == KIND);
                if let Some(found) = objects.iter().find(|one| is_scenario(&one.object)) {
                    return Err(among(found.source.line));
                }
            }
        }
    }
    Ok(None)
}

fn read(name: &str, document: &Plain) -> Result<Scenario, CourseError> {
    let wrong = |path: String, message: String| CourseError::Wrong {
        file: name.to_owned(),
        line: document.line_of(&path),
        path,
        message,
    };
    let scenario: Scenario = serde_path_to_error::deserialize(document.value.clone())
        .map_err(|error| wrong(error.path().to_string(), error.inner().to_string()))?;
    if scenario.api_version != "supercargo.dev/v1alpha1" {
        return Err(wrong(
            "apiVersion".to_owned(),
            format!(
                "{:?} is not supported; write supercargo.dev/v1alpha1",
                scenario.api_version
            ),
        ));
    }
    if !(1..=MOST_COPIES).contains(&scenario.copies) {
        let message = format!("{} is not between 1 and {MOST_COPIES}", scenario.copies);
        return Err(wrong("copies".to_owned(), message));
    }
    Ok(scenario)
}

/// Whether a task is a pod that runs: all that it asked for is allocated, and it has its node.
fn runs(task: &Task, claims: &[ResourceClaim]) -> bool {
    let Task::Pod(pod) = task else { return false };
    let on_node = pod
        .pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    let allocated = |claim: &usize| {
        let claim = claims.get(*claim);
        claim.is_some_and(|claim| results(claim).next().is_some())
    };
    on_node && super::run::claims_of(task).iter().all(allocated)
}
