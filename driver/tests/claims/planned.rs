//! What policies plan, and what of it is refused.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};
use supercargo::journal;
use supercargo::node::claims::Warning;
use supercargo_host::journal::{Line, Reply, Verdict};
use supercargo_host::policy::Hook;

use super::node::{Claim, node, prepare, refused};

#[tokio::test]
async fn wrong_parameters_are_told_by_field_and_nothing_runs() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]).parameters(json!({"wrong": true}));
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let before = node.state();
    assert_snapshot!(refused(&claims, &claim).await);
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn parameters_that_nobody_reads_are_told() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]).parameters(json!({"kind": "GpuConfig"}));
    node.has(&claim);
    let (claims, _) = node.start().await;
    let prepared = prepare(&claims, &claim).await.unwrap();
    let [warning @ Warning::ParametersUnread { .. }] = &prepared.warnings[..] else {
        panic!("{:?}", prepared.warnings)
    };
    assert_snapshot!(warning.to_string());
}

#[tokio::test]
async fn a_plan_beyond_its_grants_runs_nothing_and_names_the_grant() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let orders = json!({"prepare": [{"longTurns": true}, {"exclusive": true}]});
    let grants = json!([{"setTimeSlice": ["long"], "environment": ["FOREMAN_*"]}]);
    node.policies(
        json!([{"name": "foreman", "settings": orders, "grants": grants}]),
        json!([{"policy": "foreman"}]),
    );
    let (claims, _) = node.start().await;
    let before = node.state();
    let error = refused(&claims, &claim).await;
    assert!(error.contains("setComputeMode"), "{error}");
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn what_policies_plan_is_in_the_journal() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let orders = json!({"prepare": [{"longTurns": true}, {"exclusive": true}]});
    let entry = |grants| json!([{"name": "foreman", "settings": orders.clone(), "grants": grants}]);
    let some = json!([{"setTimeSlice": ["long"], "environment": ["FOREMAN_*"]}]);
    node.policies(entry(some), json!([{"policy": "foreman"}]));
    fs::write(node.journal(), "").unwrap();
    let (claims, _) = node.start().await;
    refused(&claims, &claim).await;
    let mut recorded = Vec::new();
    let bad = journal::read(&node.journal(), &mut |_, line| match line {
        Line::Decision(decision) => recorded.push(decision),
        other => panic!("{other:?}"),
    });
    assert!(bad.unwrap().is_empty());
    let decision = recorded
        .iter()
        .find(|decision| decision.question.hook() == Hook::Prepare)
        .unwrap();
    assert_eq!(decision.policy.name, "foreman");
    assert_eq!(decision.subject.claim, "default/a");
    assert_eq!(decision.subject.devices, ["gpu.nvidia.com/node-1/gpu-0"]);
    assert!(matches!(&decision.answer, Reply::Plan(plan) if plan.actions.len() == 2));
    assert!(
        matches!(&decision.verdict, Verdict::Refused(why) if why.contains("setComputeMode")),
        "{:?}",
        decision.verdict
    );

    // The component lies beside it, so it decides the same again.
    let mut replay = Command::new(env!("CARGO_BIN_EXE_supercargo"));
    replay.args(["policy", "replay"]).arg(node.journal());
    let replayed = replay.output().unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
    let told = String::from_utf8_lossy(&replayed.stdout);
    assert!(told.contains(" same, 0 differ"), "{told}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_policys_words() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"refuse": "not before lunch"}));
    let (claims, _) = node.start().await;
    let error = refused(&claims, &claim).await;
    assert!(
        error.starts_with("policy foreman did not prepare"),
        "{error}"
    );
    assert!(error.contains("not before lunch"), "{error}");
}

#[tokio::test]
async fn a_mount_that_leads_elsewhere_is_refused() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let path = node.folder.join("shared/library");
    symlink("/etc", &path).unwrap();
    node.foreman(json!({"mount": path}));
    let (claims, _) = node.start().await;
    let error = refused(&claims, &claim).await;
    assert!(error.contains("leads through a symbolic link"), "{error}");

    fs::remove_file(&path).unwrap();
    assert!(
        refused(&claims, &claim)
            .await
            .contains("cannot be shown to containers")
    );
    fs::write(&path, "").unwrap();
    prepare(&claims, &claim).await.unwrap();
    let mounts = &node.cdi(&claim)["containerEdits"]["mounts"];
    assert_eq!(
        mounts[0]["options"],
        json!(["bind", "ro", "nosuid", "nodev", "noexec"])
    );
}

#[tokio::test]
async fn what_a_policy_plans_for_the_host_leaves_to_it() {
    let (_folder, node) = node();
    let partitions = ["gpu-0-mig-1g10gb-19-0", "gpu-0-mig-3g40gb-9-4"];
    node.policies(
        json!([
            {"name": "foreman", "settings": {}, "grants": [{"environment": ["FOREMAN_*"]}]},
            {"name": "mig-partitions", "grants": [{"setMigMode": [true],
                "createGpuInstance": ["1g.*"], "createComputeInstance": ["1g.*"]}]},
        ]),
        json!([{"policy": "foreman", "deviceClasses": ["nothing"]},
               {"policy": "mig-partitions", "deviceClasses": ["partition"]}]),
    );
    // A policy that plans nothing for a partition means it.
    let nothing = Claim::of("a", &partitions[..1]).class(0, "nothing");
    node.has(&nothing);
    let (claims, _) = node.start().await;
    let before = node.state();
    let error = refused(&claims, &nothing).await;
    assert!(
        error.contains("there is no GPU instance; the plan of its claim makes none"),
        "{error}"
    );
    assert!(error.ends_with("; everything was undone"), "{error}");
    assert_eq!(node.state(), before);

    // One is made by its policy and the other by the host, each once.
    let both = Claim::of("b", &partitions).class(0, "partition");
    node.has(&both);
    let prepared = prepare(&claims, &both).await.unwrap();
    assert_eq!(prepared.policies[0].requests, ["r0"]);
    let checkpoint = fs::read_to_string(node.folder.join("data/claims").join(&both.uid)).unwrap();
    let (_, record) = checkpoint.split_once('\n').unwrap();
    let record: Value = serde_json::from_str(record).unwrap();
    let steps: Vec<String> = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|done| {
            let step = &done["step"];
            let of = step["profile"].as_str().unwrap_or_default();
            format!("{} {of}", step["step"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        steps,
        [
            "setMigMode ",
            "createGpuInstance 3g.40gb",
            "createComputeInstance 3g.40gb",
            "setMigMode ",
            "createGpuInstance 1g.10gb",
            "createComputeInstance 1g.10gb",
        ]
    );
    assert_eq!(record["steps"][5]["step"]["gpuInstance"], 4);
    assert_eq!(node.hardware("gpu-0/mig/0-1/profile"), "1g.10gb");
    assert_eq!(node.hardware("gpu-0/mig/4-4/profile"), "3g.40gb");
    claims.unprepare(&both.uid).await.unwrap();
    assert_eq!(node.state(), before);
}
