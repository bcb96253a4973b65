//! The words that all hooks share, as the host holds them.
//!
//! These mirror `wit/types.wit` by hand rather than by generated bindings: the host builds questions
//! on its hot path and compares and hashes them for the decision cache, so the types are its own and
//! are lowered into a guest as they stand. A test loads a guest made from the WIT itself, which fails
//! when the two drift apart.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

/// An exact Kubernetes quantity: `units + nanos / 10^9`.
///
/// Ordered by value, because `nanos` is never negative and never a whole unit.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    ComponentType,
    Lift,
    Lower,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Quantity {
    /// The greatest whole number not above the quantity.
    pub units: i64,
    /// Billionths to add, less than 10^9.
    pub nanos: u32,
}

/// Billionths in a unit.
const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// A whole number.
    #[must_use]
    pub fn whole(units: i64) -> Self {
        Self { units, nanos: 0 }
    }

    /// The quantity of so many billionths, capped as the Kubernetes API caps it: at 2^63 - 1 in
    /// magnitude.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Self {
        let cap = i128::from(i64::MAX) * NANOS;
        let capped = nanos.clamp(-cap, cap);
        // Both parts fit: the clamp bounds the quotient, the modulus the rest.
        Self {
            units: i64::try_from(capped.div_euclid(NANOS)).unwrap_or(i64::MAX),
            nanos: u32::try_from(capped.rem_euclid(NANOS)).unwrap_or(0),
        }
    }

    /// In billionths.
    #[must_use]
    pub fn as_nanos(self) -> i128 {
        i128::from(self.units) * NANOS + i128::from(self.nanos)
    }

    /// Whether the parts are in range, as they must be in an answer.
    #[must_use]
    pub fn is_valid(self) -> bool {
        i128::from(self.nanos) < NANOS
    }
}

/// A position in the strings that travel with a table.
pub type Text = u32;

/// The value of one attribute of one device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lift, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(variant)]
pub enum Value {
    /// The device does not have the attribute.
    #[component(name = "absent")]
    Absent,
    /// A whole number.
    #[component(name = "int")]
    Int(i64),
    /// A truth.
    #[component(name = "bool")]
    Bool(bool),
    /// Free text.
    #[component(name = "string")]
    String(Text),
    /// A semantic version, as text.
    #[component(name = "version")]
    Version(Text),
    /// A list of whole numbers.
    #[component(name = "ints")]
    Ints(Vec<i64>),
    /// A list of truths.
    #[component(name = "bools")]
    Bools(Vec<bool>),
    /// A list of texts.
    #[component(name = "strings")]
    Strings(Vec<Text>),
    /// A list of semantic versions.
    #[component(name = "versions")]
    Versions(Vec<Text>),
}

/// Why a hook has no answer: an answer, not a failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lift, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Refusal {
    /// One sentence for the person whose pod is waiting.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.reason.is_empty() {
            "no reason given"
        } else {
            &self.reason
        })
    }
}

/// Whose hand wrote opaque parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[component(enum)]
#[repr(u8)]
pub enum ParameterSource {
    /// The device class.
    #[component(name = "device-class")]
    DeviceClass,
    /// The claim.
    #[component(name = "claim")]
    Claim,
}

/// Opaque parameters of one driver, as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ComponentType, Lower, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Parameters {
    /// Positions in the question's requests; never empty but in `place`.
    pub requests: Vec<u32>,
    /// The driver they are meant for.
    pub driver: Arc<str>,
    /// Who wrote them.
    pub source: ParameterSource,
    /// One JSON object.
    pub json: Arc<str>,
}

/// How much of one counter one device uses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, ComponentType, Lift, Lower, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[component(record)]
pub struct Consumption {
    /// A position in the table of devices.
    pub device: u32,
    /// A position in the list of counters.
    pub counter: u32,
    /// How much it uses when allocated.
    pub amount: Quantity,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_quantity_is_its_floor_and_the_rest() {
        let half = Quantity::from_nanos(-500_000_000);
        assert_eq!(
            half,
            Quantity {
                units: -1,
                nanos: 500_000_000
            }
        );
        assert_eq!(half.as_nanos(), -500_000_000);
    }

    #[test]
    fn the_greatest_quantities_of_the_api_are_exact_and_greater_ones_are_capped() {
        let most = i128::from(i64::MAX) * NANOS;
        assert_eq!(Quantity::from_nanos(most).as_nanos(), most);
        assert_eq!(Quantity::from_nanos(-most).as_nanos(), -most);
        assert_eq!(Quantity::from_nanos(most + 1).as_nanos(), most);
        assert_eq!(Quantity::from_nanos(i128::MAX).as_nanos(), most);
        assert_eq!(Quantity::from_nanos(i128::MIN).as_nanos(), -most);
    }

    #[test]
    fn quantities_order_by_value() {
        let mut sorted: Vec<_> = [5, -5, 0, 1, -1]
            .map(|n| Quantity::from_nanos(n * 400_000_000))
            .to_vec();
        sorted.sort_unstable();
        let nanos: Vec<_> = sorted.iter().map(|q| q.as_nanos() / 400_000_000).collect();
        assert_eq!(nanos, [-5, -1, 0, 1, 5]);
    }
}
