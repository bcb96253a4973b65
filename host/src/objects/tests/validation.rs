//! Limits and formats of the API: each rule refuses what breaks it and names limit and value.

use super::*;

fn claim(devices: &str) -> String {
    wrong(&format!(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: c}}\nspec:\n  \
         devices:\n    {}\n",
        devices.replace('\n', "\n    ")
    ))
}

fn request(exactly: &str) -> String {
    claim(&format!(
        "requests: [{{name: r, exactly: {{deviceClassName: c, {exactly}}}}}]"
    ))
}

fn slice(spec: &str) -> String {
    wrong(&format!(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {{name: s}}\nspec: {{driver: \
         d.example.com, pool: {{name: p, resourceSliceCount: 1}}, {spec}}}\n"
    ))
}

fn device(fields: &str) -> String {
    slice(&format!(
        "nodeName: node-1, devices: [{{name: d, {fields}}}]"
    ))
}

fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

/// Each text must be refused with the words given.
fn refused(cases: &[(String, &str)]) {
    for (told, words) in cases {
        assert!(
            told.starts_with("error:"),
            "expected: {words}\nfound: {told}"
        );
        assert!(told.contains(words), "expected: {words}\nfound: {told}");
    }
}

#[test]
fn claims_within_the_limits_pass() {
    assert_eq!(
        request("count: 3, selectors: [{cel: {expression: 'true'}}]"),
        ""
    );
    assert_eq!(request("allocationMode: All"), "");
    assert_eq!(
        request("tolerations: [{operator: Exists}, {key: a.b/c, value: d}]"),
        ""
    );
    assert_eq!(
        request("capacity: {requests: {memory: 1Gi, d.example.com/cores: 4}}"),
        ""
    );
    assert_eq!(claim("requests: []"), "");
    let both = "requests:\n- name: r\n  firstAvailable:\n  - {name: a, deviceClassName: c}\n  \
                - {name: b, deviceClassName: c, count: 2}\nconstraints:\n- {requests: [r/a], \
                matchAttribute: d.example.com/numa}\nconfig:\n- {requests: [r], opaque: {driver: \
                d.example.com, parameters: {a: 1}}}";
    assert_eq!(claim(both), "");
}

#[test]
fn claims_beyond_the_limits_are_refused() {
    let item = |i: usize| format!("{{name: r{i}, exactly: {{deviceClassName: c}}}}");
    let sub = |i: usize| format!("{{name: r{i}, deviceClassName: c}}");
    let good = "requests: [{name: r, exactly: {deviceClassName: c}}]\n";
    refused(&[
        (
            claim(&format!("requests: [{}]", many(33, item))),
            "has 33 requests, the limit is 32",
        ),
        (
            claim("requests: [{name: R, exactly: {deviceClassName: c}}]"),
            "lowercase DNS label",
        ),
        (claim("requests: [{name: r}]"), "asks for nothing"),
        (
            claim(&format!("requests: [{}, {}]", item(1), item(1))),
            "'r1' is there twice",
        ),
        (
            claim("requests: [{name: r, exactly: {}}]"),
            "deviceClassName: this field is required",
        ),
        (
            claim(&format!(
                "requests: [{{name: r, firstAvailable: [{}]}}]",
                many(9, sub)
            )),
            "has 9 alternatives, the limit is 8",
        ),
        (
            claim("requests: [{name: r, firstAvailable: []}]"),
            "is empty",
        ),
        (
            claim(
                "requests: [{name: r, exactly: {deviceClassName: c}, firstAvailable: [{name: a, deviceClassName: c}]}]",
            ),
            "has both exactly and firstAvailable",
        ),
        (
            claim(&format!(
                "{good}constraints: [{{requests: [x], matchAttribute: a/b}}]"
            )),
            "no request 'x'",
        ),
        (
            claim(&format!("{good}constraints: [{{matchAttribute: numa}}]")),
            "must begin with a domain",
        ),
        (
            claim(&format!("{good}constraints: [{{}}]")),
            "exactly one of matchAttribute",
        ),
        (
            claim(&format!(
                "{good}constraints: [{{matchAttribute: a/b, distinctAttribute: a/b}}]"
            )),
            "exactly one of matchAttribute",
        ),
        (
            claim(&format!("{good}config: [{{requests: [r, r]}}]")),
            "'r' is there twice",
        ),
        (
            claim(&format!("{good}config: [{{}}]")),
            "opaque: this field is required",
        ),
        (
            claim(&format!(
                "{good}config: [{{opaque: {{driver: d, parameters: 3}}}}]"
            )),
            "parameters: must be a mapping",
        ),
        (
            claim(&format!(
                "{good}config: [{{opaque: {{driver: d, parameters: {{a: {}}}}}}}]",
                "x".repeat(10300)
            )),
            "the limit is 10240",
        ),
    ]);
}

