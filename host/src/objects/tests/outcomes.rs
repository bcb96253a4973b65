//! What first fit gives the workloads of the examples: each manifest promises it in its first lines.

use std::fmt::Write;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, ResourceClaim};

use super::*;
use crate::allocator::{AllocatedState, Allocator, Budget, DeviceId, Features, Guidance};
use crate::node_selector::{NodeTerms, admits};
use crate::objects::workloads::workloads;

#[test]
fn first_fit_does_with_each_example_what_the_example_says() {
    let mut told = String::new();
    for (file, text) in manifests(".")
        .into_iter()
        .filter(|(file, _)| file != "cluster.yaml")
    {
        let _ = writeln!(told, "# {file}\n{}", outcome(read(&file, &text)));
    }
    let cluster = std::fs::read_to_string(examples().join("cluster.yaml")).unwrap();
    for (file, text) in manifests("on-cluster") {
        let mut all = read("cluster.yaml", &cluster);
        all.extend(read(&file, &text));
        let _ = writeln!(told, "# on-cluster/{file}\n{}", outcome(all));
    }
    insta::assert_snapshot!(told);
}

/// Places the pods one after another on the first node that fits.
fn outcome(read: Read) -> String {
    let (cluster, _) = Cluster::from_objects(read.objects);
    let classes: Vec<_> = cluster
        .classes
        .iter()
        .map(|class| class.object.clone())
        .collect();
    let allocator = Allocator::new(Features::ALL, &cluster.tainted_slices(), &classes);
    let mut made = workloads(&cluster);
    let mut told = String::new();
    for pod in &made.pods {
        let name = pod.pod.metadata.name.as_deref().unwrap();
        if let Some(missing) = pod.missing() {
            let _ = writeln!(told, "{name}: pending, {} is missing", missing.name);
            continue;
        }
        let state = in_use(made.claims.iter().map(|claim| &claim.object));
        let claims: Vec<usize> = pod.found().collect();
        let is_open = |claim: &&usize| allocation(&made.claims[**claim].object).is_none();
        let open: Vec<usize> = claims.iter().filter(is_open).copied().collect();
        let asked: Vec<&ResourceClaim> = open
            .iter()
            .map(|claim| &made.claims[*claim].object)
            .collect();
        let reachable = |node: &Node| {
            let held = claims
                .iter()
                .filter_map(|claim| allocation(&made.claims[*claim].object));
            held.filter_map(|held| held.node_selector.as_ref())
                .all(|selector| NodeTerms::lenient(selector).matches(node))
        };
        let nodes = cluster.nodes.iter().map(|node| &node.object);
        let found = nodes
            .filter(|node| admits(node, &pod.pod).is_ok() && reachable(node))
            .find_map(|node| {
                let none = Guidance::default();
                let budget = Budget {
                    steps: 1_000_000,
                    deadline: None,
                };
                let found = allocator
                    .allocate(&state, node, &asked, &none, budget)
                    .unwrap();
                found.map(|found| (node.metadata.name.clone().unwrap(), found.results))
            });
        let Some((node, results)) = found else {
            let _ = writeln!(told, "{name}: pending, no node fits");
            continue;
        };
        for (claim, result) in open.iter().zip(results) {
            made.claims[*claim]
                .object
                .status
                .get_or_insert_default()
                .allocation = Some(result);
        }
        let _ = write!(told, "{name}: {node}");
        for claim in &pod.claims {
            let index = claims[pod.claims.iter().position(|other| other == claim).unwrap()];
            let results = allocation(&made.claims[index].object)
                .unwrap()
                .devices
                .as_ref();
            let devices: Vec<_> = results
                .unwrap()
                .results
                .iter()
                .flatten()
                .map(|result| result.device.as_str())
                .collect();
            let _ = write!(told, "; {}: {}", claim.name, devices.join(", "));
        }
        told.push('\n');
    }
    told
}

fn allocation(claim: &ResourceClaim) -> Option<&AllocationResult> {
    claim.status.as_ref()?.allocation.as_ref()
}

fn in_use<'c>(claims: impl Iterator<Item = &'c ResourceClaim>) -> AllocatedState {
    let results = claims
        .filter_map(allocation)
        .filter_map(|result| result.devices.as_ref());
    let results = results.flat_map(|devices| devices.results.iter().flatten());
    let devices = results
        .filter(|result| result.admin_access != Some(true))
        .map(|result| DeviceId {
            driver: result.driver.as_str().into(),
            pool: result.pool.as_str().into(),
            device: result.device.as_str().into(),
        });
    AllocatedState {
        devices: devices.collect(),
        ..AllocatedState::default()
    }
}
