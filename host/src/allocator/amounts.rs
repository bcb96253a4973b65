//! Counters and capacities as plain integers while a search runs.
//!
//! A quantity is exact to a nano, so nanos in 128 bits hold every amount below 10^26 exactly, with
//! room for the sum of thousands. Larger amounts are held at that limit: what offers more counts as
//! 10^26, and what asks for more than that never fits.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::quantity::Quantity;

/// An amount in nanos.
pub(super) type Nanos = i128;

const LIMIT: Nanos = 10i128.pow(35);

pub(super) fn nanos(quantity: &Quantity) -> Nanos {
    quantity.nanos().map_or_else(
        || if quantity.sign() < 0 { -LIMIT } else { LIMIT },
        |nanos| nanos.clamp(-LIMIT, LIMIT),
    )
}

/// Reads a quantity of an object; `None` if it is no quantity.
pub(super) fn read(quantity: &ApiQuantity) -> Option<Quantity> {
    Quantity::parse(quantity.0.trim()).ok()
}

/// Writes an amount for a person.
pub(super) fn show(amount: Nanos) -> String {
    Quantity::from_nanos(amount).to_string()
}
