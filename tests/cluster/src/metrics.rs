//! Numbers out of metrics in Prometheus' text format.

use std::collections::BTreeMap;

/// Adds up a counter's series whose labels hold all of these texts.
#[must_use]
pub fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    series(metrics, name, labels).map(|(_, value)| value).sum()
}

/// The series of a name whose labels hold all of these texts: labels and value.
pub fn series<'a>(
    metrics: &'a str,
    name: &'a str,
    labels: &'a [&'a str],
) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (of, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let value = value.split(' ').next()?.parse().ok()?;
        labels
            .iter()
            .all(|label| of.contains(label))
            .then_some((of, value))
    })
}

/// A histogram: how often, how long altogether, and how often up to which bound.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    count: f64,
    sum: f64,
    /// Cumulative, by the bits of the bound, which order like the bounds themselves: none is negative.
    buckets: BTreeMap<u64, f64>,
}

impl Histogram {
    /// Adds up the series of a histogram whose labels hold all of these texts.
    #[must_use]
    pub fn of(metrics: &str, name: &str, labels: &[&str]) -> Self {
        let of = |suffix: &str| sum(metrics, &format!("{name}{suffix}"), labels);
        let mut buckets = BTreeMap::new();
        for (of, value) in series(metrics, &format!("{name}_bucket"), labels) {
            let bound = of
                .split("le=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let bound = match bound {
                Some("+Inf") => f64::INFINITY,
                Some(bound) => bound.parse().unwrap_or(f64::INFINITY),
                None => continue,
            };
            *buckets.entry(bound.to_bits()).or_default() += value;
        }
        Self {
            count: of("_count"),
            sum: of("_sum"),
            buckets,
        }
    }

    /// What came since an earlier look.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = |bound| before.buckets.get(bound).copied().unwrap_or_default();
        Self {
            count: self.count - before.count,
            sum: self.sum - before.sum,
            buckets: self
                .buckets
                .iter()
                .map(|(bound, count)| (*bound, count - earlier(bound)))
                .collect(),
        }
    }

    /// How often.
    #[must_use]
    pub fn count(&self) -> f64 {
        self.count
    }

    /// The mean, in the histogram's unit; NaN of nothing.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Below which value such a part of all lies (between 0 and 1), read off the buckets as Prometheus
    /// does: in a straight line within a bucket. NaN of nothing.
    #[must_use]
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = self.count * part;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, upto) in &self.buckets {
            let bound = f64::from_bits(*bound);
            if *upto >= wanted && *upto > below {
                if bound.is_infinite() {
                    return lower;
                }
                return lower + (bound - lower) * (wanted - below) / (upto - below);
            }
            (lower, below) = (bound, *upto);
        }
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE took histogram
took_bucket{verb=\"a\",le=\"0.1\"} 1
took_bucket{verb=\"a\",le=\"0.2\"} 3
took_bucket{verb=\"a\",le=\"+Inf\"} 4
took_sum{verb=\"a\"} 1.2
took_count{verb=\"a\"} 4
took_count{verb=\"b\"} 40
up 1
";

    #[test]
    fn a_histogram_is_read_by_its_labels() {
        let took = Histogram::of(TEXT, "took", &["verb=\"a\""]);
        assert!((took.count() - 4.0).abs() < 1e-9);
        assert!((took.mean() - 0.3).abs() < 1e-9);
        assert!((took.quantile(0.5) - 0.15).abs() < 1e-9);
        assert!((took.quantile(0.99) - 0.2).abs() < 1e-9);
        assert!(took.since(&took).quantile(0.5).is_nan());
        assert!((sum(TEXT, "took_count", &[]) - 44.0).abs() < 1e-9);
        assert!((sum(TEXT, "up", &[]) - 1.0).abs() < 1e-9);
    }
}
