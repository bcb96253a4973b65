//! Between the kubelet and the claims: what is done is counted, traced, and told to those it concerns.
//!
//! [`Claims`] answers with types and tells nobody; here an answer becomes the kubelet's, a number, a log
//! line, an entry in the claim's status, and an Event on the claim and its pods. None of these can hold
//! up or change an answer.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::resource::v1::NetworkDeviceData;
use serde_json::Value;
use tracing::{Instrument as _, info_span};

use super::claims::{ClaimRef, Claims, PrepareError, Prepared, PreparedDevice, Warning};
use super::concerned::{Concerned, Notice};
use super::events::Reason;
use super::metrics::{Metrics, Operation};
use super::plugin::Handler;
use super::status::{DeviceState, DeviceStatuses};

/// Serves the kubelet.
#[derive(Debug)]
pub struct Service {
    /// The claims.
    pub claims: Arc<Claims>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who is told.
    pub concerned: Concerned,
    /// What the claims' status says.
    pub statuses: DeviceStatuses,
}

impl Handler for Service {
    async fn prepare(&self, claim: ClaimRef) -> Result<Vec<PreparedDevice>, String> {
        let span = info_span!(
            "prepare",
            namespace = claim.namespace,
            claim = claim.name,
            uid = claim.uid
        );
        self.prepare_one(&claim).instrument(span).await
    }

    async fn unprepare(&self, claim: ClaimRef) -> Result<(), String> {
        let span = info_span!(
            "unprepare",
            namespace = claim.namespace,
            claim = claim.name,
            uid = claim.uid
        );
        self.unprepare_one(&claim).instrument(span).await
    }
}

impl Service {
    async fn prepare_one(&self, claim: &ClaimRef) -> Result<Vec<PreparedDevice>, String> {
        let began = Instant::now();
        let outcome = self.claims.prepare(claim).await;
        let (took, now) = (began.elapsed(), tokio::time::Instant::now());
        let result = outcome
            .as_ref()
            .map_or_else(Reason::of, |_| Reason::PREPARED);
        self.metrics.operated(Operation::Prepare, result.0, took);
        match outcome {
            Ok(prepared) => {
                let devices = names(&prepared);
                tracing::info!(devices, again = prepared.again, ?took, "claim is prepared");
                for warning in &prepared.warnings {
                    self.warn(claim, "Prepare", warning);
                }
                self.statuses.want(claim.clone(), ready(&prepared), now);
                Ok(prepared.devices)
            }
            Err(error) => {
                let message = error.to_string();
                tracing::warn!(reason = result.0, ?took, "claim is not prepared: {message}");
                if let PrepareError::NotGranted { policy, .. } = &error {
                    self.metrics.refused_plan(policy);
                }
                self.concerned.tell(Notice {
                    claim: claim.clone(),
                    reason: result,
                    action: "Prepare",
                    message: message.clone(),
                    unusable: Some(now),
                });
                Err(message)
            }
        }
    }

    async fn unprepare_one(&self, claim: &ClaimRef) -> Result<(), String> {
        let began = Instant::now();
        let outcome = self.claims.unprepare(&claim.uid).await;
        let took = began.elapsed();
        match outcome {
            Ok(warnings) => {
                self.metrics
                    .operated(Operation::Unprepare, Reason::UNPREPARED.0, took);
                tracing::info!(?took, "claim is unprepared");
                for warning in &warnings {
                    self.warn(claim, "Unprepare", warning);
                }
                self.statuses
                    .over(claim.clone(), tokio::time::Instant::now());
                Ok(())
            }
            Err(error) => {
                let reason = Reason::UNPREPARE_FAILED;
                let message = error.to_string();
                self.metrics.operated(Operation::Unprepare, reason.0, took);
                tracing::warn!(
                    reason = reason.0,
                    ?took,
                    "claim is not unprepared: {message}"
                );
                self.concerned.tell(Notice {
                    claim: claim.clone(),
                    reason,
                    action: "Unprepare",
                    message: message.clone(),
                    unusable: None,
                });
                Err(message)
            }
        }
    }

    fn warn(&self, claim: &ClaimRef, action: &'static str, warning: &Warning) {
        if let Warning::PolicyLeftOut {
            policy,
            refused: true,
            ..
        } = warning
        {
            self.metrics.refused_plan(policy);
        }
        let message = warning.to_string();
        tracing::warn!("{message}");
        self.concerned.tell(Notice {
            claim: claim.clone(),
            reason: Reason::of_warning(warning),
            action,
            message,
            unusable: None,
        });
    }
}

/// The devices of a claim, for a log line.
fn names(prepared: &Prepared) -> String {
    let names = prepared.devices.iter().map(|device| device.device.as_str());
    names.collect::<Vec<_>>().join(",")
}

/// What the status says of a claim that is prepared.
fn ready(prepared: &Prepared) -> Vec<DeviceState> {
    let devices = prepared.claim.devices.iter().enumerate();
    devices
        .map(|(position, device)| {
            let said = prepared
                .statuses
                .iter()
                .find(|said| said.device == position);
            let (data, network) = said.map_or((None, None), |said| told(&said.json));
            DeviceState {
                pool: device.pool.clone(),
                device: device.device.clone(),
                share_id: device.share_id.clone(),
                ready: true,
                reason: Reason::PREPARED.0,
                message: String::new(),
                data,
                network,
            }
        })
        .collect()
}

/// What a policy says of a device: `data`, and from its member `networkData`, if that has the API's
/// form, `networkData`.
fn told(json: &str) -> (Option<Value>, Option<NetworkDeviceData>) {
    let Ok(Value::Object(mut data)) = serde_json::from_str(json) else {
        // The answer of the policy was checked; what an earlier release wrote may be anything.
        return (None, None);
    };
    let network = data.get("networkData").cloned();
    let network: Option<NetworkDeviceData> =
        network.and_then(|network| serde_json::from_value(network).ok());
    if network.is_some() {
        data.remove("networkData");
    }
    let data = (!data.is_empty()).then_some(Value::Object(data));
    (data, network)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn network_data_is_told_apart_from_other_data() {
        let network =
            r#"{"networkData": {"interfaceName": "net1", "ips": ["10.0.0.2/24"]}, "a": 1}"#;
        let (data, found) = told(network);
        assert_eq!(data, Some(json!({"a": 1})));
        assert_eq!(found.unwrap().interface_name.as_deref(), Some("net1"));

        let (data, found) = told(r#"{"networkData": "no such form"}"#);
        assert_eq!(data, Some(json!({"networkData": "no such form"})));
        assert_eq!(found, None);
        assert_eq!(told("[]"), (None, None));
    }
}
