//! What users are told, as `kubectl describe` shows it to them.

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use crate::cluster::Cluster;
use crate::devices::SOON;
use crate::error::ClusterError;
use crate::wait::until_objects;

/// Waits for an Event about a kind of object, of a reason, whose message has all the words.
pub async fn told(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    reason: &str,
    words: &[&str],
) -> Result<Event, ClusterError> {
    let api: Api<Event> = Api::namespaced(cluster.client(), namespace);
    let what = format!("a {reason} event about a {kind} names {words:?}");
    until_objects(&api, SOON, &what, |events| {
        let found = events.iter().find(|event| {
            let message = event.message.as_deref().unwrap_or_default();
            event.involved_object.kind.as_deref() == Some(kind)
                && event.reason.as_deref() == Some(reason)
                && words.iter().all(|word| message.contains(word))
        });
        found.cloned()
    })
    .await
}

/// The messages of all Events of a reason so far.
pub async fn said(
    cluster: &Cluster,
    namespace: &str,
    reason: &str,
) -> Result<Vec<String>, ClusterError> {
    let api: Api<Event> = Api::namespaced(cluster.client(), namespace);
    let events = api.list(&ListParams::default()).await;
    let events = events.map_err(ClusterError::api("list Events"))?.items;
    let of_reason = events
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    Ok(of_reason.filter_map(|event| event.message).collect())
}
