use serde_json::json;

use super::*;

fn container(name: &str, ends_early: bool, requests: &[(&str, i64)]) -> Container {
    let requests = requests
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    Container {
        name: name.to_owned(),
        ends_early,
        requests: requests.collect(),
    }
}

/// Requests as `name=count`, mappings as `container:request`.
fn told(containers: &[Container]) -> (Vec<String>, Vec<String>) {
    let resources = BTreeMap::from([("example.com/gpu", "gpus")]);
    let special = Special::of(containers, &resources);
    let count = |request: &DeviceRequest| request.exactly.as_ref().and_then(|it| it.count);
    let requests = special.requests.iter();
    let requests = requests.map(|it| format!("{}={}", it.name, count(it).unwrap_or_default()));
    let mappings = special.mappings.iter();
    let mappings = mappings.map(|it| format!("{}:{}", it.container_name, it.request_name));
    (requests.collect(), mappings.collect())
}

#[test]
fn each_container_that_stays_gets_a_request_of_its_own() {
    let (requests, mappings) = told(&[
        container("a", false, &[("cpu", 1), ("example.com/gpu", 2)]),
        container("b", false, &[("cpu", 1)]),
        container("c", false, &[("example.com/gpu", 1)]),
    ]);
    assert_eq!(
        requests,
        ["container-0-request-1=2", "container-2-request-0=1"]
    );
    assert_eq!(
        mappings,
        ["a:container-0-request-1", "c:container-2-request-0"]
    );
}

#[test]
fn an_init_container_uses_what_the_others_get_and_no_more_than_it_needs() {
    let (requests, mappings) = told(&[
        container("init", true, &[("example.com/gpu", 2)]),
        container("a", false, &[("example.com/gpu", 2)]),
        container("b", false, &[("example.com/gpu", 2)]),
    ]);
    assert_eq!(
        requests,
        ["container-1-request-0=2", "container-2-request-0=2"]
    );
    assert_eq!(
        mappings,
        [
            "a:container-1-request-0",
            "b:container-2-request-0",
            "init:container-1-request-0"
        ]
    );
}

#[test]
fn init_containers_share_one_request_for_what_the_others_lack() {
    let (requests, mappings) = told(&[
        container("first", true, &[("example.com/gpu", 3)]),
        container("second", true, &[("example.com/gpu", 4)]),
        container("a", false, &[("example.com/gpu", 2)]),
    ]);
    assert_eq!(
        requests,
        ["container-1-request-0=2", "container-2-request-0=2"]
    );
    assert_eq!(
        mappings,
        [
            "a:container-2-request-0",
            "first:container-2-request-0",
            "second:container-2-request-0",
            "first:container-1-request-0",
            "second:container-1-request-0"
        ]
    );
}

#[test]
fn a_sidecar_before_an_init_container_keeps_its_devices_to_itself() {
    let (requests, _) = told(&[
        container("sidecar", false, &[("example.com/gpu", 1)]),
        container("init", true, &[("example.com/gpu", 1)]),
    ]);
    assert_eq!(
        requests,
        ["container-0-request-0=1", "container-1-request-0=1"]
    );
}

#[test]
fn kubernetes_own_resources_are_no_devices() {
    for devices in ["example.com/gpu", "deviceclass.resource.kubernetes.io/gpus"] {
        assert!(may_be_devices(devices), "{devices}");
    }
    for other in [
        "cpu",
        "hugepages-2Mi",
        "kubernetes.io/batch",
        "requests.example.com/gpu",
        "deviceclass.resource.kubernetes.io/",
        "example.com/",
    ] {
        assert!(!may_be_devices(other), "{other}");
    }
}

#[test]
fn of_two_classes_for_one_resource_the_newer_one_counts_and_then_the_name() {
    let class = |resource: Option<&str>, made: &str| -> Arc<DeviceClass> {
        serde_json::from_value(json!({
            "metadata": {"creationTimestamp": made}, "spec": {"extendedResourceName": resource}}))
        .unwrap()
    };
    let old = (
        "a".to_owned(),
        class(Some("x.com/gpu"), "2026-01-01T00:00:00Z"),
    );
    let new = (
        "b".to_owned(),
        class(Some("x.com/gpu"), "2026-01-02T00:00:00Z"),
    );
    let like = (
        "c".to_owned(),
        class(Some("x.com/gpu"), "2026-01-02T00:00:00Z"),
    );
    let all = [&old, &new, &like].map(|(name, class)| (name, class));
    assert_eq!(class_of(all, "x.com/gpu"), Some("b"));
    let implicit = |name: &str| class_of(all, &format!("{IMPLICIT}{name}"));
    assert_eq!((implicit("a"), implicit("z")), (Some("a"), None));
    assert_eq!(class_of(all, "y.com/gpu"), None);
}
