//! What becomes of claims, asked of the driver itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};
use supercargo::devices::Announced;
use supercargo::journal;
use supercargo::node::claims::{Claims, PrepareError, Prepared, Warning};
use supercargo_host::journal::{Line, Reply, Verdict};
use supercargo_host::policy::Hook;
use tempfile::TempDir;

use super::node::{Act, Claim, Node};

fn node() -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    (folder, node)
}

async fn prepare(claims: &std::sync::Arc<Claims>, claim: &Claim) -> Result<Prepared, PrepareError> {
    claims.prepare(&claim.named()).await
}

async fn refused(claims: &std::sync::Arc<Claims>, claim: &Claim) -> String {
    prepare(claims, claim).await.unwrap_err().to_string()
}

/// All that the devices of a CDI file put into the environment.
fn environment(cdi: &Value) -> Vec<&str> {
    let devices = cdi["devices"].as_array().unwrap().iter();
    devices
        .flat_map(|device| device["containerEdits"]["env"].as_array().unwrap())
        .map(|variable| variable.as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn without_a_policy_the_device_itself_is_shown() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0", "gpu-1"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    let prepared = prepare(&claims, &claim).await.unwrap();
    assert!(!prepared.again);
    assert_eq!(prepared.devices.len(), 2);
    assert_eq!(
        prepared.devices[1].cdi_device_ids,
        [format!("k8s.gpu.nvidia.com/claim={}-gpu-1", claim.uid)]
    );
    let mut cdi = node.cdi(&claim);
    cdi["annotations"] = json!("the checkpoint");
    let text = serde_json::to_string_pretty(&cdi).unwrap();
    let text = text.replace(&node.folder.display().to_string(), "FOLDER");
    assert_snapshot!("cdi_of_two_gpus", text);
    assert_eq!(node.names("data/claims"), [claim.uid.as_str()]);
}

#[tokio::test]
async fn a_prepared_claim_is_answered_for_from_the_checkpoint() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    let first = prepare(&claims, &claim).await.unwrap();
    let before = node.state();
    let again = prepare(&claims, &claim).await.unwrap();
    assert!(again.again);
    assert_eq!(again.devices, first.devices);
    drop(claims);

    // Also by another process, and while the API server is away.
    let (claims, recovered) = node.start().await;
    assert_eq!(recovered.prepared, 1);
    fs::write(node.folder.join("api/down"), "").unwrap();
    assert_eq!(
        prepare(&claims, &claim).await.unwrap().devices,
        first.devices
    );
    let other = Claim::of("b", &["gpu-1"]);
    assert!(
        refused(&claims, &other)
            .await
            .contains("cannot get resourceclaims")
    );
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn steps_are_done_and_taken_back() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}, {"start": "mps"}]}));
    let (claims, _) = node.start().await;
    let before = node.state();
    let prepared = prepare(&claims, &claim).await.unwrap();
    assert_eq!(node.hardware("gpu-0/time-slice"), "long");
    assert_eq!(prepared.statuses[0].json, r#"{"set up by":"foreman"}"#);
    assert_eq!(prepared.policies[0].policy, "foreman");
    let cdi = node.cdi(&claim);
    let mounts = cdi["devices"][0]["containerEdits"]["mounts"]
        .as_array()
        .unwrap();
    let shown = |mount: &Value| mount["containerPath"].as_str().unwrap().to_owned();
    let shown: Vec<String> = mounts.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "/var/run/supercargo/devices/gpu-0",
            "/var/run/supercargo/daemons/mps"
        ]
    );
    assert_eq!(claims.unprepare(&claim.uid).await.unwrap(), []);
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn what_a_claim_holds_reaches_the_policy_and_the_containers() {
    let (_folder, node) = node();
    let share = "11111111-2222-4333-8444-555555555555";
    let claim = Claim::of("a", &["gpu-0", "gpu-1"]).result(json!({
        "shareID": share, "consumedCapacity": {"memory": "10Gi"}, "adminAccess": true,
    }));
    node.has(&claim);
    node.foreman(json!({}));
    let (claims, _) = node.start().await;
    let prepared = prepare(&claims, &claim).await.unwrap();
    assert_eq!(prepared.devices[0].share_id.as_deref(), Some(share));
    assert_snapshot!(environment(&node.cdi(&claim)).join("\n"));
}

