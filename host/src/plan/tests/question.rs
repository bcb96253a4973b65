//! The question holds what was declared, and nothing else.

use serde_json::json;

use super::super::question;
use super::{claim, read, result};
use crate::policy::types::ParameterSource;
use crate::policy::{Interests, Quantity, Value};

#[test]
fn rows_are_what_was_declared_in_the_order_declared() {
    let requests = json!([{"name": "a", "exactly": {"deviceClassName": "gpu"}},
                          {"name": "b", "exactly": {"deviceClassName": "gpu"}}]);
    let mut share = result("b", "gpu-1");
    share["shareID"] = json!("s-1");
    share["consumedCapacity"] = json!({"memory": "10Gi"});
    let config = json!([{"source": "FromClass", "requests": ["b"],
        "opaque": {"driver": "gpu.nvidia.com", "parameters": {"x": 1}}}]);
    let results = json!([result("a", "gpu-0"), share]);
    let claim = read(&claim(requests, results, config)).unwrap();
    let interests = Interests {
        attributes: vec!["gpu.nvidia.com/index".to_owned(), "type".to_owned()],
        capacities: vec!["gpu.nvidia.com/memory".to_owned()],
        ..Interests::default()
    };
    let asked = question(&claim, &interests);
    let text = |at: u32| asked.strings[at as usize].to_string();
    let Value::String(kind) = asked.attributes[1] else {
        panic!("{:?}", asked.attributes)
    };
    assert_eq!(text(kind), "gpu");
    assert_eq!(asked.attributes[0], Value::Int(0));
    assert_eq!(asked.attributes[2], Value::Absent);
    assert_eq!(asked.attributes.len(), 4);
    let gi = |n: i64| Some(Quantity::whole(n << 30));
    assert_eq!(
        asked.capacities,
        [gi(80), gi(10)],
        "of a share what the claim got"
    );
    assert_eq!(asked.devices[1].request, 1);
    assert_eq!(text(asked.devices[1].share.unwrap()), "s-1");
    assert_eq!(asked.parameters[0].requests, [1]);
    assert_eq!(asked.parameters[0].source, ParameterSource::DeviceClass);
    assert_eq!(
        (&asked.name, &asked.namespace, &asked.node),
        (&None, &None, &None)
    );
}

#[test]
fn names_are_told_when_they_are_declared() {
    let requests = json!([{"name": "a", "exactly": {"deviceClassName": "gpu"}}]);
    let claim = read(&claim(requests, json!([result("a", "gpu-0")]), json!([]))).unwrap();
    let interests = Interests {
        claim_name: true,
        namespace: true,
        node_name: true,
        ..Interests::default()
    };
    let asked = question(&claim, &interests);
    assert_eq!(asked.name.as_deref(), Some("c"));
    assert_eq!(asked.namespace.as_deref(), Some("ns"));
    assert_eq!(asked.node.as_deref(), Some("node-a"));
}
