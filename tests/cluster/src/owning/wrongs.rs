//! What must be true of claims and pods, read from the API server alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::error::ClusterError;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::Api;
use kube::api::ListParams;

/// Everything that is wrong with the state of the API server: devices in two claims, devices that nobody
/// publishes or that another node has, reservations for pods that are gone or were never bound.
pub async fn wrongs(cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let list = ListParams::default();
    let claims: Api<ResourceClaim> = Api::all(cluster.client());
    let claims = claims
        .list(&list)
        .await
        .map_err(ClusterError::api("list claims"))?;
    let pods: Api<Pod> = Api::all(cluster.client());
    let pods = pods
        .list(&list)
        .await
        .map_err(ClusterError::api("list pods"))?;
    let slices: Api<ResourceSlice> = Api::all(cluster.client());
    let slices = slices
        .list(&list)
        .await
        .map_err(ClusterError::api("list slices"))?;

    let mut nodes = BTreeMap::new();
    for slice in slices {
        for device in slice.spec.devices.unwrap_or_default() {
            let id = (
                slice.spec.driver.clone(),
                slice.spec.pool.name.clone(),
                device.name,
            );
            nodes.insert(id, slice.spec.node_name.clone());
        }
    }
    let bound: BTreeMap<String, Option<String>> = pods
        .into_iter()
        .map(|pod| {
            let node = pod.spec.and_then(|spec| spec.node_name);
            (pod.metadata.uid.unwrap_or_default(), node)
        })
        .collect();
    let mut wrongs = Vec::new();
    let mut held: BTreeMap<(String, String, String), String> = BTreeMap::new();
    for claim in claims {
        let name = format!(
            "{}/{}",
            claim.metadata.namespace.unwrap_or_default(),
            claim.metadata.name.unwrap_or_default()
        );
        let status = claim.status.unwrap_or_default();
        let users = status.reserved_for.unwrap_or_default();
        let mut wanted = BTreeSet::new();
        for user in &users {
            match bound.get(&user.uid) {
                Some(Some(node)) => {
                    wanted.insert(node.clone());
                }
                Some(None) => wrongs.push(format!(
                    "{name} is reserved for {}, which is not bound",
                    user.name
                )),
                None => wrongs.push(format!(
                    "{name} is reserved for {}, which is gone",
                    user.name
                )),
            }
        }
        let allocation = status.allocation.and_then(|it| it.devices);
        let results = allocation.and_then(|it| it.results).unwrap_or_default();
        if !users.is_empty() && results.is_empty() {
            wrongs.push(format!("{name} is reserved without devices"));
        }
        for result in results {
            // Admin access takes nothing.
            let takes = result.admin_access != Some(true);
            let id = (result.driver, result.pool, result.device);
            match nodes.get(&id) {
                None => wrongs.push(format!("{name} has {id:?}, which nobody publishes")),
                Some(Some(node)) if wanted.iter().any(|it| it != node) => {
                    wrongs.push(format!(
                        "{name} has {id:?} of {node}, and runs on {wanted:?}"
                    ));
                }
                Some(_) => {}
            }
            if takes && let Some(other) = held.insert(id.clone(), name.clone()) {
                wrongs.push(format!("{other} and {name} both have {id:?}"));
            }
        }
    }
    Ok(wrongs)
}