#[tokio::test]
async fn a_device_is_never_in_two_claims() {
    let (_folder, node) = node();
    let (first, second) = (
        Claim::of("a", &["gpu-0"]),
        Claim::of("b", &["gpu-1", "gpu-0"]),
    );
    node.has(&first);
    node.has(&second);
    let (claims, _) = node.start().await;
    prepare(&claims, &first).await.unwrap();
    let before = node.state();
    let error = refused(&claims, &second).await;
    assert!(
        error.contains("device gpu-0 is still prepared for claim default/a"),
        "{error}"
    );
    assert_eq!(node.state(), before);

    claims.unprepare(&first.uid).await.unwrap();
    prepare(&claims, &second).await.unwrap();
}

#[tokio::test]
async fn hardware_is_never_in_two_claims_whatever_it_is_called() {
    let (_folder, node) = node();
    let first = Claim::of("a", &["gpu-0"]);
    let part = |name: &str, device: &str| Claim::of(name, &[device]);
    let renamed = part("b", "site-0");
    let (inside, beside) = (
        part("c", "gpu-0-mig-1g10gb-19-0"),
        part("d", "gpu-0-mig-1g10gb-19-1"),
    );
    let around = part("e", "gpu-0-mig-2g20gb-14-0");
    for claim in [&first, &renamed, &inside, &beside, &around] {
        node.has(claim);
    }
    let (claims, _) = node.start().await;
    prepare(&claims, &first).await.unwrap();
    assert!(refused(&claims, &inside).await.contains("gpu-0)"));

    // A policy gives the GPU another name.
    drop(claims);
    let (claims, _) = node
        .start_announcing(|announced| {
            for one in &mut announced.devices {
                one.device.name = one.device.name.replace("gpu-0", "site-0");
            }
        })
        .await;
    let error = refused(&claims, &renamed).await;
    assert!(
        error.contains("device site-0 (there: gpu-0) is still prepared for claim default/a"),
        "{error}"
    );

    claims.unprepare(&first.uid).await.unwrap();
    let (claims, _) = node.start().await;
    prepare(&claims, &inside).await.unwrap();
    assert!(
        refused(&claims, &around)
            .await
            .contains("there: gpu-0-mig-1g10gb-19-0")
    );
    assert!(
        refused(&claims, &first)
            .await
            .contains("there: gpu-0-mig-1g10gb-19-0")
    );
    prepare(&claims, &beside).await.unwrap();
}

#[tokio::test]
async fn shares_and_administrators_may_be_beside_others() {
    let (_folder, node) = node();
    let share = |name: &str, share: &str| {
        Claim::of(name, &["gpu-0"]).result(json!({"shareID": format!("{share}-0-0-0-0")}))
    };
    let admin = Claim::of("admin", &["gpu-0"]).result(json!({"adminAccess": true}));
    let (one, two, same) = (share("a", "1"), share("b", "2"), share("c", "2"));
    let whole = Claim::of("d", &["gpu-0"]);
    for claim in [&admin, &one, &two, &same, &whole] {
        node.has(claim);
    }
    let (claims, _) = node.start().await;
    prepare(&claims, &one).await.unwrap();
    prepare(&claims, &two).await.unwrap();
    prepare(&claims, &admin).await.unwrap();
    assert!(refused(&claims, &same).await.contains("device gpu-0"));
    assert!(refused(&claims, &whole).await.contains("device gpu-0"));
    claims.unprepare(&one.uid).await.unwrap();
    claims.unprepare(&two.uid).await.unwrap();
    // Only the administrator is left, who is in nobody's way.
    prepare(&claims, &whole).await.unwrap();
}

