//! Journals: recorded, replayed, explained.

use super::*;

#[test]
fn what_is_recorded_is_replayed_bit_for_bit_and_a_changed_line_is_found() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("answers.jsonl");
    let journal = journal.to_str().unwrap();
    let recorded = supercargo(&[
        "policy",
        "record",
        "examples/policies/nvlink-groups",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert_eq!(recorded.status.code(), Some(0), "{}", told(&recorded));
    let same = supercargo(&["policy", "replay", journal]);
    snapshot("replay-same", &told(&same));
    assert_eq!(same.status.code(), Some(0));

    // Somebody edits an answer, and the end of the file is lost.
    let text = std::fs::read_to_string(journal).unwrap();
    let changed = text.replacen("\"score\":100.0", "\"score\":99.0", 1);
    assert_ne!(text, changed);
    std::fs::write(journal, &changed[..changed.len() - 40]).unwrap();
    let different = supercargo(&["policy", "replay", journal]);
    assert_eq!(different.status.code(), Some(1), "{}", told(&different));
    snapshot("replay-different", &told(&different));

    // Another policy looks at something else: that is told, and is no fault.
    let other = supercargo(&[
        "policy",
        "replay",
        journal,
        "--policy",
        &component("first-fit"),
    ]);
    assert_eq!(other.status.code(), Some(0), "{}", told(&other));
    assert!(told(&other).contains("not comparable"), "{}", told(&other));

    std::fs::remove_dir_all(format!("{journal}.policies")).unwrap();
    let gone = supercargo(&["policy", "replay", journal]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        told(&gone).contains("give one with --policy"),
        "{}",
        told(&gone)
    );
}

#[test]
fn a_line_that_says_otherwise_of_its_policy_is_found() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("answers.jsonl");
    let journal = journal.to_str().unwrap();
    let policy = component("nvlink-groups");
    let of = "examples/policies/nvlink-groups";
    let record = [
        "policy",
        "record",
        of,
        "--policy",
        &policy,
        "--journal",
        journal,
    ];
    assert_eq!(supercargo(&record).status.code(), Some(0));
    let text = std::fs::read_to_string(journal).unwrap();
    let changes = [
        (
            "declares other interests",
            "interests",
            "attributes",
            Value::Array(Vec::new()),
        ),
        (
            "settings are not those",
            "settings",
            "groupSize",
            Value::from(3),
        ),
    ];
    for (what, field, name, value) in changes {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut line: Value = serde_json::from_str(&lines[1]).unwrap();
        line["decision"]["policy"][field][name] = value;
        lines[1] = line.to_string();
        std::fs::write(journal, lines.join("\n") + "\n").unwrap();
        let replayed = supercargo(&["policy", "replay", journal]);
        let said = told(&replayed);
        assert_eq!(replayed.status.code(), Some(1), "{said}");
        assert!(said.contains("answers.jsonl:2: select for "), "{said}");
        assert!(
            said.contains("the line was changed: ") && said.contains(what),
            "{said}"
        );
    }
}

#[test]
fn decisions_of_allocate_are_replayed_and_explained() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("decisions.jsonl");
    let journal = journal.to_str().unwrap();
    let allocated = supercargo(&[
        "allocate",
        "-f",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert_eq!(allocated.status.code(), Some(0), "{}", told(&allocated));
    let replayed = supercargo(&["policy", "replay", journal, "-o", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", told(&replayed));
    let policy = &json(&replayed)["policies"][0];
    assert_eq!(policy["same"], policy["decisions"]);
    assert_eq!(policy["answeredByTheRecordedComponent"], true);

    let text = std::fs::read_to_string(journal).unwrap();
    let claim = text
        .split('"')
        .find(|part| part.starts_with("default/pretrain-0-gpus"))
        .unwrap();
    let explained = supercargo(&["explain", journal, "--claim", claim, "--devices"]);
    snapshot("explain-claim", &told(&explained));
    let unknown = supercargo(&["explain", journal, "--claim", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("nothing in"));

    // A second run adds to the journal.
    let before = text.lines().count();
    supercargo(&[
        "compare",
        "-f",
        "examples/scenes/nvlink.yaml",
        "--policy",
        &component("nvlink-groups"),
        "--journal",
        journal,
    ]);
    assert!(std::fs::read_to_string(journal).unwrap().lines().count() > before);
}

#[test]
fn a_journal_that_is_none_is_bad_input() {
    for arguments in [
        &["explain", "Cargo.toml", "--claim", "x"][..],
        &["policy", "replay", "Cargo.toml"],
        &["policy", "replay", "no-such-file"],
        &[
            "allocate",
            "-f",
            "examples/scenes/nvlink.yaml",
            "--journal",
            "/no/such/folder/j",
        ],
    ] {
        let output = supercargo(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            told(&output)
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_new_version_is_asked_the_same_and_what_it_would_change_is_told() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("answers.jsonl");
    let journal = journal.to_str().unwrap();
    let old = component("numa-next-to-nic");
    let recorded = supercargo(&[
        "policy",
        "record",
        "examples/recipes/numa-next-to-nic",
        "--policy",
        &old,
        "--journal",
        journal,
    ]);
    assert_eq!(recorded.status.code(), Some(0), "{}", told(&recorded));
    // Both declare the same, so that one could be the next version of the other.
    let new = component("spread-numa");
    let replayed = supercargo(&["policy", "replay", journal, "--policy", &new]);
    snapshot("replay-new-version", &told(&replayed));
    let replayed = supercargo(&["policy", "replay", journal, "--policy", &new, "-o", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "a change is no fault");
    let policy = &json(&replayed)["policies"][0];
    assert_eq!(policy["answeredByTheRecordedComponent"], false);
    assert_eq!(policy["different"].as_array().unwrap().len(), 2);
}

#[test]
fn plans_are_recorded_explained_and_replayed() {
    let folder = TempDir::new().unwrap();
    let configuration = "apiVersion: supercargo.dev/v1alpha1\nkind: Configuration\npolicies:\n\
        - {name: slices, wasm: TIME, grants: [{setComputeMode: [shared]}]}\n\
        rules: [{policy: slices}]\n";
    let configuration = configuration.replace("TIME", &component("time-slicing"));
    let configuration = write(&folder, "configuration.yaml", &configuration);
    let journal = folder.path().join("plans.jsonl");
    let journal = journal.to_str().unwrap();
    let planned = supercargo(&[
        "plan",
        "-f",
        "examples/plans/time-slicing.yaml",
        "--topology",
        "examples/topologies/h100-nvlink.yaml",
        "--config",
        &configuration,
        "--journal",
        journal,
    ]);
    assert_eq!(planned.status.code(), Some(1), "{}", told(&planned));
    let explained = supercargo(&["explain", journal, "--claim", "default/shared-gpu"]);
    snapshot("explain-plan", &told(&explained));
    let replayed = supercargo(&["policy", "replay", journal, "-o", "json"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", told(&replayed));
    let policy = &json(&replayed)["policies"][0];
    assert_eq!(
        (&policy["decisions"], &policy["same"]),
        (&2.into(), &2.into())
    );
}
