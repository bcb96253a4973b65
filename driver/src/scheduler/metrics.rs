//! What an operator watches of the scheduler, in the OpenMetrics text format.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::decide::Decider;
use super::leader::Leadership;
use super::state::State;
use crate::metrics::{policies, process};
use crate::serving::Policies;

/// Seconds. A question that was answered before is a matter of microseconds; one to thousands of nodes, of
/// milliseconds; Bind writes to the API server.
const BUCKETS: [f64; 18] = [
    0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verb {
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    verb: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Healed {
    what: &'static str,
}

/// The numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    durations: Family<Verb, Histogram, fn() -> Histogram>,
    healed: Family<Healed, Counter>,
    preempted: Counter,
    clashes: Gauge,
}

impl Metrics {
    /// All numbers at zero.
    #[must_use]
    pub fn new(
        policies: Arc<Policies>,
        state: Arc<State>,
        decider: Arc<Decider>,
        leadership: Leadership,
    ) -> Self {
        let mut registry = Registry::default();
        let requests = Family::<Outcome, Counter>::default();
        let durations: Family<Verb, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let healed = Family::<Healed, Counter>::default();
        let preempted = Counter::default();
        let clashes = Gauge::default();
        let to = registry.sub_registry_with_prefix("supercargo");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION").to_owned())]);
        to.register("build", "What runs here", build);
        to.register(
            "extender_requests",
            "Requests of the kube-scheduler, by verb and result",
            requests.clone(),
        );
        to.register_with_unit(
            "extender_request_duration",
            "How long a request took",
            Unit::Seconds,
            durations.clone(),
        );
        to.register(
            "healed",
            "What crashes and lost answers had left, put right",
            healed.clone(),
        );
        to.register(
            "preemption_victims",
            "Pods that had to go because a more important one needed their devices",
            preempted.clone(),
        );
        to.register(
            "devices_held_twice",
            "Devices that two claims hold; never anything but 0",
            clashes.clone(),
        );
        to.register_collector(Box::new(policies::Collector(policies)));
        to.register_collector(Box::new(Sizes {
            state,
            decider,
            leadership,
        }));
        registry.register_collector(Box::new(process::Collector::default()));
        Self {
            registry,
            requests,
            durations,
            healed,
            preempted,
            clashes,
        }
    }

    /// Counts a request, and how long it took.
    pub fn answered(&self, verb: &'static str, result: &'static str, took: Duration) {
        self.requests.get_or_create(&Outcome { verb, result }).inc();
        self.durations
            .get_or_create(&Verb { verb })
            .observe(took.as_secs_f64());
    }

    /// Counts a pod that had to go.
    pub fn preempted(&self) {
        self.preempted.inc();
    }

    /// Counts what was put right.
    pub fn healed(&self, what: &'static str) {
        self.healed.get_or_create(&Healed { what }).inc();
    }

    /// How many devices two claims hold.
    pub fn clashes(&self, count: usize) {
        self.clashes.set(i64::try_from(count).unwrap_or(i64::MAX));
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
}

/// What is counted when somebody looks.
#[derive(Debug)]
struct Sizes {
    state: Arc<State>,
    decider: Arc<Decider>,
    leadership: Leadership,
}

impl Collector for Sizes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sizes = self.state.sizes();
        let mut objects =
            encoder.encode_descriptor("objects", "Objects known", None, MetricType::Gauge)?;
        for (kind, count) in [
            ("nodes", sizes.nodes),
            ("resourceslices", sizes.slices),
            ("resourceclaims", sizes.claims),
            ("pods", sizes.pods),
        ] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            ConstGauge::new(count).encode(objects.encode_family(&[("kind", kind)])?)?;
        }
        let mut gauge = |name: &str, help: &str, count: usize| {
            let to = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(u64::try_from(count).unwrap_or(u64::MAX)).encode(to)
        };
        gauge(
            "assumptions",
            "Claims that are decided, and not yet seen as written",
            sizes.assumptions,
        )?;
        gauge(
            "leader",
            "1 while this replica binds",
            usize::from(self.leadership.holds()),
        )?;
        let (asked, remembered) = self.decider.counts();
        let mut nodes = encoder.encode_descriptor(
            "nodes_judged",
            "Nodes that were judged for a pod, by how",
            None,
            MetricType::Counter,
        )?;
        for (how, count) in [("asked", asked), ("remembered", remembered)] {
            ConstCounter::new(count).encode(nodes.encode_family(&[("how", how)])?)?;
        }
        Ok(())
    }
}
