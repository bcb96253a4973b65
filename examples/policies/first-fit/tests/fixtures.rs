//! The policy as ordinary Rust, on fixtures.

use first_fit::FirstFit;
use supercargo_guest::testkit::{describe, expect};

#[test]
fn the_first_free_devices_are_taken() {
    expect::<FirstFit>(include_str!("../fixtures/two-of-four.yaml"));
}

#[test]
fn the_first_alternative_with_devices_enough_is_taken() {
    expect::<FirstFit>(include_str!("../fixtures/first-available.yaml"));
}

#[test]
fn too_few_devices_are_refused_with_both_numbers() {
    expect::<FirstFit>(include_str!("../fixtures/too-few.yaml"));
}

#[test]
fn it_wants_to_see_nothing() {
    let description = describe::<FirstFit>();
    assert_eq!(description.name, "first-fit");
    assert!(description.interests.attributes.is_empty());
    assert!(description.settings_schema.is_none());
}
