//! What is kept on the disk, and what is made of it by who comes after.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::node::{Act, Claim, node, prepare, refused};

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
