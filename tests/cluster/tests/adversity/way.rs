//! What lies between the scheduler and the extender misbehaves.

use std::time::Duration;

use serde_json::{Value, json};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{SOON, apply, bound, clear, load_nodes, pod};
use supercargo_cluster::until;

use crate::nothing_is_wrong;
use crate::scene::{LEASE, Scene};
use crate::service::{Service, Way};

/// Pods for each way.
const PODS: usize = 6;

const WAYS: [(&str, Way); 8] = [
    ("closed", Way::Closed),
    ("mute", Way::Mute),
    ("not-http", Way::Says("\u{1}\u{2}\u{3}")),
    (
        "not-json",
        Way::Says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot json!"),
    ),
    (
        "no-such-node",
        Way::Says("HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{\"NodeNames\":[\"nobody-has\"]}"),
    ),
    (
        "broken",
        Way::Says("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
    ),
    ("bind-cut", Way::BindCut),
    ("bind-late", Way::BindLate(Duration::from_secs(4))),
];

pub(crate) async fn whatever_happens_on_the_way_pods_are_bound_once(bed: &Bed) -> Outcome {
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    let extender = scene.replica(bed, 0, LEASE, &[], &[]).await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let hasty = json!({"httpTimeout": "2s"});
    let scheduler = scene.kube_scheduler(bed, "own", service.address, None, &hasty)?;
    let namespace = bed.fresh_namespace().await?;
    // As many devices as pods: one that leaked would be missed.
    load_nodes(bed, "way", WAYS.len(), PODS).await?;
    for (n, (name, way)) in WAYS.into_iter().enumerate() {
        service.goes(way);
        let pods: Vec<Value> = (0..PODS)
            .flat_map(|n| pod(&format!("{name}-{n}"), "load", 1, &Value::Null))
            .collect();
        apply(bed, &namespace, &pods).await?;
        until(SOON, &format!("the scheduler meets {name}"), async || {
            scheduler.must_run()?;
            extender.process().must_run()?;
            Ok((service.met() >= PODS / 2).then_some(()))
        })
        .await?;
        service.goes(Way::Straight);
        bound(bed, &namespace, PODS * (n + 1)).await?;
        nothing_is_wrong(bed).await?;
    }
    clear(bed, &namespace, "way").await
}
