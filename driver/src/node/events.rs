//! Kubernetes Events: what went wrong, where the person it concerns looks first.
//!
//! The kubelet asks again and again while a claim cannot be prepared, so equal Events are told apart
//! from new ones ([`Ledger`]) and counted in the first (`series`), and there is a bound on how many are
//! written at all. Whoever reports never waits: a queue takes the report, and what does not fit is
//! counted and dropped.

mod ledger;
mod reason;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::metrics::{EventFate, Metrics};
use ledger::{Entry, Ledger};
pub use reason::Reason;

/// How many reports wait to be written.
const QUEUE: usize = 256;
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(5);
/// The API's limit on `note`, in bytes.
const NOTE: usize = 1024;
/// What an Event's name takes of its object's, so that with what is added it stays within 253.
const NAME: usize = 200;

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The object.
    pub regarding: ObjectReference,
    /// Whether something is wrong.
    pub warning: bool,
    /// Why, in a word.
    pub reason: Reason,
    /// What was being done, in a word.
    pub action: &'static str,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// Where to report to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Report>,
    metrics: Arc<Metrics>,
}

/// Who writes Events.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// The driver's name.
    pub controller: String,
    /// The node's name.
    pub instance: String,
}

impl Events {
    /// Starts writing what is reported. The task ends when nobody can report any more and all is
    /// written.
    #[must_use]
    pub fn start(
        client: Client,
        reporter: Reporter,
        metrics: Arc<Metrics>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, reports) = mpsc::channel(QUEUE);
        let writer = Writer {
            client,
            reporter,
            metrics: Arc::clone(&metrics),
            ledger: Ledger::default(),
        };
        (Self { queue, metrics }, tokio::spawn(writer.run(reports)))
    }

    /// Reports something. Never waits.
    pub fn tell(&self, report: Report) {
        if self.queue.try_send(report).is_err() {
            self.metrics.event(EventFate::Dropped);
        }
    }
}

struct Writer {
    client: Client,
    reporter: Reporter,
    metrics: Arc<Metrics>,
    ledger: Ledger,
}

impl Writer {
    async fn run(mut self, mut reports: mpsc::Receiver<Report>) {
        while let Some(report) = reports.recv().await {
            let fate = self.report(&report).await;
            self.metrics.event(fate);
        }
    }

    async fn report(&mut self, report: &Report) -> EventFate {
        let now = Timestamp::now();
        let entry = self.ledger.enter(report, now);
        let outcome = match &entry {
            Entry::New => self.create(report, now).await,
            Entry::Again { event, count } => match self.repeat(report, event, *count, now).await {
                // The API server keeps Events for an hour.
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    self.create(report, now).await
                }
                other => other.map(|()| None),
            },
            Entry::Counted => return EventFate::Repeated,
            Entry::TooMany => return EventFate::Dropped,
        };
        match outcome {
            Ok(Some(event)) => {
                self.ledger.written(report, event);
                EventFate::Written
            }
            Ok(None) => EventFate::Repeated,
            Err(error) => {
                self.ledger.forget(report);
                tracing::warn!(
                    %error,
                    reason = report.reason.0,
                    message = report.message,
                    "an Event was not taken by the API server"
                );
                EventFate::Failed
            }
        }
    }

    async fn create(&self, report: &Report, now: Timestamp) -> Result<Option<String>, kube::Error> {
        let event = event(&self.reporter, report, now);
        let name = event.metadata.name.clone();
        let create = self.events(report);
        let parameters = PostParams::default();
        within(create.create(&parameters, &event)).await?;
        Ok(name)
    }

    async fn repeat(
        &self,
        report: &Report,
        event: &str,
        count: i32,
        now: Timestamp,
    ) -> Result<(), kube::Error> {
        let series = EventSeries {
            count,
            last_observed_time: MicroTime(now),
        };
        let patch = Patch::Merge(json!({ "series": series }));
        let events = self.events(report);
        let parameters = PatchParams::default();
        within(events.patch(event, &parameters, &patch)).await?;
        Ok(())
    }

    fn events(&self, report: &Report) -> Api<Event> {
        Api::namespaced(self.client.clone(), namespace(report))
    }
}

/// Events about objects without a namespace are kept in `default`.
fn namespace(report: &Report) -> &str {
    report.regarding.namespace.as_deref().unwrap_or("default")
}

async fn within<T>(write: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    timeout(WRITE, write).await.unwrap_or_else(|_| {
        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 5 s");
        Err(kube::Error::Service(late.into()))
    })
}

fn event(reporter: &Reporter, report: &Report, now: Timestamp) -> Event {
    let object = report.regarding.name.as_deref().unwrap_or("unknown");
    Event {
        metadata: ObjectMeta {
            name: Some(format!(
                "{}.{:x}",
                cut(object, NAME).trim_end_matches(['.', '-']),
                now.as_nanosecond()
            )),
            namespace: Some(namespace(report).to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some(if report.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(report.reason.0.to_owned()),
        action: Some(report.action.to_owned()),
        note: Some(cut(&report.message, NOTE).to_owned()),
        regarding: Some(report.regarding.clone()),
        reporting_controller: Some(reporter.controller.clone()),
        reporting_instance: Some(cut(&reporter.instance, 128).to_owned()),
        ..Event::default()
    }
}

/// As much of a text as fits, in whole characters.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
