//! Text to objects: versions, lists, separators, strictness.

use super::*;

const CLASS: &str =
    "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: gpu.example.com}\n";

fn claim(version: &str, request: &str) -> String {
    format!(
        "apiVersion: resource.k8s.io/{version}\nkind: ResourceClaim\nmetadata: {{name: claim}}\n\
         spec: {{devices: {{requests: [{request}]}}}}\n"
    )
}

#[test]
fn documents_are_told_apart_and_counted_without_empty_ones() {
    let text = format!(
        "# licence\n---\n{CLASS}---\n# nothing\n---\n{}",
        claim("v1", EXACT)
    );
    let places: Vec<_> = good(&text)
        .iter()
        .map(|o| (o.source.document, o.source.line))
        .collect();
    assert_eq!(places, [(1, 3), (2, 9)]);
}

const EXACT: &str = "{name: gpu, exactly: {deviceClassName: gpu.example.com}}";
const FLAT: &str = "{name: gpu, deviceClassName: gpu.example.com}";

#[test]
fn all_three_versions_become_the_same_claim() {
    let v1 = one(&claim("v1", EXACT));
    assert_eq!(one(&claim("v1beta2", EXACT)), v1);
    assert_eq!(one(&claim("v1beta1", FLAT)), v1);
}

#[test]
fn flat_requests_without_any_field_set_ask_for_nothing() {
    for fields in [
        "",
        ", deviceClassName: \"\", count: 0, allocationMode: \"\"",
    ] {
        let told = wrong(&claim("v1beta1", &format!("{{name: gpu{fields}}}")));
        assert!(
            told.contains("neither deviceClassName nor firstAvailable"),
            "{told}"
        );
    }
}

#[test]
fn devices_of_v1beta1_are_flattened_and_zero_values_dropped() {
    let old = "apiVersion: resource.k8s.io/v1beta1\nkind: ResourceSlice\nmetadata: {name: s}\n\
               spec:\n  driver: d.example.com\n  nodeName: node-1\n  allNodes: false\n  \
               pool: {name: p, resourceSliceCount: 1}\n  devices:\n  - name: gpu-0\n    basic:\n      \
               attributes: {}\n      capacity: {memory: {value: 1Gi}}\n";
    let new = "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {name: s}\n\
               spec:\n  driver: d.example.com\n  nodeName: node-1\n  \
               pool: {name: p, resourceSliceCount: 1}\n  devices:\n  - name: gpu-0\n    \
               capacity: {memory: {value: 1Gi}}\n";
    assert_eq!(one(old), one(new));
}

#[test]
fn the_api_servers_defaults_are_filled_in() {
    let text = claim(
        "v1",
        "{name: a, exactly: {deviceClassName: c, tolerations: [{key: k}]}}",
    );
    let Object::ResourceClaim(claim) = one(&text) else {
        panic!("not a claim")
    };
    assert_eq!(claim.metadata.namespace.as_deref(), Some("default"));
    assert!(claim.metadata.uid.is_some());
    let spec = claim
        .spec
        .unwrap()
        .devices
        .unwrap()
        .requests
        .unwrap()
        .remove(0)
        .exactly
        .unwrap();
    assert_eq!(
        (spec.allocation_mode.as_deref(), spec.count),
        (Some("ExactCount"), Some(1))
    );
    assert_eq!(
        spec.tolerations.unwrap()[0].operator.as_deref(),
        Some("Equal")
    );
}

#[test]
fn lists_are_read_item_by_item_typed_or_not() {
    let plain = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "a"}},
        {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"nam": "b"}}]}"#;
    let read_plain = read("list.json", plain);
    assert_eq!(read_plain.objects.len(), 1);
    let told = shown(&read_plain.problems);
    assert!(
        told.starts_with("error: list.json:3: DeviceClass, metadata.nam: "),
        "{told}"
    );
    assert!(told.contains("did you mean `name`?"), "{told}");
    let typed = "apiVersion: resource.k8s.io/v1\nkind: DeviceClassList\nitems:\n\
                 - metadata: {name: a}\n- metadata: {name: b}\n";
    assert_eq!(good(typed).len(), 2);
}

#[test]
fn json_is_read_with_lines_and_escapes() {
    let text = "{\n \"apiVersion\": \"resource.k8s.io/v1\",\n\t\"kind\": \"DeviceClass\",\n \
                \"metadata\": {\"name\": \"a\", \"annotations\": {\"x\": \"\\ud83d\\ude00\"}},\n \
                \"spec\": {\"selectors\": [\n  {\"cel\": 1}\n ]}\n}";
    let told = shown(&read("a.json", text).problems);
    assert!(
        told.starts_with("error: a.json:6: DeviceClass a, spec.selectors[0].cel: "),
        "{told}"
    );
    let several = format!("{}\n{}", text.replace("{\"cel\": 1}", ""), "{\"kind\": 1}");
    assert_eq!(read("a.json", &several).objects.len(), 1);
}

#[test]
fn broken_json_says_where() {
    let told = shown(&read("a.json", "{\n\"kind\": \"Pod\",\n}").problems);
    assert!(
        told.starts_with("error: a.json:3: document 1: this is not JSON: "),
        "{told}"
    );
}

#[test]
fn other_kinds_are_kept_by_name_with_a_notice() {
    let read = read(
        "a.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
    );
    assert!(
        matches!(&read.objects[0].object, Object::Ignored { name: Some(name), .. } if name == "web")
    );
    assert!(!read.has_errors());
}

