//! The scheduler extender when things go wrong around it: replicas that die or are stopped, a way to it that
//! breaks, certificates that change, a guard that is taken away.
//!
//! The kube-schedulers here run with the configurations of examples/scheduler, over TLS, as the service
//! accounts of the manifests there and with the rights that those give; what is asked with them is read from
//! the API server's audit log.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use supercargo_cluster::harness::Bed;
use supercargo_cluster::owning::{options, wrongs};
use supercargo_cluster::{ClusterError, Options, tests, until};

#[path = "adversity/audit.rs"]
mod audit;
#[path = "adversity/certificates.rs"]
mod certificates;
#[path = "adversity/coexist.rs"]
mod coexist;
#[path = "adversity/deployment.rs"]
mod deployment;
#[path = "shared/fitted.rs"]
mod fitted;
#[path = "adversity/guard.rs"]
mod guard;
#[path = "adversity/replicas.rs"]
mod replicas;
#[path = "adversity/scene.rs"]
mod scene;
#[path = "adversity/service.rs"]
mod service;
#[path = "adversity/tls.rs"]
mod tls;
#[path = "adversity/way.rs"]
mod way;

use coexist::co_existing_mode_vetoes_and_ranks_and_writes_nothing;
use deployment::a_rolling_update_goes_through_while_pods_are_bound;
use guard::{
    owning_stops_without_the_guard_and_goes_on_with_it, the_manifests_give_the_rights_that_are_used,
};
use replicas::{
    a_leader_that_was_stopped_writes_nothing_when_it_goes_on,
    when_the_leader_is_killed_the_other_replica_binds_the_rest,
};
use tls::{
    a_renewed_certificate_serves_without_a_restart,
    only_a_scheduler_with_a_certificate_of_the_authority_is_answered,
};
use way::whatever_happens_on_the_way_pods_are_bound_once;

tests! {
    cluster();
    when_the_leader_is_killed_the_other_replica_binds_the_rest,
    a_leader_that_was_stopped_writes_nothing_when_it_goes_on,
    a_rolling_update_goes_through_while_pods_are_bound,
    only_a_scheduler_with_a_certificate_of_the_authority_is_answered,
    a_renewed_certificate_serves_without_a_restart,
    whatever_happens_on_the_way_pods_are_bound_once,
    owning_stops_without_the_guard_and_goes_on_with_it,
    the_manifests_give_the_rights_that_are_used,
    co_existing_mode_vetoes_and_ranks_and_writes_nothing,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Every test brings the schedulers that it needs.
fn cluster() -> Options {
    let options = options()
        .api_version("resource.k8s.io/v1beta2", true)
        .feature_gate("DRADeviceTaintRules", true);
    let mut options = audit::audited(options);
    options.scheduler = false;
    options
}

/// Waits until claims and pods are as they must be: what crashed is healed, and no device is in two claims.
async fn nothing_is_wrong(bed: &Bed) -> Result<(), ClusterError> {
    let mut last = Vec::new();
    let right = until(
        supercargo_cluster::owning::SOON,
        "nothing is wrong",
        async || {
            last = wrongs(bed).await?;
            Ok(last.is_empty().then_some(()))
        },
    );
    match right.await {
        Err(ClusterError::TimedOut { until, after }) => Err(ClusterError::TimedOut {
            until: format!("{until}: {last:?}"),
            after,
        }),
        right => right,
    }
}
