//! What would have been.

use std::process::Output;

use super::super::program;
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

/// Four GPUs in two groups on one node, and these documents.
fn dump(more: &str) -> String {
    let device = |name: &str, group: &str| {
        format!("    - {{name: {name}, attributes: {{group: {{string: {group}}}}}}}\n")
    };
    let devices: String = [
        ("gpu-0", "a"),
        ("gpu-1", "a"),
        ("gpu-2", "b"),
        ("gpu-3", "b"),
    ]
    .map(|(name, group)| device(name, group))
    .concat();
    format!(
        "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {{name: gpu}}\nspec: {{}}\n---\n\
         apiVersion: v1\nkind: Node\nmetadata: {{name: node-a}}\n---\n\
         apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {{name: a}}\n\
         spec:\n    driver: gpu.example.com\n    nodeName: node-a\n    \
         pool: {{name: node-a, generation: 1, resourceSliceCount: 1}}\n    devices:\n{devices}{more}"
    )
}

/// A claim for one GPU, and which it has.
fn claim(name: &str, has: Option<&str>) -> String {
    let status = has.map_or_else(String::new, |device| {
        format!(
            "status:\n  allocation:\n    devices:\n      results:\n      \
             - {{request: gpu, driver: gpu.example.com, pool: node-a, device: {device}}}\n"
        )
    });
    format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpu}}}}]}}}}\n{status}"
    )
}

/// A pod with a claim and these fields more.
fn pod(claim: &str, more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {claim}, namespace: default}}\n\
         spec: {{containers: [{{name: c, image: i}}], resourceClaims: [{{name: gpu, resourceClaimName: {claim}}}]{more}}}\n"
    )
}