#[tokio::test]
async fn claims_of_one_batch_do_not_hinder_each_other() {
    let (_folder, node) = node();
    let good: Vec<Claim> = vec![Claim::of("a", &["gpu-0"]), Claim::of("b", &["gpu-1"])];
    let bad = [
        Claim::of("nowhere", &["gpu-7"]),
        Claim::of("missing", &["gpu-1"]),
    ];
    for claim in good.iter().chain(&bad[..1]) {
        node.has(claim);
    }
    let (claims, _) = node.start().await;
    let all = good.iter().chain(&bad).map(|claim| prepare(&claims, claim));
    let answers = futures::future::join_all(all).await;
    assert!(answers[0].is_ok() && answers[1].is_ok());
    let error = answers[2].as_ref().unwrap_err().to_string();
    assert!(
        error.contains("holds device gpu-7, which node node-1 does not announce"),
        "{error}"
    );
    let error = answers[3].as_ref().unwrap_err().to_string();
    assert!(error.contains(r#""missing" not found"#), "{error}");
    assert_eq!(claims.prepared().len(), 2);
}

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
async fn what_cannot_be_undone_is_kept_and_tried_again() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0-mig-1g10gb-19-0"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    let before = node.state();
    prepare(&claims, &claim).await.unwrap();
    let instance = "gpu-0/mig/0-1";
    assert_eq!(node.hardware(&format!("{instance}/profile")), "1g.10gb");
    let processes = node
        .folder
        .join("hardware")
        .join(instance)
        .join("processes");
    fs::write(&processes, "4711 train\n").unwrap();

    let error = claims.unprepare(&claim.uid).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot undo step"), "{error}");
    assert_eq!(node.names("data/claims"), [format!("{}.ending", claim.uid)]);
    assert!(claims.retry().await, "it is still in use");
    // It does not count as prepared, and cannot be prepared on top of what is left.
    assert!(claims.prepared().is_empty());
    let error = refused(&claims, &claim).await;
    assert!(
        error.starts_with("the claim must be unprepared first"),
        "{error}"
    );
    // A restart does not forget it either.
    drop(claims);
    let (claims, recovered) = node.start().await;
    assert_eq!(recovered.left.len(), 1);

    fs::write(&processes, "").unwrap();
    assert!(!claims.retry().await);
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn whatever_is_unknown_is_unprepared() {
    let (_folder, node) = node();
    let (claims, _) = node.start().await;
    let before = node.state();
    claims.unprepare("never-heard-of-it").await.unwrap();
    claims.unprepare("../../etc/passwd").await.unwrap();
    assert_eq!(node.state(), before);
    let mut odd = Claim::of("a", &["gpu-0"]).named();
    odd.uid = "../a".to_owned();
    let error = claims.prepare(&odd).await.unwrap_err().to_string();
    assert!(error.contains("is no UID of a claim"), "{error}");
}

#[tokio::test]
async fn a_claim_made_anew_under_its_name_is_another_claim() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    let mut old = claim.named();
    old.uid = "00000000-0000-4000-8000-000000000001".to_owned();
    let error = claims.prepare(&old).await.unwrap_err().to_string();
    assert!(error.contains("delete the pod"), "{error}");

    prepare(&claims, &claim).await.unwrap();
    let mut moved = Claim::of("a", &["gpu-1"]);
    moved.uid.clone_from(&claim.uid);
    node.has(&moved);
    let error = refused(&claims, &moved).await;
    assert!(
        error.contains("prepared for gpu-0 and now allocated gpu-1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_prepared_claim_is_answered_for_when_its_device_is_no_longer_announced() {
    let (_folder, node) = node();
    let (claim, other) = (Claim::of("a", &["gpu-0"]), Claim::of("b", &["gpu-0"]));
    node.has(&claim);
    node.has(&other);
    let (claims, _) = node.start().await;
    let prepared = prepare(&claims, &claim).await.unwrap();
    drop(claims);

    let hidden = |announced: &mut Announced| announced.devices.clear();
    let (claims, _) = node.start_announcing(hidden).await;
    let again = prepare(&claims, &claim).await.unwrap();
    assert_eq!(again.devices, prepared.devices);
    assert!(again.again);
    let not_announced = "does not announce (any more)";
    assert!(refused(&claims, &other).await.contains(not_announced));
    let mut moved = Claim::of("a", &["gpu-1"]);
    moved.uid.clone_from(&claim.uid);
    node.has(&moved);
    let error = refused(&claims, &moved).await;
    assert!(error.contains("now allocated gpu-1"), "{error}");
}

#[tokio::test]
async fn a_damaged_checkpoint_too_large_to_travel_is_still_held_and_undone() {
    let (_folder, node) = node();
    let large = json!({"kind": "GpuConfig", "padding": "x".repeat(200 << 10)});
    let claim = Claim::of("a", &["gpu-0"]).parameters(large);
    let other = Claim::of("b", &["gpu-0"]);
    node.has(&claim);
    node.has(&other);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let before = node.hardware("gpu-0/time-slice");
    prepare(&claims, &claim).await.unwrap();
    drop(claims);
    fs::write(node.folder.join("data/claims").join(&claim.uid), "torn").unwrap();

    let (claims, recovered) = node.start().await;
    assert!(recovered.set_aside[0].recovered);
    assert!(refused(&claims, &other).await.contains("default/a"));
    prepare(&claims, &claim).await.unwrap();
    claims.unprepare(&claim.uid).await.unwrap();
    assert_eq!(node.hardware("gpu-0/time-slice"), before);
}

#[tokio::test]
async fn a_claim_of_an_older_api_server_is_prepared_like_any() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0", "gpu-1"])
        .class(0, "long")
        .before_v1();
    fs::write(node.folder.join("version"), "v1beta1").unwrap();
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let prepared = prepare(&claims, &claim).await.unwrap();
    assert_eq!(prepared.devices.len(), 2);
    assert_eq!(prepared.policies[0].requests, ["r0", "r1"]);
    assert_eq!(node.hardware("gpu-1/time-slice"), "long");
}

#[tokio::test]
async fn hardware_that_is_gone_keeps_no_claim() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    prepare(&claims, &claim).await.unwrap();
    drop(claims);
    node.rewrite(&claim, "", |record| {
        record["steps"][0]["undo"]["unit"] = json!("GPU-00000000-0000-0000-0000-000000000000");
    });

    let (claims, _) = node.start().await;
    let warnings = claims.unprepare(&claim.uid).await.unwrap();
    let [warning @ Warning::StepLeftOut { .. }] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(warning.to_string().contains("GPU-00000000"), "{warning}");
    assert_eq!(node.names("data/claims"), [""; 0]);
    assert_eq!(node.names("cdi"), [""; 0]);
}

#[tokio::test]
async fn a_step_that_only_another_release_knows_keeps_no_claim() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}], "unprepare": [{"exclusive": false}]}));
    drop(node.start().await);
    let before = node.state();
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    let killed = node.child(&Act::Unprepare(claim.named()), Some("ending"));
    assert_eq!(killed, None);
    node.rewrite(&claim, ".ending", |record| {
        record["ending"] = json!([{"step": "polishHeatSink"}]);
    });

    let (_, recovered) = node.start().await;
    assert!(recovered.left.is_empty(), "{:?}", recovered.left);
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn a_policy_that_crashes_at_the_end_keeps_nothing() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}], "crashAtTheEnd": true}));
    let (claims, _) = node.start().await;
    let before = node.state();
    prepare(&claims, &claim).await.unwrap();
    let warnings = claims.unprepare(&claim.uid).await.unwrap();
    assert!(
        matches!(&warnings[..], [Warning::PolicyLeftOut { policy, refused: false, .. }] if policy == "foreman")
    );
    assert_eq!(node.state(), before);

    // And so does one that is gone.
    prepare(&claims, &claim).await.unwrap();
    drop(claims);
    node.policies(json!([]), json!([]));
    let (claims, _) = node.start().await;
    let warnings = claims.unprepare(&claim.uid).await.unwrap();
    assert!(warnings[0].to_string().contains("does not serve any more"));
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn a_policy_that_goes_beyond_its_grants_at_the_end_has_no_say() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let orders = json!({"unprepare": [{"exclusive": false}]});
    node.policies(
        json!([{"name": "foreman", "settings": orders, "grants": [{"environment": ["FOREMAN_*"]}]}]),
        json!([{"policy": "foreman"}]),
    );
    let (claims, _) = node.start().await;
    prepare(&claims, &claim).await.unwrap();
    let warnings = claims.unprepare(&claim.uid).await.unwrap();
    assert!(
        matches!(
            &warnings[..],
            [Warning::PolicyLeftOut { refused: true, .. }]
        ),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn two_instances_see_what_the_other_did() {
    let (_folder, node) = node();
    let (first, second) = (Claim::of("a", &["gpu-0"]), Claim::of("b", &["gpu-0"]));
    node.has(&first);
    node.has(&second);
    let (old, _) = node.start().await;
    let (new, _) = node.start().await;
    let prepared = prepare(&old, &first).await.unwrap();
    assert_eq!(
        prepare(&new, &first).await.unwrap().devices,
        prepared.devices
    );
    assert!(refused(&new, &second).await.contains("default/a"));
    new.unprepare(&first.uid).await.unwrap();
    prepare(&old, &second).await.unwrap();
    assert!(refused(&new, &first).await.contains("default/b"));
}

#[tokio::test]
async fn a_claim_that_the_api_server_forgot_is_unprepared_at_the_second_look() {
    let (_folder, node) = node();
    let (gone, there) = (Claim::of("a", &["gpu-0"]), Claim::of("b", &["gpu-1"]));
    node.has(&gone);
    node.has(&there);
    let (claims, _) = node.start().await;
    prepare(&claims, &gone).await.unwrap();
    prepare(&claims, &there).await.unwrap();
    claims.sweep().await;
    node.lost(&gone);
    claims.sweep().await;
    assert_eq!(
        claims.prepared().len(),
        2,
        "its containers may still be ending"
    );
    claims.sweep().await;
    let left = claims.prepared();
    assert_eq!(
        left.iter()
            .map(|claim| claim.name.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
}

#[tokio::test]
async fn after_a_boot_claims_are_prepared_anew() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let before = node.state();
    prepare(&claims, &claim).await.unwrap();
    drop(claims);
    let (claims, recovered) = node.start_in_boot("boot-2").await;
    assert_eq!(recovered.taken_down, [claim.uid.as_str()]);
    assert_eq!(node.state(), before);
    assert!(!prepare(&claims, &claim).await.unwrap().again);
}

/// A checkpoint as it was released in format 1. It must be readable for ever: never change it, add others.
#[tokio::test]
async fn a_checkpoint_of_the_first_release_is_read_and_what_it_does_not_know_is_kept() {
    let (_folder, node) = node();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/claims/golden/claim-1");
    let uid = "00000000-0000-4000-8000-000000000097";
    node.has(&Claim::of("a", &["gpu-0"]));
    node.foreman(json!({"unprepare": [{"removeInstance": 1}]}));
    fs::create_dir_all(node.folder.join("data/claims")).unwrap();
    fs::copy(golden, node.folder.join("data/claims").join(uid)).unwrap();
    let (claims, recovered) = node.start().await;
    assert_eq!(recovered.set_aside, []);
    let prepared = prepare(&claims, &Claim::of("a", &["gpu-0"])).await.unwrap();
    assert!(prepared.again);
    assert_eq!(prepared.statuses[0].json, r#"{"timeSlice":"Long"}"#);
    // Its steps ran again, since there was no CDI file.
    assert_eq!(node.hardware("gpu-0/time-slice"), "long");
    let copy = node.cdi(&Claim::of("a", &["gpu-0"]));
    let copy = copy["annotations"]["supercargo.dev/checkpoint"]
        .as_str()
        .unwrap();
    assert!(
        copy.contains(r#""ofALaterRelease":{"kept":true}"#),
        "{copy}"
    );
    claims.unprepare(uid).await.unwrap();
    assert_eq!(node.hardware("gpu-0/time-slice"), "driver-default");
    assert_eq!(node.names("data/claims"), [""; 0]);
}

#[tokio::test]
async fn a_damaged_checkpoint_is_set_aside_and_the_claim_taken_up_from_its_cdi_file() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let before = node.state();
    prepare(&claims, &claim).await.unwrap();
    drop(claims);
    let file = node.folder.join("data/claims").join(&claim.uid);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();

    let (claims, recovered) = node.start().await;
    assert_eq!(recovered.prepared, 1);
    let told = recovered.set_aside[0].to_string();
    let told = told.replace(&node.folder.display().to_string(), "FOLDER");
    assert_snapshot!(told);
    assert!(prepare(&claims, &claim).await.unwrap().again);
    claims.unprepare(&claim.uid).await.unwrap();
    fs::remove_file(&recovered.set_aside[0].file).unwrap();
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn damaged_checkpoints_without_a_copy_never_keep_the_driver_from_starting() {
    let (_folder, node) = node();
    let claims = node.folder.join("data/claims");
    fs::create_dir_all(claims.join("a-folder")).unwrap();
    symlink("/dev/zero", claims.join("endless")).unwrap();
    fs::write(claims.join("empty"), "").unwrap();
    fs::write(claims.join("foreign.preparing"), "hello").unwrap();
    fs::write(claims.join("newer"), "supercargo-claim 2 sha256:00\n{}").unwrap();
    fs::create_dir(claims.join(".unfinished.new")).unwrap();
    for old in 1..300 {
        fs::write(claims.join(format!("old.refused-{old}")), "").unwrap();
    }
    let (_, recovered) = node.start().await;
    let mut told: Vec<String> = recovered
        .set_aside
        .iter()
        .map(ToString::to_string)
        .collect();
    told.sort();
    let told = told
        .join("\n")
        .replace(&node.folder.display().to_string(), "FOLDER");
    assert_snapshot!(told);
    let left = node.names("data/claims");
    assert_eq!(left.len(), 256, "the oldest went");
    for aside in &recovered.set_aside {
        assert!(aside.file.symlink_metadata().is_ok(), "{aside}");
    }
    let (_, recovered) = node.start().await;
    assert_eq!(recovered.set_aside, []);
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

#[tokio::test]
async fn an_administrator_sees_what_is_there_and_changes_nothing() {
    let (_folder, node) = node();
    let devices = ["gpu-0", "gpu-0-mig-1g10gb-19-0", "gpu-0-mig-3g40gb-9-4"];
    let admin = Claim::of("admin", &devices).result(json!({"adminAccess": true}));
    let user = Claim::of("user", &devices[1..2]);
    node.has(&admin);
    node.has(&user);
    let (claims, _) = node.start().await;
    prepare(&claims, &user).await.unwrap();
    let hardware = |state: std::collections::BTreeMap<String, String>| -> Vec<_> {
        let mut state: Vec<_> = state.into_iter().collect();
        state.retain(|(file, _)| file.starts_with("hardware"));
        state
    };
    let before = hardware(node.state());
    prepare(&claims, &admin).await.unwrap();
    assert_eq!(hardware(node.state()), before);
    let cdi = node.cdi(&admin);
    let shown = |device: usize| cdi["devices"][device]["containerEdits"]["mounts"].is_array();
    assert_eq!([shown(0), shown(1), shown(2)], [true, true, false]);
    // What the administrator looked at is made for the next one all the same.
    claims.unprepare(&user.uid).await.unwrap();
    prepare(&claims, &user).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_read_again_is_not_begun() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]).parameters(json!({"long": "x".repeat(5 << 20)}));
    node.has(&claim);
    let (claims, _) = node.start().await;
    let before = node.state();
    let error = refused(&claims, &claim).await;
    assert!(error.starts_with("cannot write the checkpoint"), "{error}");
    assert!(error.contains("shorten its parameters"), "{error}");
    assert!(!error.contains("undone"), "{error}");
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn a_claim_of_an_earlier_boot_is_never_answered_for() {
    // The driver is there before the boot's ID is another, as when a machine is resumed from an image.
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let (old, _) = node.start().await;
    let (new, _) = node.start_in_boot("boot-2").await;
    prepare(&old, &claim).await.unwrap();
    assert_eq!(new.prepared(), []);
    assert!(!prepare(&new, &claim).await.unwrap().again);
}

#[tokio::test]
async fn what_an_instance_that_is_gone_left_half_done_is_taken_down_by_the_other() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}]}));
    let (claims, _) = node.start().await;
    let before = node.state();
    assert_eq!(
        node.child(&Act::Prepare(claim.named()), Some("exposed")),
        None
    );
    assert_eq!(node.hardware("gpu-0/time-slice"), "long");
    // Whatever call comes first finds it.
    claims.unprepare("another").await.unwrap();
    assert!(!claims.retry().await);
    assert_eq!(node.state(), before);
}

