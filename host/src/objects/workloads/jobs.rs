//! The pods that the job controller would have running at once.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::objects::cluster::full_name;
use crate::objects::problem::{Finding, Severity};
use crate::objects::{Cluster, Problem, Sourced, identity};

/// Most pods made for one job.
pub const JOB_PODS_MAX: usize = 10_000;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The pods of a job that are not given already, and a notice when there are too many to make.
pub(super) fn pods(job: &Sourced<Job>, cluster: &Cluster) -> (Vec<Pod>, Option<Problem>) {
    let mut count = missing(&job.object, cluster);
    let mut problem = None;
    if count > JOB_PODS_MAX {
        let message = format!("asks for {count} pods at once, only {JOB_PODS_MAX} are looked at");
        let finding = Finding {
            severity: Severity::Notice,
            path: "spec.parallelism".to_owned(),
            ..Finding::at(job.source.line, message, "")
        };
        let name = format!("Job {}", full_name(&job.object.metadata));
        problem = Some(job.source.problem(Some(name), finding));
        count = JOB_PODS_MAX;
    }
    let spec = job.object.spec.as_ref();
    let indexed = spec.and_then(|spec| spec.completion_mode.as_deref()) == Some("Indexed");
    (
        (0..count)
            .map(|index| pod(&job.object, index, indexed))
            .collect(),
        problem,
    )
}

/// How many pods the controller would add now: as many as may run in parallel, but no more than
/// completions are left, less those that run already.
fn missing(job: &Job, cluster: &Cluster) -> usize {
    let Some(spec) = &job.spec else { return 0 };
    if spec.suspend == Some(true) {
        return 0;
    }
    let parallelism = spec.parallelism.unwrap_or(1);
    // Without parallelism and completions a job is one pod; with parallelism alone, a work queue.
    let completions = spec.completions.or(spec.parallelism.is_none().then_some(1));
    let succeeded = job
        .status
        .as_ref()
        .and_then(|status| status.succeeded)
        .unwrap_or(0);
    let left = completions.map_or(parallelism, |wanted| wanted.saturating_sub(succeeded));
    let wanted = usize::try_from(parallelism.min(left)).unwrap_or(0);
    let running = cluster.pods.iter().filter(|pod| {
        let owners = pod.object.metadata.owner_references.iter().flatten();
        let same_namespace = pod.object.metadata.namespace == job.metadata.namespace;
        same_namespace
            && !super::is_finished(&pod.object)
            && owners.into_iter().any(|owner| {
                owner.controller == Some(true)
                    && owner.kind == "Job"
                    && Some(&owner.name) == job.metadata.name.as_ref()
            })
    });
    wanted.saturating_sub(running.count())
}

fn pod(job: &Job, index: usize, indexed: bool) -> Pod {
    let template = job
        .spec
        .as_ref()
        .map(|spec| spec.template.clone())
        .unwrap_or_default();
    let name = job.metadata.name.clone().unwrap_or_default();
    let uid = job.metadata.uid.clone().unwrap_or_default();
    let namespace = job.metadata.namespace.clone().unwrap_or_default();
    let base = if indexed {
        format!("{name}-{index}-")
    } else {
        format!("{name}-")
    };
    let given = template.metadata.unwrap_or_default();
    let mut labels = given.labels.unwrap_or_default();
    let mut annotations = given.annotations.unwrap_or_default();
    for (key, value) in [("job-name", &name), ("controller-uid", &uid)] {
        labels.insert(key.to_owned(), value.clone());
        labels.insert(format!("batch.kubernetes.io/{key}"), value.clone());
    }
    if indexed {
        labels.insert(INDEX.to_owned(), index.to_string());
        annotations.insert(INDEX.to_owned(), index.to_string());
    }
    let seed = index.to_string();
    let mut metadata = ObjectMeta {
        name: Some(identity::generated_name(&base, &[&namespace, &uid, &seed])),
        generate_name: Some(base),
        namespace: Some(namespace),
        labels: Some(labels),
        annotations: some(annotations),
        owner_references: Some(vec![OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: name.clone(),
            uid,
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    };
    identity::fill(&mut metadata, "Pod", true, &seed);
    let mut spec: PodSpec = template.spec.unwrap_or_default();
    if indexed {
        spec.hostname
            .get_or_insert_with(|| format!("{name}-{index}"));
    }
    Pod {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

fn some(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}
