//! Watchers of health.

use k8s_openapi::jiff::Timestamp;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::*;
use crate::node::plugin::proto::health_v1::dra_resource_health_client::DraResourceHealthClient as V1;
use crate::node::plugin::proto::health_v1::{
    HealthStatus, NodeWatchResourcesRequest, NodeWatchResourcesResponse,
};
use crate::node::plugin::proto::health_v1alpha1::dra_resource_health_client::DraResourceHealthClient as V1Alpha1;
use crate::node::plugin::{DeviceHealth, Health};

/// When the devices were looked at.
const SEEN: Timestamp = Timestamp::constant(1_700_000_000, 0);

type Watch = Streaming<NodeWatchResourcesResponse>;

fn report(first: Health, message: &str) -> HealthReport {
    let device = |device: &str, health, message: &str| DeviceHealth {
        pool: "node-1".to_owned(),
        device: device.to_owned(),
        health,
        message: message.to_owned(),
    };
    let devices = vec![
        device("gpu-0", first, message),
        device("gpu-1", Health::Unknown, ""),
    ];
    HealthReport {
        devices: Arc::new(devices),
        seen: SEEN,
    }
}

async fn watch_v1(folders: &Folders) -> Watch {
    let mut client = V1::new(Kubelet::of(folders, None).await.0);
    let answer = client.node_watch_resources(NodeWatchResourcesRequest {});
    answer.await.unwrap().into_inner()
}

async fn watch_v1alpha1(folders: &Folders) -> Watch {
    let mut client = V1Alpha1::new(Kubelet::of(folders, None).await.0);
    let answer = client.node_watch_resources(NodeWatchResourcesRequest {});
    answer.await.unwrap().into_inner()
}

/// The devices of the next message: name, health, message.
async fn next(watch: &mut Watch) -> Result<Option<Vec<(String, HealthStatus, String)>>, Status> {
    let message = timeout(BOUND, watch.message()).await.unwrap()?;
    Ok(message.map(|message| {
        let devices = message.devices.into_iter();
        devices
            .map(|device| {
                assert_eq!(device.last_updated_time, SEEN.as_second());
                assert_eq!(device.health_check_timeout_seconds, 30);
                let health = device.health();
                (device.device.unwrap().device_name, health, device.message)
            })
            .collect()
    }))
}

#[tokio::test]
async fn every_watcher_of_either_version_sees_all_devices_at_once_and_after_a_change() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    node.health.send_replace(report(Health::Healthy, ""));
    let mut watchers = vec![watch_v1(&folders).await, watch_v1alpha1(&folders).await];
    for _ in 0..8 {
        watchers.push(watch_v1(&folders).await);
    }
    let state = |health, message: &str| {
        vec![
            ("gpu-0".to_owned(), health, message.to_owned()),
            ("gpu-1".to_owned(), HealthStatus::Unknown, String::new()),
        ]
    };
    for watcher in &mut watchers {
        let seen = next(watcher).await.unwrap().unwrap();
        assert_eq!(seen, state(HealthStatus::Healthy, ""));
    }
    node.health
        .send_replace(report(Health::Unhealthy, "fell off the bus"));
    for watcher in &mut watchers {
        let seen = next(watcher).await.unwrap().unwrap();
        assert_eq!(seen, state(HealthStatus::Unhealthy, "fell off the bus"));
    }
}

#[tokio::test]
async fn a_long_message_is_cut_to_what_the_kubelet_takes() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let long = format!("a{}", "é".repeat(2000));
    node.health.send_replace(report(Health::Unhealthy, &long));
    let seen = next(&mut watch_v1(&folders).await).await.unwrap().unwrap();
    assert_eq!(seen[0].2, format!("a{}", "é".repeat(511)));
}

#[tokio::test]
async fn watchers_are_let_go_when_the_driver_stops() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let mut watcher = watch_v1(&folders).await;
    next(&mut watcher).await.unwrap().unwrap();
    assert_eq!(
        timeout(BOUND, node.plugin.drain(BOUND * 2)).await.unwrap(),
        0
    );
    assert_eq!(next(&mut watcher).await.unwrap(), None);
}

#[tokio::test]
async fn watchers_are_told_when_nobody_watches_the_devices_any_more() {
    let folders = Folders::new();
    let node = Node::start(&folders, None).await;
    let mut watcher = watch_v1(&folders).await;
    next(&mut watcher).await.unwrap().unwrap();
    drop(node.health);
    let end = next(&mut watcher).await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
}
