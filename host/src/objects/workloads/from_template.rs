//! A pod's own claim, made from a template as the resourceclaim controller makes it.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::POD_CLAIM_ANNOTATION;
use crate::objects::identity;

/// Room for `-` and five letters within 63.
const BASE_MAX: usize = 57;

/// The claim for one entry of a pod. `taken` tells names that exist.
pub(super) fn claim(
    pod: &Pod,
    entry: &str,
    template: &ResourceClaimTemplate,
    taken: impl Fn(&str) -> bool,
) -> ResourceClaim {
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let pod_uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let base = base(pod_name, entry);
    let name = (0_u32..)
        .map(|attempt| identity::generated_name(&base, &[namespace, pod_uid, &attempt.to_string()]))
        .find(|name| !taken(name));
    let spec = template.spec.clone().unwrap_or_default();
    let given = spec.metadata.unwrap_or_default();
    let mut annotations = given.annotations.unwrap_or_default();
    annotations.insert(POD_CLAIM_ANNOTATION.to_owned(), entry.to_owned());
    let mut metadata = ObjectMeta {
        name,
        generate_name: Some(base),
        namespace: Some(namespace.to_owned()),
        labels: given.labels,
        annotations: Some(annotations),
        owner_references: Some(vec![OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod_name.to_owned(),
            uid: pod_uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    };
    identity::fill(&mut metadata, "ResourceClaim", true, pod_uid);
    ResourceClaim {
        metadata,
        spec: spec.spec,
        status: None,
    }
}

/// `<pod>-<entry>-`, where a long one is shortened in both parts by their share.
fn base(pod: &str, entry: &str) -> String {
    let whole = format!("{pod}-{entry}");
    if whole.len() <= BASE_MAX {
        return format!("{whole}-");
    }
    let share = |part: &str| {
        let end = part.len() * BASE_MAX / whole.len();
        part.get(..end).unwrap_or(part).to_owned()
    };
    format!("{}-{}-", share(pod), share(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_in_both_parts() {
        assert_eq!(base("pod", "gpu"), "pod-gpu-");
        let long = base(&"p".repeat(100), &"e".repeat(20));
        assert_eq!(long, format!("{}-{}-", "p".repeat(47), "e".repeat(9)));
        assert!(long.len() <= BASE_MAX + 1);
    }
}
