//! What becomes of the claims of a call.

use tokio::time::timeout;
use tonic::{Code, Request};

use super::*;
use crate::node::plugin::batch::CLAIMS_MAX;
use crate::node::plugin::proto::dra_v1beta1::dra_plugin_client::DraPluginClient as V1Beta1;
use crate::node::plugin::serve::MESSAGE_MAX;

#[tokio::test]
async fn a_prepared_claim_names_its_devices() {
    let folders = Folders::new();
    let _node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let answer = kubelet.prepare(vec![claim("x", "uid-1")]).await.unwrap();
    insta::assert_debug_snapshot!(answer);
}

#[tokio::test]
async fn the_older_version_answers_the_same_without_shares() {
    let folders = Folders::new();
    let _node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let mut answer = kubelet.prepare(vec![claim("x", "uid-1")]).await.unwrap();

    let mut older = V1Beta1::new(kubelet.0.clone());
    let request = NodePrepareResourcesRequest {
        claims: vec![claim("x", "uid-1")],
    };
    let older_answer = older.node_prepare_resources(request).await.unwrap();
    let devices = &mut answer.claims.get_mut("uid-1").unwrap().devices;
    assert_eq!(devices[0].share_id.take().as_deref(), Some("share-1"));
    assert_eq!(older_answer.into_inner(), answer);

    let request = NodeUnprepareResourcesRequest {
        claims: vec![claim("fails", "uid-1"), claim("x", "uid-2")],
    };
    let answer = older.node_unprepare_resources(request).await.unwrap();
    let claims = answer.into_inner().claims;
    assert_eq!(claims["uid-1"].error, "uid-1 has failed");
    assert_eq!(claims["uid-2"].error, "");
}

#[tokio::test]
async fn every_claim_is_answered_once_whatever_becomes_of_the_others() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let named = vec![
        claim("x", "good"),
        claim("x", "good"),
        claim("fails", "failing"),
        claim("fails-silently", "silent"),
        claim("x", ""),
        claim("x", "../../../etc/passwd"),
        claim("x", "two"),
        claim("y", "two"),
    ];
    let prepared = kubelet.prepare(named.clone()).await.unwrap().claims;
    let unprepared = kubelet.unprepare(named).await.unwrap().claims;

    assert_eq!(prepared["good"].devices.len(), 1);
    assert_eq!(prepared["good"].error, "");
    let errors: BTreeMap<_, _> = prepared
        .iter()
        .map(|(uid, claim)| (uid, &claim.error))
        .collect();
    insta::assert_debug_snapshot!(errors);
    let same: BTreeMap<_, _> = unprepared
        .iter()
        .map(|(uid, claim)| (uid, &claim.error))
        .collect();
    assert_eq!(errors, same);
    assert_eq!(
        node.handler.asked(),
        [
            "prepare failing",
            "prepare good",
            "prepare silent",
            "unprepare failing",
            "unprepare good",
            "unprepare silent"
        ]
    );
}

#[tokio::test]
async fn a_call_without_claims_is_answered_without_any() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    assert!(kubelet.prepare(vec![]).await.unwrap().claims.is_empty());
    assert!(kubelet.unprepare(vec![]).await.unwrap().claims.is_empty());
    assert!(node.handler.asked().is_empty());
}

#[tokio::test]
async fn work_that_panics_is_an_error_and_the_next_call_is_served() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    for _ in 0..2 {
        let answer = kubelet.prepare(vec![claim("panics", "1")]).await.unwrap();
        assert!(answer.claims["1"].error.contains("unforeseen"));
        let answer = kubelet.unprepare(vec![claim("panics", "1")]).await.unwrap();
        assert!(answer.claims["1"].error.contains("unforeseen"));
    }
    let answer = kubelet.prepare(vec![claim("x", "1")]).await.unwrap();
    assert_eq!(answer.claims["1"].error, "");
    assert!(node.plugin.is_serving());
}

#[tokio::test]
async fn work_goes_on_when_the_kubelet_gives_up_and_a_retry_finds_its_result() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let mut request = Request::new(NodePrepareResourcesRequest {
        claims: vec![claim("waits", "1")],
    });
    request.set_timeout(Duration::from_millis(50));
    let given_up = DraPluginClient::new(kubelet.0.clone())
        .node_prepare_resources(request)
        .await
        .unwrap_err();
    assert!(
        matches!(given_up.code(), Code::Cancelled | Code::DeadlineExceeded),
        "{given_up:?}"
    );
    until(|| node.handler.asked().len() == 1).await;

    let retry = tokio::spawn({
        let kubelet = kubelet.clone();
        async move {
            let named = vec![claim("waits", "1"), claim("x", "2")];
            kubelet.prepare(named).await
        }
    });
    until(|| node.handler.asked().len() == 2).await;
    node.handler.open_gate();
    let answer = timeout(BOUND, retry).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.claims["1"].error, "");
    assert_eq!(answer.claims["1"].devices.len(), 1);
    assert_eq!(node.handler.asked(), ["prepare 1", "prepare 2"]);
}

