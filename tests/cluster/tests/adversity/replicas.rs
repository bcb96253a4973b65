//! Two replicas behind one Service.

use std::fs;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use rustix::process::Signal;
use serde_json::Value;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{SOON, apply, bound, clear, load_nodes, pod};
use supercargo_cluster::{Extender, until};

use crate::audit::requests;
use crate::scene::Scene;
use crate::service::Service;
use crate::{Failure, nothing_is_wrong};

/// Makes pods with these numbers, of one device each.
pub(crate) async fn pods(bed: &Bed, namespace: &str, numbers: std::ops::Range<usize>) -> Outcome {
    let objects: Vec<Value> = numbers
        .flat_map(|n| pod(&format!("p-{n}"), "load", 1, &Value::Null))
        .collect();
    for part in objects.chunks(100) {
        apply(bed, namespace, part).await?;
    }
    Ok(())
}

/// Waits until a replica is ready, whoever leads.
async fn stands_by(replica: &Extender) -> Result<(), Failure> {
    let what = format!("{} is ready", replica.process().name());
    until(SOON, &what, async || {
        replica.process().must_run()?;
        Ok(replica.is_ready().await.then_some(()))
    })
    .await?;
    Ok(())
}

/// How many requests of a verb ended so.
async fn counted(replica: &Extender, verb: &str, result: &str) -> Result<u64, Failure> {
    let metrics = replica.metrics().await?;
    let labels = format!("verb=\"{verb}\",result=\"{result}\"");
    let line = metrics.lines().find(|line| line.contains(&labels));
    let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    Ok(count.unwrap_or_default())
}

pub(crate) async fn when_the_leader_is_killed_the_other_replica_binds_the_rest(
    bed: &Bed,
) -> Outcome {
    const PODS: usize = 240;
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    let leader = scene.https(bed, 0, &[]).await?;
    leader.ready().await?;
    let other = scene.https(bed, 1, &[]).await?;
    stands_by(&other).await?;
    assert!(leader.is_ready().await && leader.leads().await? && !other.leads().await?);
    let service = Service::start(vec![(&*other).into(), (&*leader).into()]).await?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &Value::Null)?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "two", PODS / 8, 8).await?;
    pods(bed, &namespace, 0..PODS / 2).await?;

    bound(bed, &namespace, PODS / 4).await?;
    // The first connection went to the other replica, and all were answered by the leader.
    assert!(counted(&leader, "bind", "bound").await? > 0);
    assert_eq!(counted(&other, "filter", "nodes").await?, 0);
    leader.process().kill()?;
    // However far it came, there is something left.
    pods(bed, &namespace, PODS / 2..PODS).await?;
    bound(bed, &namespace, PODS).await?;
    assert!(counted(&other, "bind", "bound").await? > 0);
    nothing_is_wrong(bed).await?;
    clear(bed, &namespace, "two").await
}

pub(crate) async fn a_leader_that_was_stopped_writes_nothing_when_it_goes_on(bed: &Bed) -> Outcome {
    const PODS: usize = 120;
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    // It stops when it has allocated and reserved the devices of its 20th pod, before it binds that.
    let leader = scene
        .https(bed, 0, &[("SUPERCARGO_FAULT", "stop:reserved#20")])
        .await?;
    leader.ready().await?;
    let other = scene.https(bed, 1, &[]).await?;
    stands_by(&other).await?;
    let service = Service::start(vec![(&*leader).into(), (&*other).into()]).await?;
    let tls = Some(&*scene.tls);
    let quick = serde_json::json!({"httpTimeout": "5s"});
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &quick)?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "stop", PODS / 8, 8).await?;
    pods(bed, &namespace, 0..PODS / 2).await?;

    until(SOON, "the other replica leads", async || {
        Ok(other.leads().await?.then_some(()))
    })
    .await?;
    let leases: Api<Lease> = Api::namespaced(bed.client(), "supercargo");
    let lease = leases.get("supercargo-scheduler").await?;
    let taken = lease.spec.and_then(|spec| spec.acquire_time);
    let taken = taken.ok_or("the Lease was never taken")?.0.to_string();
    bound(bed, &namespace, PODS / 2).await?;

    leader.process().signal(Signal::CONT)?;
    until(SOON, "the first replica refuses to go on", async || {
        let log = fs::read_to_string(leader.process().log()).unwrap_or_default();
        Ok(log.contains("does not lead any more").then_some(()))
    })
    .await?;
    stands_by(&leader).await?;
    assert!(!leader.leads().await? && other.leads().await?);
    pods(bed, &namespace, PODS / 2..PODS).await?;
    bound(bed, &namespace, PODS).await?;
    nothing_is_wrong(bed).await?;

    // As the API server has it: before, the first one wrote, and after, the second one only.
    let node = |number: usize| bed.nodes()[number].name();
    let writes: Vec<_> = requests(bed)?
        .into_iter()
        .filter(|it| it.writes())
        .collect();
    let (before, after): (Vec<_>, Vec<_>) = writes.iter().partition(|it| it.at < taken);
    assert!(before.iter().any(|it| it.node == node(0)));
    assert!(after.iter().any(|it| it.node == node(1)));
    let late: Vec<_> = after.iter().filter(|it| it.node == node(0)).collect();
    assert!(late.is_empty(), "after {taken}: {late:?}");
    clear(bed, &namespace, "stop").await
}
