//! What an operator watches: numbers in the OpenMetrics text format.
//!
//! Events are counted where they happen; what others count already (policies) or the system knows
//! (memory, files) is read when somebody looks.

mod prepared;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::slices;
use crate::metrics::{policies, process};
use crate::serving::Policies;

/// Seconds. A prepare is one or two durable writes and a policy call: a millisecond on a good disk, and
/// whatever hardware takes for a step.
const BUCKETS: [f64; 17] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// What the kubelet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Prepare a claim.
    Prepare,
    /// Unprepare a claim.
    Unprepare,
}

/// What became of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventFate {
    /// Written.
    Written,
    /// Counted in one that was written already.
    Repeated,
    /// Not written, for too many came at once.
    Dropped,
    /// Not taken by the API server.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: Operation,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    result: EventFate,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

/// The numbers. Shared by all that counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    operations: Family<Outcome, Counter>,
    durations: Family<OfOperation, Histogram, fn() -> Histogram>,
    refused_plans: Family<OfPolicy, Counter>,
    slice_writes: Counter,
    slices: Gauge,
    devices: Gauge,
    status_writes: Family<OfResult, Counter>,
    events: Family<Fate, Counter>,
    registered: Gauge,
    configuration_refused: Gauge,
    started: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// All numbers at zero, for this driver and these policies. `prepared` tells how many claims and
    /// devices are prepared.
    #[must_use]
    pub fn new(
        driver: &str,
        policies: Arc<Policies>,
        prepared: impl Fn() -> (usize, usize) + Send + Sync + 'static,
    ) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            operations: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refused_plans: Family::default(),
            slice_writes: Counter::default(),
            slices: Gauge::default(),
            devices: Gauge::default(),
            status_writes: Family::default(),
            events: Family::default(),
            registered: Gauge::default(),
            configuration_refused: Gauge::default(),
            started: Gauge::default(),
        };
        metrics.register(driver);
        let to = metrics.registry.sub_registry_with_prefix("supercargo");
        to.register_collector(Box::new(policies::Collector(policies)));
        to.register_collector(Box::new(prepared::Collector(Box::new(prepared))));
        metrics
            .registry
            .register_collector(Box::new(process::Collector::default()));
        metrics
    }

    /// Counts one claim of one call, and how long it took. `result` is the reason of the Event, or `Prepared` or `Unprepared`.
    pub fn operated(&self, operation: Operation, result: &'static str, took: Duration) {
        self.operations
            .get_or_create(&Outcome { operation, result })
            .inc();
        self.durations
            .get_or_create(&OfOperation { operation })
            .observe(took.as_secs_f64());
    }

    /// Counts a plan that asked for more than its policy was granted.
    pub fn refused_plan(&self, policy: &str) {
        let policy = policy.to_owned();
        self.refused_plans.get_or_create(&OfPolicy { policy }).inc();
    }

    /// How publishing stands.
    pub fn published(&self, status: &slices::Status) {
        let so_far = self.slice_writes.get();
        self.slice_writes
            .inc_by(status.writes.saturating_sub(so_far));
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let published = status.published;
        self.slices.set(published.map_or(0, |it| count(it.slices)));
        self.devices
            .set(published.map_or(0, |it| count(it.devices)));
    }

    /// Counts a write of a claim's `status.devices`.
    pub fn status_write(&self, result: &'static str) {
        self.status_writes.get_or_create(&OfResult { result }).inc();
    }

    /// Counts what became of an Event.
    pub fn event(&self, result: EventFate) {
        self.events.get_or_create(&Fate { result }).inc();
    }

    /// Whether the kubelet took the plugin.
    pub fn registered(&self, is: bool) {
        self.registered.set(is.into());
    }

    /// Whether the configuration file holds something that was refused.
    pub fn configuration_refused(&self, is: bool) {
        self.configuration_refused.set(is.into());
    }

    /// How long it took from the start of the process until the kubelet took the plugin.
    pub fn start_took(&self, time: Duration) {
        self.started.set(time.as_secs_f64());
    }

    /// All numbers as text.
    ///
    /// # Errors
    /// A text that cannot be written to; a `String` always can.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn register(&mut self, driver: &str) {
        let to = self.registry.sub_registry_with_prefix("supercargo");
        let build = Info::new(vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("driver", driver.to_owned()),
        ]);
        to.register("build", "What runs here", build);
        to.register(
            "claim_operations",
            "Claims the kubelet asked to prepare or unprepare, by result",
            self.operations.clone(),
        );
        to.register_with_unit(
            "claim_operation_duration",
            "How long a claim took",
            Unit::Seconds,
            self.durations.clone(),
        );
        to.register(
            "plans_refused",
            "Plans that asked for more than their policy was granted; nothing of them ran",
            self.refused_plans.clone(),
        );
        to.register(
            "slice_writes",
            "Creations, updates and deletions of ResourceSlices, failed ones included",
            self.slice_writes.clone(),
        );
        to.register(
            "published_slices",
            "ResourceSlices in the API server",
            self.slices.clone(),
        );
        to.register(
            "published_devices",
            "Devices in these ResourceSlices",
            self.devices.clone(),
        );
        to.register(
            "device_status_writes",
            "Writes of status.devices of claims",
            self.status_writes.clone(),
        );
        to.register("events", "Kubernetes Events, by fate", self.events.clone());
        to.register(
            "registered",
            "1 while the kubelet has the plugin registered",
            self.registered.clone(),
        );
        to.register(
            "configuration_refused",
            "1 while the configuration file is refused and an earlier one holds",
            self.configuration_refused.clone(),
        );
        to.register_with_unit(
            "start_duration",
            "From the start of the process to the first registration; 0 until then",
            Unit::Seconds,
            self.started.clone(),
        );
    }
}

