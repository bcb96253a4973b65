//! What is written is read back as it was.

use super::*;
use crate::objects::tree::{Tree, Value as Read_};
use crate::objects::{write, yaml};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn every_example_survives_yaml_and_json() {
    for (file, text) in manifests(".").into_iter().chain(manifests("on-cluster")) {
        let objects: Vec<Object> = read(&file, &text)
            .objects
            .into_iter()
            .map(|o| o.object)
            .collect();
        for (again, text) in [
            ("a.yaml", write::yaml(&objects)),
            ("a.json", write::json(&objects)),
        ] {
            let read = read(again, &text);
            let found: Vec<Object> = read.objects.into_iter().map(|o| o.object).collect();
            assert_eq!(found, objects, "{file}");
        }
    }
}

#[test]
fn strings_that_could_be_misread_are_quoted() {
    let text = write::yaml_values(&[serde_json::json!({
        "a": ["yes", "1", "null", "a: b", "# x", "- y", "", "2026-01-02", "12:30", "plain-text"],
        "b": "two\nlines", "c": [[1, 2]], "d": {}, "e": "kept\n", "f": " a\nb"})]);
    insta::assert_snapshot!(text, @r##"
    a:
    - "yes"
    - "1"
    - "null"
    - "a: b"
    - "# x"
    - "- y"
    - ""
    - "2026-01-02"
    - "12:30"
    - plain-text
    b: |-
      two
      lines
    c:
    - [1,2]
    d: {}
    e: |
      kept
    f: " a\nb"
    "##);
}

fn json(tree: &Tree) -> Value {
    match &tree.value {
        Read_::Null => Value::Null,
        Read_::Bool(value) => Value::from(*value),
        Read_::Number(text) => serde_json::from_str(text).unwrap(),
        Read_::String(text) => Value::from(text.as_str()),
        Read_::List(items) => items.iter().map(json).collect(),
        Read_::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|e| (e.key.clone(), json(&e.value)))
                .collect(),
        ),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z0-9 :#,&*!|>'%@`\"{}\\[\\]?~\\-\\n\\t]{0,12}",
        "\\PC{0,8}",
        ".{0,8}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_read_back_as_it_was_written(value in any_json()) {
        let value = serde_json::json!({"root": value});
        let text = write::yaml_values(std::slice::from_ref(&value));
        let trees = yaml::parse(&text, 1).map_err(|f| TestCaseError::fail(format!("{f:?}\n{text}")))?;
        prop_assert_eq!(json(&trees[0]), value, "{}", text);
    }
}
