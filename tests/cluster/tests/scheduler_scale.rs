//! Supercargo allocates for a large cluster: 5,000 nodes with eight GPUs each, 2,000 pods at once.
//!
//! What it did is judged by what the API server holds in the end, and by nothing that Supercargo says.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::time::Duration;

use serde_json::json;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::load::{self, Bound};
use supercargo_cluster::owning::wrongs;
use supercargo_cluster::{ClusterError, Owner, tests, until};
use tokio::sync::OnceCell;

tests! {
    Owner::options();
    two_thousand_pods_at_once_are_bound_and_no_device_is_given_twice,
    the_same_while_the_extender_is_killed_three_times,
}

const NODES: usize = 5000;
const DEVICES: usize = 8;
const PODS: usize = 2000;

/// How long all pods may take; two processors that nobody else uses need a fifth of it.
const BOUND_WITHIN: Duration = Duration::from_secs(600);
const CLEARED_WITHIN: Duration = Duration::from_secs(300);

/// The nodes, and Supercargo's rights.
async fn site(bed: &Bed) -> Result<&'static Owner, ClusterError> {
    static SITE: OnceCell<Owner> = OnceCell::const_new();
    SITE.get_or_try_init(|| Owner::set_up(bed, "big", NODES, DEVICES, &[]))
        .await
}

/// Has all pods bound while the extender is killed so many times, and judges what came of it.
async fn all_are_bound(bed: &Bed, kills: usize) -> Outcome {
    let owner = site(bed).await?;
    let client = bed.client();
    let mut extender = owner.start(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    load::template(&client, &namespace, "one", 1).await?;
    let mut bound = Bound::follow(&client, &namespace);
    let pods = kube::Api::namespaced(client.clone(), &namespace);
    let claim = json!({"resourceClaimTemplateName": "one"});
    let create = load::at_once(0..PODS, async |n| {
        let pod = load::pod(&format!("p-{n}"), "supercargo", &claim);
        load::create::<k8s_openapi::api::core::v1::Pod>(&pods, pod)
            .await
            .map(drop)
    });
    let kill = async {
        for turn in 1..=kills {
            bound.until(PODS * turn / (kills + 2), BOUND_WITHIN).await?;
            extender.process().kill()?;
            extender = owner.start(bed).await?;
        }
        bound.until(PODS, BOUND_WITHIN).await
    };
    tokio::try_join!(create, kill)?;
    // A claim that a killed extender left reserved is put right a while after the last pod is bound.
    let mut wrong = Vec::new();
    let settled = until(Duration::from_secs(60), "nothing is wrong", async || {
        wrong = wrongs(bed).await?;
        Ok(wrong.is_empty().then_some(()))
    });
    if settled.await.is_err() {
        assert_eq!(wrong, Vec::<String>::new());
    }
    extender.process().must_run()?;
    load::clear(&client, &namespace, CLEARED_WITHIN).await?;
    Ok(())
}

async fn two_thousand_pods_at_once_are_bound_and_no_device_is_given_twice(bed: &Bed) -> Outcome {
    all_are_bound(bed, 0).await
}

async fn the_same_while_the_extender_is_killed_three_times(bed: &Bed) -> Outcome {
    all_are_bound(bed, 3).await
}
