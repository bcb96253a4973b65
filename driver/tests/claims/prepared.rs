//! What a prepared claim is, and that it is prepared once.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};
use supercargo::devices::Announced;

use super::node::{Claim, environment, node, prepare, refused};

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
