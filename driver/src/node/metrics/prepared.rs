//! What is prepared, counted when somebody looks.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Counts claims and devices.
pub(super) struct Collector(pub(super) Box<dyn Fn() -> (usize, usize) + Send + Sync>);

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (claims, devices) = self.0();
        let mut gauge = |name: &str, help: &str, count: usize| {
            let to = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(u64::try_from(count).unwrap_or(u64::MAX)).encode(to)
        };
        gauge("prepared_claims", "Claims that are prepared now", claims)?;
        gauge("prepared_devices", "Devices of these claims", devices)
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Collector").finish_non_exhaustive()
    }
}
