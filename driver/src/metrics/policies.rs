//! What policies did, from their own counts.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::serving::{Condition, Policies};

/// Tells about each policy.
#[derive(Debug)]
pub struct Collector(pub Arc<Policies>);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let conditions = self.0.conditions();
        let mut calls = encoder.encode_descriptor(
            "policy_calls",
            "Calls to policies, by outcome",
            None,
            MetricType::Counter,
        )?;
        for condition in &conditions {
            for (outcome, count) in outcomes(condition) {
                let labels = [("policy", &*condition.name), ("outcome", outcome)];
                ConstCounter::new(count).encode(calls.encode_family(&labels)?)?;
            }
        }
        let mut seconds = encoder.encode_descriptor(
            "policy_call_seconds",
            "Time that calls to policies took in all",
            None,
            MetricType::Counter,
        )?;
        for condition in &conditions {
            let labels = [("policy", &*condition.name)];
            let time = condition.counts.time.as_secs_f64();
            ConstCounter::new(time).encode(seconds.encode_family(&labels)?)?;
        }
        let mut serving = encoder.encode_descriptor(
            "policy_serving",
            "1 for the component that serves under a policy's name",
            None,
            MetricType::Gauge,
        )?;
        for condition in &conditions {
            if let Some(policy) = &condition.status.serving {
                let version = policy.description().version.to_string();
                let digest = policy.digest().to_string();
                let labels = [
                    ("policy", &*condition.name),
                    ("version", version.as_str()),
                    ("digest", digest.as_str()),
                ];
                ConstGauge::new(1_i64).encode(serving.encode_family(&labels)?)?;
            }
        }
        let mut refused = encoder.encode_descriptor(
            "policy_refused",
            "1 while the latest component of a policy is refused",
            None,
            MetricType::Gauge,
        )?;
        for condition in &conditions {
            let labels = [("policy", &*condition.name)];
            let is = i64::from(condition.status.refused.is_some());
            ConstGauge::new(is).encode(refused.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Calls that were answered, and the others by what became of them.
fn outcomes(condition: &Condition) -> Vec<(&'static str, u64)> {
    let counts = &condition.counts;
    // A hook that is not there is counted as a failure, but nothing was called.
    let called = |(kind, _): &(&&str, &u64)| **kind != "not_implemented";
    let failed: u64 = counts.failures.iter().filter(called).map(|(_, n)| n).sum();
    let answered = ("answered", counts.calls.saturating_sub(failed));
    let failures = counts.failures.iter().map(|(kind, count)| (*kind, *count));
    std::iter::once(answered).chain(failures).collect()
}
