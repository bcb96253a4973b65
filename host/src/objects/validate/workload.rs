//! Pods and jobs, as far as their claims, containers and placement go.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};

use super::{Report, terms};
use crate::names;
use crate::objects::path::Path;
use crate::objects::tree::shorten;

pub(super) fn pod(report: &mut Report<'_>, pod: &Pod) {
    report.metadata(&pod.metadata, names::dns_subdomain);
    let root = Path::root();
    spec(report, &root.field("spec"), pod.spec.as_ref());
}

pub(super) fn job(report: &mut Report<'_>, job: &Job) {
    report.metadata(&job.metadata, names::dns_subdomain);
    let root = Path::root();
    let path = root.field("spec");
    let Some(given) = &job.spec else {
        report.required(
            &path,
            "a Job needs spec: {template: {spec: {containers: [...]}}}",
        );
        return;
    };
    for (field, value) in [
        ("parallelism", given.parallelism),
        ("completions", given.completions),
    ] {
        if let Some(value) = value.filter(|value| *value < 0) {
            report.error(
                &path.field(field),
                format!("must not be negative, found {value}"),
                "",
            );
        }
    }
    match given.completion_mode.as_deref() {
        None => {}
        Some("Indexed") if given.completions.is_none() => {
            report.required(
                &path.field("completions"),
                "completionMode Indexed needs completions",
            );
        }
        Some(mode) => {
            report.one_of(
                &path.field("completionMode"),
                mode,
                &["NonIndexed", "Indexed"],
            );
        }
    }
    let template = path.field("template");
    let place = template.field("spec");
    spec(report, &place, given.template.spec.as_ref());
    let policy = given
        .template
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref());
    if !matches!(policy, Some("Never" | "OnFailure")) {
        let found = policy.map_or("there is none".to_owned(), |policy| {
            format!("found {policy}")
        });
        report.notice(
            &place.field("restartPolicy"),
            format!("the API server takes only Never or OnFailure in a Job, {found}"),
            "add restartPolicy: Never before applying it to a cluster",
        );
    }
}

fn spec(report: &mut Report<'_>, path: &Path<'_>, spec: Option<&PodSpec>) {
    let Some(spec) = spec else {
        report.required(path, "a pod needs containers");
        return;
    };
    let containers = path.field("containers");
    if spec.containers.is_empty() {
        report.required(&containers, "a pod needs at least one container");
    }
    let known = claims(report, &path.field("resourceClaims"), spec);
    let lists = [
        ("containers", spec.containers.as_slice()),
        (
            "initContainers",
            spec.init_containers.as_deref().unwrap_or_default(),
        ),
    ];
    for (field, list) in lists {
        let path = path.field(field);
        report.unique(
            &path,
            Some("name"),
            list.iter().map(|given| given.name.as_str()),
        );
        for (index, container) in list.iter().enumerate() {
            self::container(report, &path.index(index), container, &known);
        }
    }
    if let Some(resources) = &spec.resources {
        use_claims(report, &path.field("resources"), resources, &known);
    }
    if let Some(name) = spec.node_name.as_deref().filter(|name| !name.is_empty()) {
        report.format(&path.field("nodeName"), name, names::dns_subdomain);
    }
    let selector = spec.node_selector.iter().flatten();
    report.labels(&path.field("nodeSelector"), selector);
    affinity(report, path, spec);
}

fn affinity(report: &mut Report<'_>, path: &Path<'_>, spec: &PodSpec) {
    let affinity = spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| {
        affinity
            .required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    if let Some(selector) = required {
        let path = path.field("affinity");
        let path = path.field("nodeAffinity");
        let path = path.field("requiredDuringSchedulingIgnoredDuringExecution");
        terms::malformed(report, &path, selector);
    }
}

/// Checks the pod's claims and returns their names within the pod.
fn claims<'s>(report: &mut Report<'_>, path: &Path<'_>, spec: &'s PodSpec) -> BTreeSet<&'s str> {
    let claims = spec.resource_claims.as_deref().unwrap_or_default();
    report.unique(
        path,
        Some("name"),
        claims.iter().map(|claim| claim.name.as_str()),
    );
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        report.name(&path.field("name"), &claim.name, names::dns_label);
        let given = [
            ("resourceClaimName", claim.resource_claim_name.as_deref()),
            (
                "resourceClaimTemplateName",
                claim.resource_claim_template_name.as_deref(),
            ),
        ];
        match given.iter().filter(|(_, name)| name.is_some()).count() {
            1 => {}
            0 => report.error(
                &path,
                "must have one of resourceClaimName and resourceClaimTemplateName, has neither",
                "write resourceClaimTemplateName for a claim of each pod's own, resourceClaimName \
                 for an existing claim; a mutating webhook built before Kubernetes 1.32 drops both",
            ),
            _ => report.error(
                &path,
                "has both resourceClaimName and resourceClaimTemplateName",
                "keep resourceClaimName for an existing claim, or resourceClaimTemplateName for a \
                 claim of each pod's own",
            ),
        }
        for (field, name) in given {
            if let Some(name) = name {
                report.name(&path.field(field), name, names::dns_subdomain);
            }
        }
    }
    claims.iter().map(|claim| claim.name.as_str()).collect()
}

fn container(
    report: &mut Report<'_>,
    path: &Path<'_>,
    container: &Container,
    known: &BTreeSet<&str>,
) {
    report.name(&path.field("name"), &container.name, names::dns_label);
    if let Some(resources) = &container.resources {
        use_claims(report, &path.field("resources"), resources, known);
    }
}

fn use_claims(
    report: &mut Report<'_>,
    path: &Path<'_>,
    resources: &ResourceRequirements,
    known: &BTreeSet<&str>,
) {
    let path = path.field("claims");
    for (index, claim) in resources.claims.iter().flatten().enumerate() {
        let path = path.index(index);
        let name = path.field("name");
        if claim.name.is_empty() {
            report.required(&name, "name an entry of the pod's spec.resourceClaims");
        } else if !known.contains(claim.name.as_str()) {
            let names: Vec<&str> = known.iter().copied().collect();
            let cure = match names.as_slice() {
                [] => format!(
                    "add it to the pod's spec:\n    resourceClaims:\n    - name: {}\n      \
                     resourceClaimTemplateName: ...",
                    claim.name
                ),
                names => format!(
                    "use one of {}, or add it to spec.resourceClaims",
                    names.join(", ")
                ),
            };
            let found = shorten(&claim.name);
            report.error(
                &name,
                format!("the pod's spec.resourceClaims has no entry '{found}'"),
                cure,
            );
        }
    }
}
