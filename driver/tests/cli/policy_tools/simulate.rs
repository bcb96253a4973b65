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
    ];
    snapshot("simulate-dump", &told(&supercargo(&dump)));
    let anew = [&dump[..], &["--anew"]].concat();
    snapshot("simulate-dump-anew", &told(&supercargo(&anew)));
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

/// What `kubectl get -o yaml` prints: one List, with everything that the API server adds.
#[test]
fn a_dump_is_read_as_kubectl_prints_it() {
    let folder = TempDir::new().unwrap();
    let scene = std::fs::read_to_string(root().join("examples/scenes/nvlink.yaml")).unwrap();
    let mut list = "apiVersion: v1\nitems:\n".to_owned();
    let added = "resourceVersion: \"4711\"\n    uid: 5f0c1f5e-8f3a-4d0e-9f39-0f4f0c9a4b1d\n    \
                 creationTimestamp: \"2026-11-01T08:00:00Z\"\n    managedFields: []\n    name:";
    for document in scene.split("---\n") {
        let lines: Vec<&str> = document.lines().filter(|l| !l.starts_with('#')).collect();
        if lines.is_empty() {
            continue;
        }
        let item = lines.join("\n  ").replacen(
            "  metadata:\n    name:",
            &format!("  metadata:\n    {added}"),
            1,
        );
        list.push_str(&format!("- {item}\n"));
    }
    list.push_str("kind: List\nmetadata:\n  resourceVersion: \"\"\n");
    let file = write(&folder, "cluster.yaml", &list);
    let simulate = |cluster: &str| {
        let policy = component("nvlink-groups");
        let flags = [
            "policy", "simulate", "--anew", "-o", "json", "--policy", &policy,
        ];
        let output = supercargo(&[&flags[..], &["--cluster", cluster]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        json(&output)["contenders"].clone()
    };
    assert!(list.matches("managedFields").count() > 3, "{list}");
    assert_eq!(simulate(&file), simulate("examples/scenes/nvlink.yaml"));
}

#[test]
fn a_page_that_cannot_be_written_is_told_with_its_name() {
    let output = supercargo(&[
        "policy",
        "simulate",
        "--cluster",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &component("first-fit"),
        "--html",
        "/no/such/folder/page.html",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told(&output).contains("cannot write /no/such/folder/page.html: "),
        "{}",
        told(&output)
    );
}
