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
use std::time::Duration;

use k8s_openapi::api::resource::v1::{AllocatedDeviceStatus, NetworkDeviceData};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::claims::ClaimRef;
use super::metrics::Metrics;
use wanted::{Verdict, Wanted};

/// How many reports wait to be taken up.
const QUEUE: usize = 256;
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(5);
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
    queue: mpsc::Sender<(ClaimRef, Vec<DeviceState>)>,
    metrics: Arc<Metrics>,
}

/// Who writes, and in which version of the API.
#[derive(Debug, Clone)]
pub struct StatusWriter {
    /// The driver whose devices these are.
    pub driver: String,
    /// The node.
    pub node: String,
    /// The version of resource.k8s.io that the API server serves.
    pub version: String,
}

impl DeviceStatuses {
    /// Starts writing. The task ends when nobody can report any more and all is written or given up.
    #[must_use]
    pub fn start(
        client: Client,
        writer: StatusWriter,
        metrics: Arc<Metrics>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, reports) = mpsc::channel(QUEUE);
        let task = Task {
            manager: writer.manager(),
            api: ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk("resource.k8s.io", &writer.version, "ResourceClaim"),
                "resourceclaims",
            ),
            driver: writer.driver,
            client,
            metrics: Arc::clone(&metrics),
            wanted: Wanted::default(),
        };
        (Self { queue, metrics }, tokio::spawn(task.run(reports)))
    }

    /// Leaves what a claim's status should say of our devices; no devices: nothing. Never waits.
    pub fn want(&self, claim: ClaimRef, devices: Vec<DeviceState>) {
        if self.queue.try_send((claim, devices)).is_err() {
            self.metrics.status_write("dropped");
        }
    }
}

impl StatusWriter {
    /// The field manager: at most 128 bytes, so the node is there as a digest.
    fn manager(&self) -> String {
        let digest = Sha256::digest(&self.node);
        let short: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("supercargo/{}/{short}", self.driver)
    }
}

struct Task {
    client: Client,
    api: ApiResource,
    driver: String,
    manager: String,
    metrics: Arc<Metrics>,
    wanted: Wanted,
}

impl Task {
    async fn run(mut self, mut reports: mpsc::Receiver<(ClaimRef, Vec<DeviceState>)>) {
        let mut open = true;
        while open || !self.wanted.is_empty() {
            if let Some(claim) = self.wanted.next(Instant::now()) {
                self.write(claim).await;
                // What came meanwhile may replace what is next.
                while let Ok((claim, devices)) = reports.try_recv() {
                    self.want(claim, devices);
                }
                continue;
            }
            let due = self.wanted.due();
            tokio::select! {
                report = reports.recv(), if open => match report {
                    Some((claim, devices)) => self.want(claim, devices),
                    None => open = false,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn want(&mut self, claim: ClaimRef, devices: Vec<DeviceState>) {
        if !self.wanted.want(claim, devices, Instant::now()) {
            self.metrics.status_write("dropped");
        }
    }

    async fn write(&mut self, claim: ClaimRef) {
        let Some(devices) = self.wanted.devices(&claim) else {
            return;
        };
        let times = self.wanted.times(&claim, Timestamp::now());
        let statuses: Vec<AllocatedDeviceStatus> = devices
            .iter()
            .zip(times)
            .map(|(device, since)| status(&self.driver, device, since))
            .collect();
        let patch = json!({
            "apiVersion": self.api.api_version,
            "kind": self.api.kind,
            // With the uid, a new claim of the same name is left alone.
            "metadata": {"name": claim.name, "namespace": claim.namespace, "uid": claim.uid},
            "status": {"devices": statuses},
        });
        let claims: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &claim.namespace, &self.api);
        let parameters = PatchParams::apply(&self.manager).force();
        let patch = Patch::Apply(patch);
        let write = claims.patch_status(&claim.name, &parameters, &patch);
        let verdict = match timeout(WRITE, write).await {
            Ok(Ok(_)) => Verdict::Done,
            Ok(Err(error)) => judge(&claim, &error),
            Err(_) => Verdict::Again("timeout"),
        };
        self.metrics.status_write(verdict.name());
        self.wanted.wrote(&claim, verdict, Instant::now());
    }
}

/// What an error means for what is wanted.
fn judge(claim: &ClaimRef, error: &kube::Error) -> Verdict {
    let kube::Error::Api(status) = error else {
        tracing::debug!(%error, claim = claim.name, "status.devices was not written; trying again");
        return Verdict::Again("unreachable");
    };
    match status.code {
        // Gone, or another claim of the same name by now.
        404 | 409 => Verdict::Never("gone"),
        // No longer allocated.
        422 => {
            tracing::debug!(%error, claim = claim.name, "status.devices was refused");
            Verdict::Never("refused")
        }
        403 => {
            tracing::warn!(
                %error,
                "status.devices cannot be written: the service account needs `patch` on resourceclaims/status \
                 and `associated-node:patch` on resourceclaims/driver"
            );
            Verdict::Never("forbidden")
        }
        400..=499 if status.code != 429 => {
            tracing::warn!(%error, claim = claim.name, "status.devices was refused");
            Verdict::Never("refused")
        }
        _ => Verdict::Again("busy"),
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
