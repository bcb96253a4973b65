//! What would have been.

use super::*;

#[test]
fn a_simulation_comes_out_the_same_every_time() {
    let nvlink = component("nvlink-groups");
    let scenario = [
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/two-days.yaml",
        "--policy",
        &nvlink,
    ];
    let output = supercargo(&scenario);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    snapshot("simulate-two-days", &told(&output));
    let value = json(&supercargo(&[&scenario[..], &["-o", "json"]].concat()));
    for contender in value["contenders"].as_array().unwrap() {
        let samples = contender["samples"].as_array().unwrap();
        assert!(samples.len() > 300);
        for sample in samples {
            let number = |field: &str| sample[field].as_u64().unwrap();
            assert_eq!(number("used") + number("free"), 64);
            assert!(number("stranded") <= number("free"));
        }
    }
    let dump = [
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &nvlink,
        "--anew",
    ];
    snapshot("simulate-dump", &told(&supercargo(&dump)));
}

#[test]
fn a_wrong_scenario_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(root().join("examples/scenes/two-days.yaml")).unwrap();
    let file = write(
        &folder,
        "scenario.yaml",
        &text.replace("every: 30m", "every: often"),
    );
    let output = supercargo(&[
        "policy",
        "simulate",
        "--cluster",
        &file,
        "--policy",
        &component("first-fit"),
    ]);
    assert_eq!(output.status.code(), Some(2));
    snapshot("simulate-wrong", &told(&output));
}
