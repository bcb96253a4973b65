//! What becomes of news from the parts: readiness, numbers, and Events about the node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::watch;

use super::claims::Recovered;
use super::events::{Events, Reason, Report};
use super::inventory::Troubles;
use super::metrics::Metrics;
use super::plugin::Registration;
use super::readiness::{Condition, Readiness};
use super::slices;
use crate::serving::Change;

/// Those who hear the news.
#[derive(Debug, Clone)]
pub(super) struct Followers {
    pub(super) node: String,
    /// When the process started.
    pub(super) started: Instant,
    pub(super) events: Events,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Arc<Readiness>,
}

impl Followers {
    /// What was found of earlier processes.
    pub(super) fn recovered(&self, recovered: &Recovered) {
        for file in &recovered.set_aside {
            tracing::error!("{file}");
            self.tell(Reason::CHECKPOINT_SET_ASIDE, "Start", file.to_string());
        }
    }

    /// What came of reading policies.
    pub(super) fn policies(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Configured => {
                    self.metrics.configuration_refused(false);
                    tracing::info!("{change}");
                }
                Change::Serves { .. } | Change::Removed { .. } => tracing::info!("{change}"),
                Change::ConfigurationRefused { .. } => {
                    tracing::warn!("{change}");
                    self.metrics.configuration_refused(true);
                    let action = "LoadConfiguration";
                    self.tell(Reason::CONFIGURATION_REFUSED, action, change.to_string());
                }
                Change::Refused { .. } => {
                    tracing::warn!("{change}");
                    self.tell(Reason::POLICY_REFUSED, "LoadPolicy", change.to_string());
                }
            }
        }
    }

    /// Whether the kubelet has the plugin. Never ends.
    pub(super) async fn registration(self, mut registration: watch::Receiver<Registration>) {
        let mut first = true;
        loop {
            let now = registration.borrow_and_update().clone();
            let registered = now == Registration::Registered;
            self.metrics.registered(registered);
            self.readiness.set(Condition::Registered, registered);
            match now {
                Registration::Unregistered => {}
                Registration::Registered => {
                    let took = self.started.elapsed();
                    if std::mem::take(&mut first) {
                        self.metrics.start_took(took);
                    }
                    tracing::debug!(?took, "the kubelet has registered the plugin");
                }
                Registration::Failed(reason) => {
                    let message = format!("the kubelet refuses the plugin: {reason}");
                    tracing::error!("{message}");
                    self.tell(Reason::REGISTRATION_FAILED, "Register", message);
                }
            }
            if registration.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// What is amiss with the inventory. Never ends.
    pub(super) async fn troubles(self, mut troubles: watch::Receiver<Troubles>) {
        let mut told = BTreeMap::new();
        loop {
            let now = Arc::clone(&troubles.borrow_and_update());
            for (concern, message) in now.iter() {
                if told.get(concern) != Some(message) {
                    self.tell(Reason::INVENTORY_TROUBLE, "Announce", message.clone());
                }
            }
            told = (*now).clone();
            if troubles.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// How publishing stands. Never ends.
    pub(super) async fn slices(self, mut status: watch::Receiver<slices::Status>) {
        let mut told = String::new();
        let mut lost = String::new();
        loop {
            let now = status.borrow_and_update().clone();
            self.metrics.published(&now);
            let published = now.published.is_some();
            self.readiness.set(Condition::SlicesPublished, published);
            let problem = now.problem.map(|problem| problem.to_string());
            let problem = problem.unwrap_or_default();
            if !problem.is_empty() && problem != told {
                self.tell(Reason::SLICES_NOT_PUBLISHED, "Publish", problem.clone());
            }
            told = problem;
            let fields: Vec<String> = now.lost.iter().map(ToString::to_string).collect();
            let fields = fields.join(", ");
            if !fields.is_empty() && fields != lost {
                let message = format!(
                    "the API server does not keep fields of ResourceSlices, so the scheduler does not see \
                     them: {fields}"
                );
                self.tell(Reason::FIELDS_NOT_KEPT, "Publish", message);
            }
            lost = fields;
            if status.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Tells something about the node.
    fn tell(&self, reason: Reason, action: &'static str, message: String) {
        self.events.tell(Report {
            regarding: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(self.node.clone()),
                // As the kubelet does it: `kubectl describe node` looks for the name here.
                uid: Some(self.node.clone()),
                ..ObjectReference::default()
            },
            warning: true,
            reason,
            action,
            message,
        });
    }
}
