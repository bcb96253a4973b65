//! Pods with their claims, as the controllers make them.

use k8s_openapi::api::resource::v1::ResourceClaim;

use super::*;
use crate::objects::workloads::{ClaimState, POD_CLAIM_ANNOTATION, Workloads, workloads};

const TEMPLATE: &str = "apiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: \
    {name: t}\nspec: {metadata: {labels: {a: b}}, spec: {devices: {requests: [{name: r, exactly: \
    {deviceClassName: c}}]}}}\n---\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: pod, uid: pod-uid}\nspec: \
    {containers: [{name: c}], resourceClaims: [{name: gpu, resourceClaimTemplateName: t}]}\n";

fn made(text: &str) -> Workloads {
    let (cluster, duplicates) = Cluster::from_objects(good(text));
    assert_eq!(shown(&duplicates), "");
    workloads(&cluster)
}

fn job(spec: &str) -> Workloads {
    made(&format!(
        "{TEMPLATE}apiVersion: batch/v1\nkind: Job\nmetadata: {{name: job}}\nspec: {{template: \
         {{metadata: {{labels: {{x: z}}}}, spec: {{restartPolicy: Never, containers: [{{name: c}}], \
         resourceClaims: [{{name: gpu, resourceClaimTemplateName: t}}]}}}}, {spec}}}\n"
    ))
}

fn name(claim: &ResourceClaim) -> &str {
    claim.metadata.name.as_deref().unwrap()
}

#[test]
fn a_template_gives_each_pod_a_claim_as_the_controller_would() {
    let made = made(&format!("{TEMPLATE}{POD}"));
    let claim = &made.claims[0].object;
    assert!(
        name(claim).starts_with("pod-gpu-") && name(claim).len() == 13,
        "{}",
        name(claim)
    );
    assert_eq!(claim.metadata.generate_name.as_deref(), Some("pod-gpu-"));
    assert_eq!(
        claim.metadata.annotations.as_ref().unwrap()[POD_CLAIM_ANNOTATION],
        "gpu"
    );
    assert_eq!(claim.metadata.labels.as_ref().unwrap()["a"], "b");
    let owner = &claim.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.uid.as_str()),
        ("Pod", "pod-uid")
    );
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
    assert_eq!(made.pods[0].claims[0].state, ClaimState::Found(0));
    let status = made.pods[0].pod.status.as_ref().unwrap();
    let statuses = status.resource_claim_statuses.as_ref().unwrap();
    assert_eq!(
        statuses[0].resource_claim_name.as_deref(),
        Some(name(claim))
    );
}

#[test]
fn the_same_files_make_the_same_claims() {
    let text = format!("{TEMPLATE}{POD}");
    assert_eq!(made(&text).claims, made(&text).claims);
}

#[test]
fn what_was_made_before_is_found_by_owner_and_annotation() {
    let first = made(&format!("{TEMPLATE}{POD}"));
    let claim =
        crate::objects::write::yaml(&[Object::ResourceClaim(first.claims[0].object.clone())]);
    let again = made(&format!("{TEMPLATE}{claim}---\n{POD}"));
    assert_eq!(again.claims.len(), 1);
    assert_eq!(again.pods[0].claims[0].state, ClaimState::Found(0));
    let other = made(&format!(
        "{TEMPLATE}{claim}---\n{}",
        POD.replace("pod-uid", "other-uid")
    ));
    assert_eq!(other.claims.len(), 2, "a claim of another pod is not taken");
}

#[test]
fn the_pods_status_decides_which_claim_it_is() {
    let with_status = |status: &str| {
        format!("{TEMPLATE}{POD}status: {{resourceClaimStatuses: [{{name: gpu{status}}}]}}\n")
    };
    let made_nothing = made(&with_status(""));
    assert_eq!(made_nothing.pods[0].claims[0].state, ClaimState::NotNeeded);
    let gone = made(&with_status(", resourceClaimName: gone"));
    let missing = gone.pods[0].missing().unwrap();
    assert!(
        matches!(&missing.state, ClaimState::Missing { reason, .. } if reason.contains("default/gone"))
    );
}

#[test]
fn a_shared_claim_is_one_claim() {
    let claim = "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: shared}\nspec: {}\n---\n";
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c}}], \
             resourceClaims: [{{name: g, resourceClaimName: shared}}]}}\n"
        )
    };
    let made = made(&format!("{claim}{}---\n{}", pod("a"), pod("b")));
    assert_eq!(made.claims.len(), 1);
    assert!(made.pods.iter().all(|pod| pod.found().eq([0])));
}

#[test]
fn finished_pods_need_nothing() {
    assert_eq!(
        made(&format!("{TEMPLATE}{POD}status: {{phase: Succeeded}}\n"))
            .pods
            .len(),
        0
    );
}

#[test]
fn jobs_run_as_many_pods_as_parallelism_and_completions_allow() {
    for (spec, expected) in [
        ("", 1),
        ("parallelism: 3", 3),
        ("completions: 5", 1),
        ("parallelism: 4, completions: 2", 2),
        ("parallelism: 0", 0),
        ("parallelism: 2, completions: 10, suspend: true", 0),
    ] {
        let made = job(spec);
        assert_eq!(made.pods.len(), expected, "{spec}");
        assert_eq!(made.claims.len(), expected, "{spec}");
    }
    let mut names: Vec<_> = job("parallelism: 100")
        .pods
        .iter()
        .map(|p| p.pod.metadata.name.clone())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 100);
}

#[test]
fn indexed_jobs_number_their_pods() {
    let made = job("parallelism: 2, completions: 2, completionMode: Indexed");
    let pod = &made.pods[1].pod;
    assert!(pod.metadata.name.as_ref().unwrap().starts_with("job-1-"));
    assert_eq!(
        pod.spec.as_ref().unwrap().hostname.as_deref(),
        Some("job-1")
    );
    let labels = pod.metadata.labels.as_ref().unwrap();
    assert_eq!(labels["batch.kubernetes.io/job-completion-index"], "1");
    assert_eq!(
        (labels["x"].as_str(), labels["job-name"].as_str()),
        ("z", "job")
    );
}

#[test]
fn absurdly_parallel_jobs_are_cut_with_a_notice() {
    let made = job("parallelism: 2000000000");
    assert_eq!(made.pods.len(), crate::objects::workloads::JOB_PODS_MAX);
    assert!(shown(&made.problems).contains("asks for 2000000000 pods at once"));
}
