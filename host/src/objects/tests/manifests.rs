//! The example manifests: what runs must be clean, what is wrong must name its cure.

use super::*;
use crate::objects::{Severity, workloads::workloads};

#[test]
fn every_mistake_is_told_with_its_cure() {
    let mut told = String::new();
    for (file, text) in manifests("mistakes") {
        let read = read(&file, &text);
        let kept: Vec<_> = read
            .objects
            .iter()
            .map(|object| object.object.kind())
            .collect();
        told += &format!("# {file}\nread: {}\n", kept.join(", "));
        told += &shown(&all_problems(&file, &text));
        told.push('\n');
    }
    insta::assert_snapshot!(told);
}

#[test]
fn every_runnable_manifest_is_clean() {
    let mut told = String::new();
    for (file, text) in manifests(".") {
        told += &shown(&all_problems(&file, &text));
    }
    insta::assert_snapshot!(told, @r"
    notice: admin-access.yaml:87: ValidatingAdmissionPolicy resourceclaim-policy.dra.example.com: ValidatingAdmissionPolicy (admissionregistration.k8s.io/v1) is not used here
    pending: missing-claim.yaml:19: Pod default/waiting, spec.resourceClaims[0].resourceClaimName: there is no ResourceClaim default/not-yet-created: the pod stays pending until it is created
      to fix: create the claim
    ");
}

#[test]
fn workloads_for_the_big_cluster_find_all_they_name_there() {
    let (file, text) = manifests(".")
        .into_iter()
        .find(|(file, _)| file == "cluster.yaml")
        .unwrap();
    for (other, workload) in manifests("on-cluster") {
        let mut all = read(&file, &text);
        all.extend(read(&other, &workload));
        let (cluster, duplicates) = Cluster::from_objects(all.objects);
        assert_eq!(shown(&duplicates), "");
        assert_eq!(shown(&cross_check(&cluster)), "", "{other}");
        assert!(
            workloads(&cluster)
                .pods
                .iter()
                .all(|pod| pod.missing().is_none())
        );
    }
}

#[test]
fn the_big_cluster_has_five_nodes_of_eight_gpus_and_partitions_that_fit_their_counters() {
    let text = std::fs::read_to_string(examples().join("cluster.yaml")).unwrap();
    let (cluster, _) = Cluster::from_objects(good(&text));
    assert_eq!(cluster.nodes.len(), 5);
    let devices = |kind: &str| {
        let slices = cluster
            .slices
            .iter()
            .flat_map(|slice| slice.object.spec.devices.iter().flatten());
        slices
            .filter(|device| {
                let attributes = device.attributes.as_ref().unwrap();
                attributes["type"].string.as_deref() == Some(kind)
            })
            .count()
    };
    assert_eq!(devices("gpu"), 4 * 8 + 6);
    assert_eq!(devices("mig"), 2 * 18);
}

#[test]
fn no_runnable_manifest_has_an_error() {
    for folder in [".", "on-cluster"] {
        for (file, text) in manifests(folder) {
            let read = read(&file, &text);
            assert!(
                read.problems.iter().all(|p| p.severity == Severity::Notice),
                "{file}"
            );
        }
    }
}
