use super::*;
use crate::cel::check::check;
use crate::cel::declarations::Declarations;
use crate::cel::parse::parse;
use crate::cel::{Environment, Options};

fn cost(source: &str) -> u64 {
    let declarations = Declarations::new(Options {
        consumable_capacity: true,
        list_type_attributes: true,
        environment: Environment::Stored,
    });
    max_cost(&check(parse(source).unwrap(), declarations).unwrap())
}

#[test]
fn simple_selectors_cost_what_upstream_says() {
    for (source, expected) in [
        ("true", 0),
        ("device.driver == 'd'", 3),
        ("[1,].size() == 1", 12),
        ("{,}.size() == 1", 32),
        (
            "[1].exists(device, device == 1 && .device.driver == 'd')",
            20,
        ),
        ("device.attributes['a'].b.c", 4),
        ("has(device.attributes.foo.bar)", 3),
        ("(1 in [1]) == true && 2 in {1: 1}", 43),
        ("kubernetes.DRADevice{driver: 'a'}.driver == 'a'", 42),
    ] {
        assert_eq!(cost(source), expected, "{source}");
    }
}

#[test]
fn what_is_bounded_by_the_api_is_bounded_here() {
    assert!(cost("device.attributes['a'].all(k, k.size() < 33)") < 1_000);
    assert!(cost("[device.driver].exists(d, d.matches('^a+$'))") < 1_000);
}

#[test]
fn what_is_not_bounded_is_estimated_at_its_worst() {
    assert_eq!(cost("device.attributes['a'].b.c.all(x, x == 1)"), u64::MAX);
    assert_eq!(cost("string == string"), 1_844_674_407_370_955_266);
}
