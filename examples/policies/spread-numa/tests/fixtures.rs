//! The policy as ordinary Rust, on fixtures.

use spread_numa::SpreadNuma;
use supercargo_guest::serde_json::json;
use supercargo_guest::testkit::{Fixture, expect, select};

#[test]
fn devices_are_balanced_over_numa_nodes() {
    expect::<SpreadNuma>(include_str!("../fixtures/spread.yaml"));
}

#[test]
fn spreading_begins_where_most_are_free() {
    expect::<SpreadNuma>(include_str!("../fixtures/spread-uneven.yaml"));
}

#[test]
fn a_gpu_and_its_nic_are_aligned() {
    expect::<SpreadNuma>(include_str!("../fixtures/align-gpu-and-nic.yaml"));
}

#[test]
fn the_numa_node_where_the_least_is_left_over_is_taken() {
    expect::<SpreadNuma>(include_str!("../fixtures/align-tight.yaml"));
}

#[test]
fn a_strict_claim_waits_for_one_numa_node() {
    expect::<SpreadNuma>(include_str!("../fixtures/align-strict.yaml"));
}

#[test]
fn without_strictness_a_second_numa_node_is_used() {
    let fixture = Fixture::parse(include_str!("../fixtures/align-strict.yaml")).unwrap();
    let fixture = fixture.settings(json!({"mode": "align"}));
    let proposals = select::<SpreadNuma>(&fixture).unwrap();
    assert_eq!(proposals[0].devices_of("gpus").len(), 3);
    assert_eq!(proposals[0].reason, "on as few NUMA nodes as can be");
}