#[tokio::test]
async fn a_policy_that_wanted_something_at_the_end_may_change_its_mind() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    node.foreman(json!({"unprepare": [{"exclusive": true}]}));
    node.child(&Act::Prepare(claim.named()), None).unwrap();
    let end = Act::Unprepare(claim.named());
    assert_eq!(node.child(&end, Some("end-recorded")), None);
    node.foreman(json!({}));
    let (claims, recovered) = node.start().await;
    assert_eq!(recovered.prepared, 1, "its end had not begun");
    claims.unprepare(&claim.uid).await.unwrap();
    assert_eq!(node.hardware("gpu-0/compute-mode"), "shared");
    assert_eq!(node.names("data/claims"), [""; 0]);
}

/// What this release writes. A change here is a change of the format: it must be readable by the release
/// before, so fields may only come, and the golden file of the release that brings them is added.
#[tokio::test]
async fn a_checkpoint_has_the_form_that_was_released() {
    let (_folder, node) = node();
    let claim = Claim::of("a", &["gpu-0"]).parameters(json!({"kind": "GpuConfig"}));
    node.has(&claim);
    node.foreman(json!({"prepare": [{"longTurns": true}, {"start": "mps"}]}));
    let (claims, _) = node.start().await;
    prepare(&claims, &claim).await.unwrap();
    let text = fs::read_to_string(node.folder.join("data/claims").join(&claim.uid)).unwrap();
    let (line, record) = text.split_once('\n').unwrap();
    let (line, sum) = line.split_once("sha256:").unwrap();
    assert_eq!((line, sum.len()), ("supercargo-claim 1 ", 64));
    let mut record: Value = serde_json::from_str(record).unwrap();
    record["policies"][0]["digest"] = json!("sha256:...");
    for told in ["attributes", "capacity"] {
        record["claim"]["devices"][0][told] = json!("as announced");
    }
    assert_snapshot!(serde_json::to_string_pretty(&record).unwrap());
}