#[test]
fn requests_beyond_the_limits_are_refused() {
    let selector = |_| "{cel: {expression: 'true'}}".to_owned();
    let toleration = |i: usize| format!("{{key: k{i}}}");
    refused(&[
        (request("count: -1"), "must be greater than zero, found -1"),
        (
            request("allocationMode: All, count: 2"),
            "allocationMode All takes no count, found 2",
        ),
        (
            request("allocationMode: Some"),
            "use one of ExactCount, All",
        ),
        (
            request("selectors: [{}]"),
            "selectors[0].cel: this field is required",
        ),
        (
            request("selectors: [{cel: {}}]"),
            "selectors[0].cel.expression: this field is required",
        ),
        (
            request(&format!(
                "selectors: [{{cel: {{expression: {}}}}}]",
                "x".repeat(10241)
            )),
            "is 10241 bytes long, the limit is 10240",
        ),
        (
            request(&format!("selectors: [{}]", many(33, selector))),
            "has 33 selectors",
        ),
        (
            request(&format!("tolerations: [{}]", many(17, toleration))),
            "has 17 tolerations",
        ),
        (
            request("tolerations: [{key: k, operator: Exists, value: v}]"),
            "takes no value, found 'v'",
        ),
        (
            request("tolerations: [{value: v}]"),
            "tolerations[0].key: this field is required",
        ),
        (
            request("tolerations: [{key: k, effect: None}]"),
            "use one of NoSchedule, NoExecute",
        ),
        (
            request("tolerations: [{key: k, operator: In}]"),
            "use one of Equal, Exists",
        ),
        (
            request("capacity: {requests: {memory: 1Gb}}"),
            "'1Gb' is no quantity",
        ),
        (
            request("capacity: {requests: {mem-ory: 1}}"),
            "must be a C identifier",
        ),
        (
            request("derivedAttributes: [{name: numa, expression: '1'}]"),
            "must begin with a domain",
        ),
    ]);
}

#[test]
fn v1beta1_problems_have_the_paths_of_v1beta1() {
    let told = wrong(
        "apiVersion: resource.k8s.io/v1beta1\nkind: ResourceClaim\nmetadata: {name: c}\nspec:\n  \
         devices:\n    requests:\n    - name: r\n      deviceClassName: c\n      count: -2\n",
    );
    assert!(
        told.starts_with("error: test.yaml:9: ResourceClaim c, spec.devices.requests[0].count: "),
        "{told}"
    );
}