/// The first contender's account of a dump.
fn first_fit(cluster: &str, more: &[&str]) -> Value {
    let folder = TempDir::new().unwrap();
    let file = write(&folder, "dump.yaml", cluster);
    let policy = component("first-fit");
    let flags = [
        "policy",
        "simulate",
        "--cluster",
        &file,
        "--policy",
        &policy,
    ];
    let table = supercargo(&[&flags[..], more].concat());
    let output = supercargo(&[&flags[..], &["-o", "json"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let mut found = json(&output)["contenders"][0].clone();
    found["table"] = told(&table).into();
    found
}

fn shows(found: &Value, row: &str) -> bool {
    let table = found["table"].as_str().unwrap();
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.join(" ").starts_with(row)
    })
}

#[test]
fn the_last_workload_of_a_dump_weighs_as_much_as_the_first() {
    let two = format!("{}{}", claim("a", None), claim("b", None));
    let found = first_fit(&dump(&two), &[]);
    let samples = found["samples"].as_array().unwrap();
    let stranded = samples.iter().map(|one| one["stranded"].as_u64().unwrap());
    assert_eq!(stranded.collect::<Vec<_>>(), [1, 0]);
    assert!(shows(&found, "devices at work 1.5 of 4"), "{found}");
    assert!(shows(&found, "stranded devices 0.5"), "{found}");
}

#[test]
fn where_nothing_waits_things_are_as_they_are() {
    let found = first_fit(&dump(&claim("a", Some("gpu-2"))), &[]);
    assert_eq!(found["arrived"], 0);
    assert!(shows(&found, "devices at work 1.0 of 4"), "{found}");
    assert!(shows(&found, "stranded devices 1.0"), "{found}");
}

#[test]
fn a_pod_that_fits_nowhere_is_not_placed_by_its_claims_devices() {
    let allocated = claim("a", Some("gpu-2"));
    let nowhere = pod("a", ", nodeSelector: {disk: none}");
    let found = first_fit(&dump(&format!("{allocated}{nowhere}")), &[]);
    assert_eq!(
        (&found["arrived"], &found["placed"]),
        (&Value::from(1), &Value::from(0))
    );
    let found = first_fit(&dump(&format!("{allocated}{}", pod("a", ""))), &[]);
    assert_eq!(
        (&found["arrived"], &found["placed"]),
        (&Value::from(1), &Value::from(1))
    );
}

#[test]
fn what_runs_does_not_arrive_unless_all_is_placed_anew() {
    let running = format!(
        "{}{}",
        claim("a", Some("gpu-3")),
        pod("a", ", nodeName: node-a")
    );
    let found = first_fit(&dump(&running), &[]);
    assert_eq!(found["arrived"], 0, "{found}");
    let found = first_fit(&dump(&running), &["--anew"]);
    assert_eq!(
        (&found["arrived"], &found["placed"]),
        (&Value::from(1), &Value::from(1))
    );

    // Its node is gone; what ran there goes elsewhere.
    let moved = running.replace("nodeName: node-a", "nodeName: node-z");
    let found = first_fit(&dump(&moved), &["--anew"]);
    assert_eq!(found["placed"], 1, "{found}");
}

/// A scenario beside its cluster, and what `simulate` says of these files.
fn scenario(text: &str, files: &[&str], more: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    write(&folder, "cluster.yaml", &dump(""));
    write(&folder, "scenario.yaml", text);
    let policy = component("first-fit");
    let mut flags = vec!["policy", "simulate", "--policy", &policy, "-o", "json"];
    for file in files {
        flags.extend(["--cluster", file]);
    }
    program(folder.path(), &[&flags, more].concat())
        .output()
        .unwrap()
}

const BUSY: &str = "apiVersion: supercargo.dev/v1alpha1\nkind: Scenario\ncluster: [cluster.yaml]\nfor: 1d\n\
    workloads:\n- {name: a, every: 1h, runs: 30m, claim: {devices: {requests: [{name: gpu, exactly: {deviceClassName: gpu}}]}}}\n";

#[test]
fn a_scenario_is_one_however_it_is_written_and_stands_alone() {
    let alone = ["scenario.yaml"];
    for written in [
        "kind: \"Scenario\"",
        "kind:   Scenario # of a day",
        "'kind': Scenario",
    ] {
        let output = scenario(&BUSY.replace("kind: Scenario", written), &alone, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert!(json(&output)["contenders"][0]["arrived"].as_u64() > Some(5));
    }
    for (text, files) in [
        (BUSY.to_owned(), &["cluster.yaml", "scenario.yaml"][..]),
        (format!("{}---\n{BUSY}", dump("")), &alone[..]),
    ] {
        let output = scenario(&text, files, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        let said = told(&output);
        assert!(
            said.contains("scenario.yaml:") && said.contains("stands alone"),
            "{said}"
        );
    }
}

#[test]
fn copies_and_groups_that_cannot_be_are_bad_input() {
    for copies in ["0", "1001"] {
        let text = format!("{BUSY}copies: {copies}\n");
        let output = scenario(&text, &["scenario.yaml"], &[]);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        let said = format!("copies: {copies} is not between 1 and 1000");
        assert!(told(&output).contains(&said), "{}", told(&output));
    }
    let by = ["--group-by", "gpu.example.com/gruop"];
    let output = scenario(BUSY, &["scenario.yaml"], &by);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let said = "--group-by gpu.example.com/gruop: no device has this attribute; there are: gpu.example.com/group";
    assert!(told(&output).contains(said), "{}", told(&output));
    let policy = component("first-fit");
    let scene = ["-f", "examples/scenes/nvlink.yaml", "--policy", &policy];
    let output = supercargo(&[&["compare"], &scene[..], &by].concat());
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

#[test]
fn nothing_of_a_cluster_is_markup_in_the_page() {
    let folder = TempDir::new().unwrap();
    let hostile =
        dump(&claim("a", None)).replace("{string: a}", "{string: \"<script>alert(1)</script>\"}");
    let file = write(&folder, "dump.yaml", &hostile);
    let page = folder.path().join("page.html");
    let policy = component("first-fit");
    let flags = [
        "policy",
        "simulate",
        "--cluster",
        &file,
        "--policy",
        &policy,
        "--most",
    ];
    let output = supercargo(
        &[
            &flags[..],
            &[
                "--group-by",
                "gpu.example.com/group",
                "--html",
                page.to_str().unwrap(),
            ],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(!html.contains("<script"), "{html}");
}
