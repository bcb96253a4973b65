//! The rules of scheduling with devices, on a real scheduler: extended resources, preemption, devices that get
//! ready late, admin access, shared claims, claims that are still to be made, and MIG.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use supercargo_cluster::owning::options;
use supercargo_cluster::tests;

#[path = "scheduler_rules/extended.rs"]
mod extended;

use extended::*;

tests! {
    options();
    a_pod_that_asks_for_an_extended_resource_gets_devices_by_its_class,
    a_node_that_offers_the_resource_itself_is_left_to_its_device_plugin,
    a_crash_between_any_two_steps_for_an_extended_resource_is_healed,
}
