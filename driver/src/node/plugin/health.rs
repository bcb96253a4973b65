//! How devices are doing, streamed to the kubelet, which shows it in pod status.
//!
//! The kubelet takes a device for unknown when it has not heard of it for a while, and forgets one that
//! a message leaves out. So every message names every device, and it is sent again before that while
//! has passed even if nothing changed. It says when the devices were last looked at, and not when it was
//! sent: should that get stuck, they become unknown.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::{Request, Response, Status};

use super::proto::health_v1::{
    self as proto, DeviceIdentifier, HealthStatus, NodeWatchResourcesRequest,
    NodeWatchResourcesResponse, dra_resource_health_server,
};
use super::proto::health_v1alpha1;

/// Without news for so long, a device is unknown to the kubelet.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a message is sent if nothing changes.
const PERIOD: Duration = Duration::from_secs(10);

/// Longest message of a device, in bytes; a limit of the kubelet.
const MESSAGE_MAX: usize = 1024;

/// How all announced devices are doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// Each of them.
    pub devices: Arc<Vec<DeviceHealth>>,
    /// When that was last found to be so.
    pub seen: Timestamp,
}

/// How an announced device is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHealth {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// Whether it can be used.
    pub health: Health,
    /// For people; the kubelet is told the first 1,024 bytes.
    pub message: String,
}

/// Whether a device can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Healthy,
    /// It cannot.
    Unhealthy,
    /// Nobody can tell.
    Unknown,
}

/// Serves watchers, as many as there are.
#[derive(Debug, Clone)]
pub(super) struct HealthWatch {
    report: watch::Receiver<HealthReport>,
    stopping: watch::Receiver<bool>,
}

/// What a watcher is sent.
pub(super) type Messages =
    Pin<Box<dyn Stream<Item = Result<NodeWatchResourcesResponse, Status>> + Send>>;

/// Where a watcher stands.
struct Watcher {
    watch: HealthWatch,
    again: Interval,
}

impl HealthWatch {
    pub(super) fn new(
        report: watch::Receiver<HealthReport>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        HealthWatch { report, stopping }
    }

    fn messages(&self) -> Messages {
        let mut watch = self.clone();
        // The first tick comes at once and sends what holds now.
        watch.report.mark_unchanged();
        let mut again = interval(PERIOD);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = Some(Watcher { watch, again });
        Box::pin(futures::stream::unfold(start, |watcher| async {
            let mut watcher = watcher?;
            match watcher.next().await? {
                Ok(message) => Some((Ok(message), Some(watcher))),
                Err(status) => Some((Err(status), None)),
            }
        }))
    }
}

impl Watcher {
    /// The next message; `None` when the driver stops.
    async fn next(&mut self) -> Option<Result<NodeWatchResourcesResponse, Status>> {
        tokio::select! {
            biased;
            _ = self.watch.stopping.wait_for(|stopping| *stopping) => return None,
            changed = self.watch.report.changed() => if changed.is_err() {
                return Some(Err(Status::unavailable("the devices are no longer watched")));
            },
            _ = self.again.tick() => {}
        }
        self.again.reset();
        Some(Ok(message(&self.watch.report.borrow_and_update())))
    }
}

/// The report as a message.
fn message(report: &HealthReport) -> NodeWatchResourcesResponse {
    let device = |device: &DeviceHealth| {
        let status = match device.health {
            Health::Healthy => HealthStatus::Healthy,
            Health::Unhealthy => HealthStatus::Unhealthy,
            Health::Unknown => HealthStatus::Unknown,
        };
        let end = device.message.floor_char_boundary(MESSAGE_MAX);
        proto::DeviceHealth {
            device: Some(DeviceIdentifier {
                pool_name: device.pool.clone(),
                device_name: device.device.clone(),
            }),
            health: status.into(),
            last_updated_time: report.seen.as_second(),
            health_check_timeout_seconds: i64::try_from(TIMEOUT.as_secs()).unwrap_or(0),
            message: device.message.get(..end).unwrap_or_default().to_owned(),
        }
    };
    NodeWatchResourcesResponse {
        devices: report.devices.iter().map(device).collect(),
    }
}

#[tonic::async_trait]
impl dra_resource_health_server::DraResourceHealth for HealthWatch {
    type NodeWatchResourcesStream = Messages;

    async fn node_watch_resources(
        &self,
        _: Request<NodeWatchResourcesRequest>,
    ) -> Result<Response<Messages>, Status> {
        Ok(Response::new(self.messages()))
    }
}

#[tonic::async_trait]
impl health_v1alpha1::dra_resource_health_server::DraResourceHealth for HealthWatch {
    type NodeWatchResourcesStream = Messages;

    async fn node_watch_resources(
        &self,
        _: Request<NodeWatchResourcesRequest>,
    ) -> Result<Response<Messages>, Status> {
        Ok(Response::new(self.messages()))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_change_is_told_again_before_the_kubelet_forgets_it() {
        let (_report, report) = watch::channel(HealthReport::default());
        let (_stopping, stopping) = watch::channel(false);
        let mut messages = HealthWatch::new(report, stopping).messages();
        let start = Instant::now();
        for told in 0..5 {
            assert!(messages.next().await.unwrap().is_ok());
            assert_eq!(start.elapsed(), PERIOD * told);
        }
        assert!(PERIOD * 2 < TIMEOUT, "one message may be lost");
    }
}
