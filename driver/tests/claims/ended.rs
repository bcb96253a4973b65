//! Unprepare: whatever is wrong, a claim comes to its end.

use std::fs;

use serde_json::json;
use supercargo::node::claims::Warning;

use super::node::{Act, Claim, node, prepare, refused};

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