#[test]
fn slices_beyond_the_limits_are_refused() {
    let plain = |i: usize| format!("{{name: d{i}}}");
    let tainted = |i: usize| format!("{{name: d{i}, taints: [{{key: k, effect: None}}]}}");
    let counters = |i: usize| format!("c{i}: {{value: 1}}");
    let set = |i: usize| format!("{{name: s{i}, counters: {{a: {{value: 1}}}}}}");
    refused(&[
        (
            slice("devices: []"),
            "exactly one of nodeName, nodeSelector, allNodes and",
        ),
        (slice("nodeName: node-1, allNodes: true"), "has 2"),
        (
            slice("nodeName: node-1, allNodes: false"),
            "is either true or not there",
        ),
        (
            slice(&format!(
                "nodeName: node-1, devices: [{}]",
                many(129, plain)
            )),
            "has 129 devices, the limit is 128",
        ),
        (
            slice(&format!(
                "nodeName: node-1, devices: [{}]",
                many(65, tainted)
            )),
            "the limit is 64",
        ),
        (
            slice("nodeName: node-1, devices: [{name: d}, {name: d}]"),
            "'d' is there twice",
        ),
        (
            slice(&format!(
                "nodeName: node-1, sharedCounters: [{}]",
                many(9, set)
            )),
            "has 9 counter sets",
        ),
        (
            slice("nodeName: node-1, sharedCounters: [{name: s}]"),
            "counters: this field is required",
        ),
        (
            slice(&format!(
                "nodeName: node-1, sharedCounters: [{{name: s, counters: {{{}}}}}]",
                many(33, counters)
            )),
            "has 33 counters, the limit is 32",
        ),
        (
            slice(&format!(
                "nodeName: node-1, devices: [{{name: d}}], sharedCounters: [{}]",
                set(0)
            )),
            "has both devices and sharedCounters",
        ),
        (
            slice("nodeSelector: {nodeSelectorTerms: []}"),
            "must have exactly one term, has 0",
        ),
        (
            slice(
                "nodeSelector: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Is}]}]}",
            ),
            "nodeSelectorTerms[0].matchExpressions[0].operator",
        ),
        (
            slice("perDeviceNodeSelection: true, devices: [{name: d}]"),
            "exactly one of nodeName, nodeSelector and allNodes, has 0",
        ),
        (
            slice("nodeName: node-1, skipNodeOperations: [NodePrepareResources]"),
            "together with",
        ),
    ]);
    let bare =
        "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {name: s}\nspec: {}\n";
    let told = wrong(bare);
    for field in [
        "spec.driver",
        "spec.pool.name",
        "spec.pool.resourceSliceCount",
    ] {
        assert!(told.contains(field), "{told}");
    }
}

#[test]
fn devices_beyond_the_limits_are_refused() {
    let attribute = |i: usize| format!("a{i}: {{int: 1}}");
    let long = "x".repeat(65);
    refused(&[
        (
            device(&format!("attributes: {{{}}}", many(33, attribute))),
            "has 33 attributes and capacities",
        ),
        (
            device(&format!(
                "attributes: {{a: {{ints: [{}]}}}}",
                many(49, |i| i.to_string())
            )),
            "has 49 attribute values",
        ),
        (
            device("attributes: {a: {}}"),
            "exactly one kind of value, has none",
        ),
        (
            device("attributes: {a: {int: 1, bool: true}}"),
            "has int and bool",
        ),
        (device("attributes: {a: {strings: []}}"), "is an empty list"),
        (
            device(&format!("attributes: {{a: {{string: {long}}}}}")),
            "is 65 bytes long, the limit is 64",
        ),
        (
            device("attributes: {a: {version: '1.0'}}"),
            "'1.0' is no semantic version",
        ),
        (
            device("attributes: {a: {version: 580.095.5}}"),
            "is no semantic version",
        ),
        (device("attributes: {a: text}"), "{string: \"...\"}"),
        (
            device("capacity: {memory: 15Gi}"),
            "put the quantity under `value:`",
        ),
        (
            device("capacity: {memory: {value: lots}}"),
            "'lots' is no quantity",
        ),
        (
            device("capacity: {memory: {value: 1, requestPolicy: {default: 1}}}"),
            "allowMultipleAllocations",
        ),
        (
            device("taints: [{key: k}]"),
            "effect: this field is required",
        ),
        (
            device("taints: [{key: k, effect: Evict}]"),
            "use one of None, NoSchedule, NoExecute",
        ),
        (
            device("consumesCounters: [{counterSet: s, counters: {}}]"),
            "counters: this field is required",
        ),
        (
            device("bindingConditions: [a]"),
            "needs bindingFailureConditions as well",
        ),
        (device("nodeName: node-1"), "has a node of its own"),
    ]);
}

