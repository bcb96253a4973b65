//! What a policy costs.

use super::*;

#[test]
fn every_hook_is_measured_on_every_topology() {
    let output = supercargo(&[
        "policy",
        "bench",
        "examples/policies/nvlink-groups",
        "--policy",
        &component("nvlink-groups"),
        "--devices",
        "8,128",
        "-o",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let value = json(&output);
    let rows = value["hooks"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let number = |field: &str| {
            row[field]
                .as_u64()
                .unwrap_or_else(|| panic!("{field}: {row}"))
        };
        assert!(number("p50Nanos") > 0 && number("p50Nanos") <= number("p99Nanos"));
        assert!(number("memoryBytes") >= 64 << 10 && number("firstFitNanos") > 0);
        assert_eq!(row["instead"], Value::Null, "{row}");
    }
    assert!(value["coldNanos"].as_u64().unwrap() > 0);
}

#[test]
fn every_hook_of_a_vendors_policy_is_measured_with_questions_that_it_answers() {
    for (name, hooks) in [
        (
            "vendor-settings",
            &["validate", "prepare", "prepare", "unprepare", "unprepare"][..],
        ),
        ("publish-partitions", &["publish", "publish"]),
        ("drain-bad-card", &["assess", "assess"]),
    ] {
        let folder = format!("examples/recipes/{name}");
        let policy = component(name);
        let run = ["policy", "bench", &folder, "--policy", &policy];
        let output = supercargo(&[&run[..], &["--devices", "8,16", "-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let value = json(&output);
        let rows = value["hooks"].as_array().unwrap();
        let measured: Vec<&str> = rows.iter().map(|r| r["hook"].as_str().unwrap()).collect();
        assert_eq!(measured, hooks);
        for row in rows {
            assert_eq!(row["instead"], Value::Null, "{row}");
            assert_eq!(row["devices"].is_null(), row["hook"] == "validate", "{row}");
        }
    }
}