#[test]
fn known_kinds_in_a_wrong_place_are_errors() {
    for (version, kind, cure) in [
        ("v1", "DeviceClass", "set apiVersion: resource.k8s.io/v1"),
        (
            "resource.k8s.io/v1alpha2",
            "ResourceClaim",
            "set apiVersion: resource.k8s.io/v1",
        ),
        (
            "resource.k8s.io/v1",
            "Deviceclass",
            "did you mean DeviceClass?",
        ),
        ("batch/v1beta1", "Job", "set apiVersion: batch/v1"),
    ] {
        let told = wrong(&format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        ));
        assert!(told.starts_with("error:") && told.contains(cure), "{told}");
    }
}

#[test]
fn wrong_types_and_repeated_fields_are_all_told_at_once() {
    let told = wrong(
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata:\n  name: 17\n  labels: [a]\n\
         spec:\n  devices:\n    requests:\n    - name: on\n      name: b\n      exactly:\n        \
         deviceClassName: c\n        count: \"2\"\n        selectors: {cel: 1}\n",
    );
    insta::assert_snapshot!(told, @r#"
    error: test.yaml:4: ResourceClaim, metadata.name: expected a string, found the number 17
      to fix: put it in quotes: "17"
    error: test.yaml:5: ResourceClaim, metadata.labels: expected a mapping, found a list
      to fix: remove the `- ` in front of its fields
    error: test.yaml:10: ResourceClaim, spec.devices.requests[0].name: the field `name` is there twice, first on line 9
      to fix: keep one of the two; if they belong to different objects or list items, check the indentation and the `---` between documents
    error: test.yaml:9: ResourceClaim, spec.devices.requests[0].name: expected a string, found the boolean true
      to fix: put it in quotes: plain y, n, yes, no, on, off, true and false are booleans in YAML
    error: test.yaml:13: ResourceClaim, spec.devices.requests[0].exactly.count: expected an integer, found the string "2"
      to fix: write it without quotes
    error: test.yaml:14: ResourceClaim, spec.devices.requests[0].exactly.selectors: expected a list, found a mapping
      to fix: begin each item with `- `, like
        selectors:
        - ...
    "#);
}

#[test]
fn unknown_fields_of_core_kinds_are_errors_too() {
    let told = wrong(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  nodeSelectors: {a: b}\n  \
         containers:\n  - name: c\n    resourceClaims: []\n",
    );
    assert!(
        told.contains("PodSpec of v1 has no field `nodeSelectors`"),
        "{told}"
    );
    assert!(told.contains("did you mean `nodeSelector`?"), "{told}");
    assert!(
        told.contains("a container lists the claims it uses in resources.claims"),
        "{told}"
    );
}

#[test]
fn any_dashes_that_look_like_a_separator_are_told_and_separate() {
    for dashes in ["–--", "——", "--", "----", "−−−", "—"] {
        let text = format!("{CLASS}{dashes}\n{}", claim("v1", EXACT));
        let read = read("a.yaml", &text);
        assert_eq!(read.objects.len(), 2, "{dashes}");
        let told = shown(&read.problems);
        assert!(
            told.starts_with("error: a.yaml:4: document 1: the line `"),
            "{told}"
        );
        assert!(told.contains("did you mean `---`?"), "{told}");
    }
}

#[test]
fn a_broken_document_does_not_hide_its_neighbours() {
    let text = format!("{CLASS}---\nkind: [\n---\n{}", claim("v1", EXACT));
    let read = read("a.yaml", &text);
    assert_eq!(read.objects.len(), 2);
    assert_eq!(read.problems.len(), 1);
    assert_eq!((read.problems[0].document, read.problems[0].line), (2, 5));
}

#[test]
fn anchors_aliases_and_merges_work_within_a_budget() {
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n  labels: &l {x: '1', z: '2'}\n  \
                annotations: {<<: *l, z: '3'}\n";
    let Object::Node(node) = one(text) else {
        panic!("not a node")
    };
    let annotations = node.metadata.annotations.unwrap();
    assert_eq!(
        (annotations["x"].as_str(), annotations["z"].as_str()),
        ("1", "3")
    );
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    let told = wrong(&bomb);
    assert!(
        told.contains("aliases copy more than 100000 values"),
        "{told}"
    );
}

#[test]
fn depth_is_bounded_in_both_formats() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(5000), close.repeat(5000));
    for text in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("- ", ""),
        deep("{a: ", "}"),
    ] {
        assert!(
            wrong(&text).contains("levels") || wrong(&text).contains("not YAML"),
            "{text:.20}"
        );
    }
    let nested: String = (0..5000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    assert!(wrong(&nested).contains("levels"));
}

#[test]
fn tabs_templates_and_typographic_quotes_get_their_own_cure() {
    for (text, cure) in [
        (
            "apiVersion: v1\nkind: Node\nmetadata:\n\tname: a\n",
            "indent with spaces",
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: {{ .Values.name }}\n",
            "render",
        ),
    ] {
        let told = wrong(text);
        assert!(told.contains(cure), "{told}");
    }
}

#[test]
fn duplicates_are_told_with_both_places() {
    let mut all = read("a.yaml", CLASS);
    all.extend(read("b.yaml", CLASS));
    let (cluster, problems) = Cluster::from_objects(all.objects);
    assert_eq!(cluster.classes.len(), 1);
    insta::assert_snapshot!(shown(&problems), @r"
    error: b.yaml:1: DeviceClass gpu.example.com, metadata.name: is there twice, first at a.yaml:1
      to fix: rename one of them, or leave one file out
    ");
}