#[test]
fn request_policies_must_fit_the_capacity() {
    let policy = |policy: &str| {
        device(&format!(
            "allowMultipleAllocations: true, capacity: {{memory: {{value: 10Gi, requestPolicy: {{{policy}}}}}}}"
        ))
    };
    assert_eq!(
        policy("default: 1Gi, validRange: {min: 1Gi, max: 9Gi, step: 2Gi}"),
        ""
    );
    assert_eq!(policy("default: 2Gi, validValues: [1Gi, 2Gi]"), "");
    refused(&[
        (
            policy("validValues: [1Gi]"),
            "default: this field is required",
        ),
        (
            policy("default: 3Gi, validValues: [1Gi, 2Gi]"),
            "is none of validValues",
        ),
        (
            policy("default: 1Gi, validValues: [2Gi, 1Gi]"),
            "is not greater than the one before",
        ),
        (policy("default: 11Gi"), "exceeds its limit 10Gi"),
        (
            policy("default: 1Gi, validValues: [1Gi], validRange: {min: 1Gi}"),
            "has both",
        ),
        (
            policy("default: 1Gi, validRange: {min: 2Gi}"),
            "outside of the range",
        ),
        (
            policy("default: 2Gi, validRange: {min: 1Gi, step: 2Gi}"),
            "multiple of step",
        ),
        (
            policy("default: 1Gi, validRange: {min: 1Gi, max: 20Gi}"),
            "exceeds its limit",
        ),
    ]);
}

#[test]
fn statuses_are_checked_against_the_claim() {
    let told = wrong(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {name: c}\nspec: {devices: \
         {requests: [{name: r, exactly: {deviceClassName: c}}]}}\nstatus:\n  allocation: {devices: \
         {results: [{request: x, driver: d, pool: p, device: d}]}}\n  reservedFor:\n  - {resource: \
         pods, name: a, uid: u}\n  - {resource: pods, name: b, uid: u}\n",
    );
    assert!(told.contains("the claim has no request 'x'"), "{told}");
    assert!(
        told.contains("reservedFor[1].uid: 'u' is there twice"),
        "{told}"
    );
}

#[test]
fn pods_and_jobs_are_checked_as_far_as_they_matter_here() {
    let pod = |spec: &str| {
        wrong(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{{spec}}}\n"
        ))
    };
    let job = |spec: &str| {
        wrong(&format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: p}}\nspec: {{template: {{spec: \
             {{restartPolicy: Never, containers: [{{name: c}}]}}}}, {spec}}}\n"
        ))
    };
    assert_eq!(
        pod(
            "containers: [{name: c, resources: {claims: [{name: g}]}}], resourceClaims: [{name: g, resourceClaimName: x}]"
        ),
        ""
    );
    assert_eq!(job("parallelism: 2"), "");
    refused(&[
        (pod(""), "a pod needs at least one container"),
        (
            pod("containers: [{name: c}, {name: c}]"),
            "'c' is there twice",
        ),
        (
            pod("containers: [{name: c}], nodeName: 'a b'"),
            "lowercase DNS subdomain",
        ),
        (job("parallelism: -1"), "must not be negative, found -1"),
        (
            job("completionMode: Indexed"),
            "completionMode Indexed needs completions",
        ),
    ]);
}

#[test]
fn names_must_be_names() {
    let class = |metadata: &str| {
        wrong(&format!(
            "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {{{metadata}}}\n"
        ))
    };
    refused(&[
        (class(""), "metadata.name: this field is required"),
        (
            class("name: Upper"),
            "'Upper' must be a lowercase DNS subdomain",
        ),
        (class("name: a, labels: {'a b': c}"), "metadata.labels[a b]"),
    ]);
    assert_eq!(class("generateName: a-"), "");
}
