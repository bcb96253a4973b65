//! The scenario file, and the arrivals drawn from it.

use std::path::PathBuf;

use fastrand::Rng;
use k8s_openapi::api::resource::v1::ResourceClaimSpec;
use serde::{Deserialize, Deserializer};

/// The `kind` of the file.
pub(super) const KIND: &str = "Scenario";

/// The most arrivals of a scenario.
const MOST_ARRIVALS: usize = 20_000;

/// A scenario: a cluster, and workloads that come and go.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// `supercargo.dev/v1alpha1`.
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Manifests beside the file: classes, slices, nodes, and claims that hold devices throughout.
    pub cluster: Vec<PathBuf>,
    /// How many of every node there are; 1 as written.
    #[serde(default = "one")]
    pub copies: u16,
    /// Where the random numbers begin.
    #[serde(default)]
    pub seed: u64,
    /// How long it goes on, in minutes (`24h` in the file).
    #[serde(rename = "for", deserialize_with = "minutes")]
    pub length: f64,
    /// What comes.
    pub workloads: Vec<WorkloadKind>,
}

/// Workloads of one kind: each is one claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadKind {
    /// What it is called.
    pub name: String,
    /// The mean time between arrivals, in minutes; arrivals are a Poisson process.
    #[serde(deserialize_with = "minutes")]
    pub every: f64,
    /// The mean time that one keeps its devices, in minutes, exponentially distributed.
    #[serde(deserialize_with = "minutes")]
    pub runs: f64,
    /// What each asks for: the `spec` of a ResourceClaim.
    pub claim: ResourceClaimSpec,
}

/// Something comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// When, in minutes from the beginning.
    pub at: f64,
    /// Its kind: a position among the workloads.
    pub kind: usize,
    /// How long it keeps its devices, in minutes.
    pub runs: f64,
}

fn one() -> u16 {
    1
}

/// `90s`, `15m`, `6h`, `2d` as minutes.
fn minutes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || {
        serde::de::Error::custom(format!(
            "{text:?} is no time; write it like 90s, 15m, 6h or 2d"
        ))
    };
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: f64 = text
        .trim_end_matches(unit)
        .trim()
        .parse()
        .map_err(|_| wrong())?;
    let minutes = number
        * match unit {
            's' => 1.0 / 60.0,
            'm' => 1.0,
            'h' => 60.0,
            'd' => 1440.0,
            _ => return Err(wrong()),
        };
    if minutes.is_finite() && minutes > 0.0 && minutes <= 1440.0 * 366.0 {
        Ok(minutes)
    } else {
        Err(serde::de::Error::custom(format!(
            "{text:?} is not between nothing and a year"
        )))
    }
}

impl Scenario {
    /// The arrivals in order; always the same for the same file.
    ///
    /// # Errors
    /// There are too many.
    pub fn arrivals(&self) -> Result<Vec<Arrival>, String> {
        let mut arrivals = Vec::new();
        for (kind, workload) in self.workloads.iter().enumerate() {
            // A stream of its own, so that another kind changes nothing about this one.
            let rng =
                &mut Rng::with_seed(self.seed ^ (kind as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut at = exponential(rng, workload.every);
            while at < self.length {
                arrivals.push(Arrival {
                    at,
                    kind,
                    runs: exponential(rng, workload.runs),
                });
                if arrivals.len() > MOST_ARRIVALS {
                    return Err(format!(
                        "more than {MOST_ARRIVALS} arrivals; make `for` shorter or `every` longer"
                    ));
                }
                at += exponential(rng, workload.every);
            }
        }
        arrivals.sort_by(|a, b| a.at.total_cmp(&b.at));
        Ok(arrivals)
    }
}

fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -(1.0 - rng.f64()).ln() * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(every: &str) -> Result<Scenario, serde_json::Error> {
        serde_json::from_value(
            serde_json::json!({"apiVersion": "supercargo.dev/v1alpha1", "kind": "Scenario",
            "cluster": ["a.yaml"], "for": "2d", "seed": 3, "workloads": [
                {"name": "a", "every": every, "runs": "2h", "claim": {"devices": {"requests": []}}}]}),
        )
    }

    #[test]
    fn a_seed_always_draws_the_same_arrivals_and_about_as_many_as_the_mean_says() {
        let arrivals = scenario("10m").unwrap().arrivals().unwrap();
        assert_eq!(arrivals, scenario("10m").unwrap().arrivals().unwrap());
        assert!((240..340).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted_by(|a, b| a.at <= b.at));
    }

    #[test]
    fn times_need_a_unit_and_too_many_arrivals_are_refused() {
        assert!(scenario("10").unwrap_err().to_string().contains("90s, 15m"));
        assert!(scenario("0m").is_err());
        assert!(scenario("1s").unwrap().arrivals().is_err());
    }
}