impl EncodeLabelValue for Operation {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Prepare => "prepare",
            Self::Unprepare => "unprepare",
        }
        .encode(encoder)
    }
}

impl EncodeLabelValue for EventFate {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Written => "written",
            Self::Repeated => "repeated",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
        .encode(encoder)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use supercargo_host::policy::{Engine, EngineOptions};

    use super::*;
    use crate::serving::Origin;

    /// Numbers for a test.
    pub(crate) fn metrics() -> Arc<Metrics> {
        let options = EngineOptions {
            concurrency: 1,
            ..EngineOptions::default()
        };
        let engine = Engine::new(options).unwrap();
        let policies = Policies::new("gpu.nvidia.com", engine, Origin::default()).unwrap();
        Arc::new(Metrics::new("gpu.nvidia.com", Arc::new(policies), || {
            (2, 3)
        }))
    }

    #[test]
    fn every_number_is_told_with_what_it_means() {
        let metrics = metrics();
        metrics.operated(Operation::Prepare, "Prepared", Duration::from_micros(800));
        // Of several results none is known to come first.
        metrics.operated(Operation::Prepare, "Prepared", Duration::from_micros(300));
        metrics.refused_plan("time-slicing");
        metrics.published(&slices::Status {
            writes: 4,
            ..slices::Status::default()
        });
        metrics.status_write("ok");
        metrics.event(EventFate::Written);
        metrics.registered(true);
        let text = metrics.text().unwrap();
        // What the process takes differs from run to run.
        let (steady, process): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| !line.starts_with("process_"));
        insta::assert_snapshot!(steady.join("\n"));
        let names: Vec<&str> = process
            .iter()
            .filter_map(|line| {
                let (name, value) = line.split_once(' ')?;
                let value: f64 = value.parse().ok()?;
                (value > 0.0).then_some(name)
            })
            .collect();
        assert_eq!(
            names,
            [
                "process_start_time_seconds",
                "process_resident_memory_bytes",
                "process_open_fds",
                "process_cpu_seconds_total"
            ]
        );
    }
}
