//! What is done without being asked for, and when. Time is not real: it passes when nobody works.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::node::{Claim, Node};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_tried_again_ever_more_slowly() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    let claim = Claim::of("a", &["gpu-0-mig-1g10gb-19-0"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    let before = node.state();
    let running = tokio::spawn(Arc::clone(&claims).run());
    sleep(Duration::from_millis(1)).await;
    claims.prepare(&claim.named()).await.unwrap();
    let processes = node.folder.join("hardware/gpu-0/mig/0-1/processes");
    fs::write(&processes, "4711 train\n").unwrap();
    claims.unprepare(&claim.uid).await.unwrap_err();

    // It is tried after 1, 2, 4, 8, 16, 32 seconds more, and then every 60.
    let failed = Instant::now();
    let after = |seconds| sleep_until(failed + Duration::from_secs(seconds));
    after(70).await;
    fs::write(&processes, "").unwrap();
    after(122).await;
    assert_ne!(node.state(), before);
    after(124).await;
    assert_eq!(node.state(), before);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_gone_is_unprepared_at_the_second_look() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    let claim = Claim::of("a", &["gpu-0"]);
    node.has(&claim);
    let (claims, _) = node.start().await;
    claims.prepare(&claim.named()).await.unwrap();
    let began = Instant::now();
    let after = |seconds| sleep_until(began + Duration::from_secs(seconds));
    let running = tokio::spawn(Arc::clone(&claims).run());
    after(1).await;
    node.lost(&claim);
    after(599).await;
    assert_eq!(claims.prepared().len(), 1);
    after(601).await;
    assert_eq!(claims.prepared(), []);
    running.abort();
}
