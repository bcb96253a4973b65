//! Instances that come, serve side by side, and go.

use std::os::unix::net::UnixListener;

use tokio::time::timeout;

use super::*;
use crate::node::plugin::PluginError;

/// Sockets as a killed instance leaves them.
fn die(folders: &Folders, pod_uid: Option<&str>) {
    let paths = folders.paths(pod_uid);
    for path in [paths.registration, paths.service] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(path).unwrap());
    }
}

#[tokio::test]
async fn two_instances_serve_side_by_side_and_the_older_goes_in_peace() {
    let folders = Folders::new();
    let older = Node::start(&folders, Some(OLDER)).await;
    let newer = Node::start(&folders, Some(NEWER)).await;
    let to_older = Kubelet::of(&folders, Some(OLDER)).await;
    let to_newer = Kubelet::of(&folders, Some(NEWER)).await;
    assert_eq!(folders.sockets().len(), 4);

    to_older.prepare(vec![claim("x", "1")]).await.unwrap();
    to_newer.prepare(vec![claim("x", "2")]).await.unwrap();
    to_newer.unprepare(vec![claim("x", "1")]).await.unwrap();
    assert_eq!(older.handler.asked(), ["prepare 1"]);
    assert_eq!(newer.handler.asked(), ["prepare 2", "unprepare 1"]);

    assert_eq!(older.plugin.drain(BOUND).await, 0);
    assert_eq!(
        folders.sockets(),
        [
            format!("dra-{NEWER}.sock"),
            format!("gpu.example.com-{NEWER}-reg.sock")
        ]
    );
    assert!(to_older.prepare(vec![claim("x", "3")]).await.is_err());
    assert!(to_newer.prepare(vec![claim("x", "3")]).await.is_ok());
}

#[tokio::test]
async fn a_second_instance_without_a_pod_uid_is_told_what_to_do() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let (_health, report) = watch::channel(HealthReport::default());
    let error = Plugin::start(&folders.config(None), Obedient::new(), report)
        .await
        .unwrap_err();
    assert!(matches!(error, PluginError::InUse { .. }), "{error}");
    let kubelet = Kubelet::of(&folders, None).await;
    assert!(kubelet.prepare(vec![claim("x", "1")]).await.is_ok());
    assert_eq!(node.handler.asked(), ["prepare 1"]);
}

#[tokio::test]
async fn an_instance_takes_the_place_of_one_that_was_killed() {
    let folders = Folders::new();
    die(&folders, None);
    let _node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    assert!(kubelet.prepare(vec![claim("x", "1")]).await.is_ok());
}

#[tokio::test]
async fn sockets_of_killed_instances_are_cleared_away_and_others_are_not() {
    let folders = Folders::new();
    die(&folders, None);
    die(&folders, Some(OLDER));
    let config = folders.config(None);
    let foreign = config.registry.join("gpu.example.com-b-reg.sock");
    drop(UnixListener::bind(&foreign).unwrap());
    let alive = "cccccccc-0000-4000-8000-000000000000";
    let _alive = Node::start(&folders, Some(alive)).await;
    // A file that is no socket stays, and stops nobody.
    let odd = config.data.join("dra-odd.sock");
    std::fs::write(&odd, "").unwrap();

    let _newer = Node::start(&folders, Some(NEWER)).await;
    assert_eq!(
        folders.sockets(),
        [
            format!("dra-{NEWER}.sock"),
            format!("dra-{alive}.sock"),
            "dra-odd.sock".to_owned(),
            "gpu.example.com-b-reg.sock".to_owned(),
            format!("gpu.example.com-{NEWER}-reg.sock"),
            format!("gpu.example.com-{alive}-reg.sock"),
        ]
    );
}

#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_instance_goes() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let call = tokio::spawn(async move { kubelet.prepare(vec![claim("waits", "1")]).await });
    until(|| node.handler.asked().len() == 1).await;

    let (handler, paths) = (node.handler, folders.paths(None));
    let drain = tokio::spawn(node.plugin.drain(BOUND));
    until(|| !paths.registration.exists()).await;
    assert!(dial(&paths.registration).await.is_err());
    handler.open_gate();
    let answer = timeout(BOUND, call).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.claims["1"].error, "");
    assert_eq!(drain.await.unwrap(), 0);
    assert!(folders.sockets().is_empty());
}

#[tokio::test]
async fn work_whose_caller_is_gone_is_finished_before_the_instance_goes() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let call = tokio::spawn(async move { kubelet.prepare(vec![claim("waits", "1")]).await });
    until(|| node.handler.asked().len() == 1).await;
    call.abort();

    let (handler, paths) = (node.handler, folders.paths(None));
    let drain = tokio::spawn(node.plugin.drain(BOUND));
    until(|| !paths.registration.exists()).await;
    assert!(!drain.is_finished());
    handler.open_gate();
    assert_eq!(drain.await.unwrap(), 0);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_told_and_holds_nobody_up() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let kubelet = Kubelet::of(&folders, None).await;
    let call = tokio::spawn(async move { kubelet.prepare(vec![claim("waits", "1")]).await });
    until(|| node.handler.asked().len() == 1).await;
    assert_eq!(node.plugin.drain(Duration::from_millis(10)).await, 1);
    assert!(folders.sockets().is_empty());
    call.abort();
}

#[tokio::test]
async fn a_plugin_that_is_dropped_leaves_no_socket() {
    let folders = Folders::new();
    drop(Node::start(&folders, Some(OLDER)).await);
    assert!(folders.sockets().is_empty());
}
