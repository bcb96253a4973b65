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