#[tokio::test]
async fn a_claim_is_unprepared_only_after_its_preparation_has_ended() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let call = |operation: &'static str, named: Vec<Claim>| {
        let kubelet = kubelet.clone();
        tokio::spawn(async move {
            match operation {
                "prepare" => kubelet.prepare(named).await.map(drop),
                _ => kubelet.unprepare(named).await.map(drop),
            }
        })
    };
    let prepare = call("prepare", vec![claim("waits", "1")]);
    until(|| node.handler.asked().len() == 1).await;
    let unprepare = call("unprepare", vec![claim("waits", "1"), claim("x", "2")]);
    until(|| node.handler.asked().len() == 2).await;
    // Asked again, it comes after the unpreparation: the result of the first would be out of date.
    let again = call("prepare", vec![claim("waits", "1"), claim("x", "3")]);
    until(|| node.handler.asked().len() == 3).await;
    assert_eq!(
        node.handler.asked(),
        ["prepare 1", "unprepare 2", "prepare 3"]
    );

    node.handler.open_gate();
    for call in [prepare, unprepare, again] {
        timeout(BOUND, call).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(
        node.handler.asked()[3..],
        ["unprepare 1".to_owned(), "prepare 1".to_owned()]
    );
}

#[tokio::test]
async fn a_stuck_claim_does_not_hold_up_another_call() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let stuck = tokio::spawn({
        let kubelet = kubelet.clone();
        async move { kubelet.prepare(vec![claim("waits", "1")]).await }
    });
    until(|| node.handler.asked().len() == 1).await;
    let answer = kubelet.prepare(vec![claim("x", "2")]).await.unwrap();
    assert_eq!(answer.claims["2"].error, "");
    node.handler.open_gate();
    assert!(timeout(BOUND, stuck).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_stuck_claim_does_not_hold_up_another_of_its_call() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let stuck = tokio::spawn({
        let kubelet = kubelet.clone();
        async move {
            let named = vec![claim("waits", "1"), claim("x", "2")];
            kubelet.prepare(named).await
        }
    });
    until(|| node.handler.asked().len() == 2).await;
    // As the kubelet does for another pod that shares the second claim, or when the pod is deleted.
    for call in [
        kubelet.prepare(vec![claim("x", "2")]).await.map(drop),
        kubelet.unprepare(vec![claim("x", "2")]).await.map(drop),
    ] {
        call.unwrap();
    }
    node.handler.open_gate();
    assert!(timeout(BOUND, stuck).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_call_that_is_too_large_says_so_and_touches_nothing() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;

    let named: Vec<_> = (0..=CLAIMS_MAX)
        .map(|index| claim("x", &format!("uid-{index}")))
        .collect();
    let refused = kubelet.prepare(named).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("257 claims"), "{refused}");

    let large = "a".repeat(MESSAGE_MAX);
    let refused = kubelet
        .unprepare(vec![claim("x", &large)])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    assert!(refused.message().contains("1048576"), "{refused}");
    assert!(node.handler.asked().is_empty());
}

#[tokio::test]
async fn no_more_work_is_begun_than_there_is_room_for() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let mut calls = Vec::new();
    for call in 0..4 {
        let named = (0..CLAIMS_MAX)
            .map(|index| claim("waits", &format!("uid-{call}-{index}")))
            .collect();
        let kubelet = kubelet.clone();
        calls.push(tokio::spawn(async move { kubelet.prepare(named).await }));
    }
    until(|| node.handler.asked().len() == 4 * CLAIMS_MAX).await;
    let answer = kubelet.prepare(vec![claim("x", "1")]).await.unwrap();
    assert!(answer.claims["1"].error.contains("1024 claims"));

    node.handler.open_gate();
    for call in calls {
        let answer = timeout(BOUND, call).await.unwrap().unwrap().unwrap();
        assert!(answer.claims.values().all(|claim| claim.error.is_empty()));
    }
    let answer = kubelet.prepare(vec![claim("x", "1")]).await.unwrap();
    assert_eq!(answer.claims["1"].error, "");
}
