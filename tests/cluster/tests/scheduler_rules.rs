//! The rules of scheduling with devices, on a real scheduler: extended resources, preemption, devices that get
//! ready late, admin access, shared claims, several claims, claims that are still to be made, and MIG.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::error::Error;

use supercargo_cluster::harness::Bed;
use supercargo_cluster::owning::{Site, options};
use supercargo_cluster::tests;

#[path = "scheduler_rules/claims.rs"]
mod claims;
#[path = "scheduler_rules/extended.rs"]
mod extended;
#[path = "scheduler_rules/packing.rs"]
mod packing;
#[path = "scheduler_rules/preemption.rs"]
mod preemption;
#[path = "scheduler_rules/several.rs"]
mod several;

use claims::*;
use extended::*;
use packing::*;
use preemption::*;
use several::*;

tests! {
    options();
    a_pod_that_asks_for_an_extended_resource_gets_devices_by_its_class,
    a_node_that_offers_the_resource_itself_is_left_to_its_device_plugin,
    a_crash_between_any_two_steps_for_an_extended_resource_is_healed,
    a_more_important_pod_gets_the_devices_of_a_lesser_one,
    where_more_than_devices_is_short_the_scheduler_asks_and_all_who_must_go_do,
    a_pod_waits_until_its_devices_are_ready_and_starts_over_when_they_will_not_be,
    admin_access_takes_a_labelled_namespace,
    a_shared_claim_keeps_its_pods_together_and_takes_256_of_them,
    a_pod_whose_claim_is_not_made_yet_waits_and_goes_on_when_it_is,
    partitions_are_packed_so_that_a_large_one_still_fits,
    a_crash_between_two_claims_of_a_pod_is_healed,
    where_the_binding_is_refused_all_claims_are_released,
}

/// One node with eight GPUs in two NVLink groups, and one with two GPUs to be partitioned.
async fn site(bed: &Bed) -> Result<&'static Site, Box<dyn Error + Send + Sync>> {
    Site::with(bed, &["h100-nvlink", "a100-mig"]).await
}
