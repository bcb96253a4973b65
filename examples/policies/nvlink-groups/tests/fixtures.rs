//! The policy as ordinary Rust, on fixtures and on whole nodes.

use nvlink_groups::NvlinkGroups;
use supercargo_guest::serde_json::json;
use supercargo_guest::testkit::{Fixture, FixtureDevice, describe, expect, select};

#[test]
fn two_gpus_come_from_the_group_that_is_broken_already() {
    expect::<NvlinkGroups>(include_str!("../fixtures/broken-group.yaml"));
}

#[test]
fn a_group_that_fits_exactly_is_taken_whole() {
    expect::<NvlinkGroups>(include_str!("../fixtures/whole-group.yaml"));
}

#[test]
fn what_no_group_holds_takes_as_few_groups_as_can_be() {
    expect::<NvlinkGroups>(include_str!("../fixtures/split.yaml"));
}

#[test]
fn who_wants_no_split_waits() {
    expect::<NvlinkGroups>(include_str!("../fixtures/no-split.yaml"));
}

#[test]
fn one_gpu_is_one_without_links() {
    expect::<NvlinkGroups>(include_str!("../fixtures/single.yaml"));
}

#[test]
fn two_requests_of_one_claim_share_a_group() {
    expect::<NvlinkGroups>(include_str!("../fixtures/two-requests.yaml"));
}

/// Two groups of four; the letters tell the groups, capitals what is in use.
fn node(groups: &str, count: u32) -> Fixture {
    let device = |(number, group): (usize, char)| {
        let device = FixtureDevice::new(format!("gpu-{number}"))
            .string("supercargo.dev/nvlinkGroup", group.to_ascii_lowercase());
        if group.is_ascii_uppercase() {
            device.in_use()
        } else {
            device
        }
    };
    let devices = groups.chars().enumerate().map(device);
    devices
        .fold(Fixture::new("gpu.nvidia.com"), Fixture::device)
        .request("gpus", count)
}

#[test]
fn other_groups_follow_in_case_the_first_cannot_be_had() {
    let proposals = select::<NvlinkGroups>(&node("aaaabbbcc", 2)).unwrap();
    let devices: Vec<_> = proposals.iter().map(|p| p.devices_of("gpus")).collect();
    assert_eq!(devices[0], ["gpu-7", "gpu-8"]);
    assert_eq!(devices[1], ["gpu-4", "gpu-5"]);
    assert_eq!(devices[2], ["gpu-0", "gpu-1"]);
    assert!(
        !proposals[3].exact,
        "the last proposal leaves everything open"
    );
}

#[test]
fn the_node_where_no_group_is_broken_up_scores_best() {
    let score = |groups, count| select::<NvlinkGroups>(&node(groups, count)).unwrap()[0].score;
    assert!(
        score("aabbbb", 2) > score("aaaabbbb", 2),
        "a whole group before a broken one"
    );
    assert!(
        score("aaaabbbb", 4) > score("aaAabbBb", 4),
        "linked before split"
    );
    assert_eq!(score("aaaabbbb", 4), 100.0);
}

#[test]
fn without_the_attribute_it_is_first_fit() {
    let fixture = Fixture::new("gpu.nvidia.com")
        .device(FixtureDevice::new("gpu-0"))
        .device(FixtureDevice::new("gpu-1"))
        .request("gpu", 1);
    let proposals = select::<NvlinkGroups>(&fixture).unwrap();
    assert_eq!(proposals[0].devices_of("gpu"), ["gpu-0", "gpu-1"]);
    assert_eq!(
        proposals[0].reason,
        "no device has supercargo.dev/nvlinkGroup"
    );
}

#[test]
fn a_setting_with_a_typing_error_is_named() {
    let fixture = node("ab", 1).settings(json!({"groupby": "pcieRoot"}));
    let error = select::<NvlinkGroups>(&fixture).unwrap_err().to_string();
    assert!(error.contains("unknown field `groupby`"), "{error}");
}

#[test]
fn the_schema_documents_the_settings() {
    let schema = describe::<NvlinkGroups>().settings_schema.unwrap();
    assert!(
        schema.contains("Which attribute tells the groups apart."),
        "{schema}"
    );
    assert!(schema.contains("additionalProperties"), "{schema}");
}
