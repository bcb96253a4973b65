//! `status.devices` of claims: what the node made of each device that a claim got.
//!
//! Written by server-side apply under a field manager of this driver on this node, so that only our own
//! entries are ever touched: those of another driver, or of another node that shares the claim, stay.
//! The API server takes an entry only while the device is allocated to the claim.
//!
//! It is a report and not a part of preparing, so whoever has something to write leaves it here and goes
//! on. What is wanted of a claim replaces what was wanted before; what the API server does not take for
//! a passing reason is tried again.

mod wanted;

use std::sync::Arc;

use k8s_openapi::api::resource::v1::{AllocatedDeviceStatus, NetworkDeviceData};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::claims::ClaimRef;
use super::metrics::Metrics;
use crate::kubernetes::api::{ApiError, ResourceApi};
use wanted::{Verdict, Wanted};

/// How many reports wait to be taken up.
const QUEUE: usize = 256;
/// The API's limit on a condition's message, in bytes.
const MESSAGE: usize = 32_768;

/// How a device of a claim is.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceState {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// The share, where several claims may hold the device.
    pub share_id: Option<String>,
    /// Whether containers can use it.
    pub ready: bool,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, for people. May be empty.
    pub message: String,
    /// What the policy says of it: one JSON object.
    pub data: Option<serde_json::Value>,
    /// How it is found in the network.
    pub network: Option<NetworkDeviceData>,
}

/// Where to leave what the claims' status should say. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeviceStatuses {
    queue: mpsc::Sender<News>,
    metrics: Arc<Metrics>,
}

/// What is new about a claim.
#[derive(Debug)]
enum News {
    /// Its status should say this of our devices, since then.
    Wanted(ClaimRef, Vec<DeviceState>, Instant),
    /// It is unprepared, since then. The API server forgets its devices when it is deallocated.
    Over(ClaimRef, Instant),
}

impl DeviceStatuses {
    /// Starts writing for this driver on this node. The task ends when nobody can report any more and
    /// all is written or given up.
    #[must_use]
    pub fn start(
        api: ResourceApi,
        driver: &str,
        node: &str,
        metrics: Arc<Metrics>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, reports) = mpsc::channel(QUEUE);
        let task = Task {
            api,
            driver: driver.to_owned(),
            manager: manager(driver, node),
            metrics: Arc::clone(&metrics),
            wanted: Wanted::default(),
        };
        (Self { queue, metrics }, tokio::spawn(task.run(reports)))
    }

    /// Leaves what a claim's status should say of our devices since then. Never waits. What is older than
    /// what was left before is dropped: not everything comes in order.
    pub fn want(&self, claim: ClaimRef, devices: Vec<DeviceState>, since: Instant) {
        self.leave(News::Wanted(claim, devices, since));
    }

    /// Gives up what is not written of a claim yet: it is unprepared. Never waits.
    pub fn over(&self, claim: ClaimRef, since: Instant) {
        self.leave(News::Over(claim, since));
    }

    fn leave(&self, news: News) {
        if self.queue.try_send(news).is_err() {
            self.metrics.status_write("dropped");
        }
    }
}

/// The field manager: at most 128 bytes, so the node is there as a digest.
fn manager(driver: &str, node: &str) -> String {
    let digest = Sha256::digest(node);
    let short: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("supercargo/{driver}/{short}")
}

struct Task {
    api: ResourceApi,
    driver: String,
    manager: String,
    metrics: Arc<Metrics>,
    wanted: Wanted,
}

impl Task {
    async fn run(mut self, mut reports: mpsc::Receiver<News>) {
        let mut open = true;
        while open || !self.wanted.is_empty() {
            if let Some(claim) = self.wanted.next(Instant::now()) {
                self.write(claim).await;
                // What came meanwhile may replace what is next.
                while let Ok(news) = reports.try_recv() {
                    self.take(news);
                }
                continue;
            }
            let due = self.wanted.due();
            tokio::select! {
                report = reports.recv(), if open => match report {
                    Some(news) => self.take(news),
                    None => open = false,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Over(claim, since) | News::Wanted(claim, _, since)
                if !self.wanted.is_news(&claim, since) => {}
            News::Over(claim, _) => self.wanted.forget(&claim),
            News::Wanted(claim, devices, _) => {
                if !self.wanted.want(claim, devices, Instant::now()) {
                    self.metrics.status_write("dropped");
                }
            }
        }
    }

    async fn write(&mut self, claim: ClaimRef) {
        let Some(devices) = self.wanted.devices(&claim) else {
            return;
        };
        let times = self.wanted.times(&claim, Timestamp::now());
        let statuses: Vec<AllocatedDeviceStatus> = devices
            .iter()
            .zip(&times)
            .map(|(device, since)| status(&self.driver, device, *since))
            .collect();
        let status = json!({ "devices": statuses });
        let ClaimRef {
            namespace,
            name,
            uid,
        } = &claim;
        let write = self
            .api
            .apply_claim_status(namespace, name, uid, &self.manager, &status);
        let verdict = match write.await {
            Ok(()) => Verdict::Done,
            Err(error) => judge(&claim, &error),
        };
        self.metrics.status_write(verdict.name());
        self.wanted.wrote(&claim, verdict, times, Instant::now());
    }
}

/// What an error means for what is wanted.
fn judge(claim: &ClaimRef, error: &ApiError) -> Verdict {
    let ClaimRef {
        namespace, name, ..
    } = claim;
    match error {
        // Gone, or another claim of the same name by now.
        ApiError::NotFound { .. } | ApiError::Conflict { .. } => Verdict::Never("gone"),
        ApiError::Forbidden { .. } => {
            tracing::warn!(%error, "status.devices cannot be written");
            Verdict::Never("forbidden")
        }
        // No longer allocated, most often.
        ApiError::Refused { .. } | ApiError::Unreadable { .. } => {
            tracing::info!(%error, namespace, name, "status.devices was not taken");
            Verdict::Never("refused")
        }
        ApiError::Gone { .. }
        | ApiError::NotServed
        | ApiError::TimedOut { .. }
        | ApiError::Unavailable { .. } => {
            tracing::debug!(%error, namespace, name, "status.devices is to be written later");
            Verdict::Again("unavailable")
        }
    }
}

fn status(driver: &str, device: &DeviceState, since: Timestamp) -> AllocatedDeviceStatus {
    let end = device.message.floor_char_boundary(MESSAGE);
    AllocatedDeviceStatus {
        driver: driver.to_owned(),
        pool: device.pool.clone(),
        device: device.device.clone(),
        share_id: device.share_id.clone(),
        conditions: Some(vec![Condition {
            type_: "Ready".to_owned(),
            status: if device.ready { "True" } else { "False" }.to_owned(),
            reason: device.reason.to_owned(),
            message: device.message.get(..end).unwrap_or_default().to_owned(),
            last_transition_time: Time(since),
            observed_generation: None,
        }]),
        data: device.data.clone().map(RawExtension),
        network_data: device.network.clone(),
    }
}

#[cfg(test)]
mod tests;
