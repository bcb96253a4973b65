//! Consumable capacity: what a request consumes of a device, after the device's request policy.
//!
//! Errors end the search for the pod: what cannot be computed must not be skipped silently.

use k8s_openapi::api::resource::v1::{CapacityRequestPolicy, Device, DeviceCapacity};

use super::amounts::{Nanos, nanos, read};
use crate::quantity::{Format, Quantity};

/// What a request consumes of a device.
pub(super) enum Consumption {
    /// The device cannot serve the request: it lacks a capacity, or its policy forbids the amount.
    Refused(Refusal),
    /// For each capacity of the device, in its order.
    Amounts(Vec<Consumed>),
}

/// Why the amount asked is out of the question, whatever is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The device has no capacity of this name.
    Missing(String),
    /// The device's request policy does not allow the amount.
    Policy(String),
    /// The capacity is not a quantity.
    Unreadable(String),
}

/// What is consumed of one capacity.
pub(super) struct Consumed {
    pub(super) quantity: Quantity,
    pub(super) amount: Nanos,
    pub(super) value: Nanos,
}

const NOT_REPRESENTABLE: &str =
    "capacity request cannot be represented in the device's range arithmetic";

/// Computes what `requests` (of a claim's request) consume of `device`.
pub(super) fn consumption(
    requests: &[(String, Quantity)],
    device: &Device,
) -> Result<Consumption, String> {
    let capacities = device.capacity.as_ref();
    for (name, _) in requests {
        if !capacities.is_some_and(|capacities| capacities.contains_key(name)) {
            return Ok(Consumption::Refused(Refusal::Missing(name.clone())));
        }
    }
    let mut consumed = Vec::new();
    let mut refused = None;
    for (name, capacity) in capacities.into_iter().flatten() {
        let request = requests.iter().find(|(asked, _)| asked == name);
        let (Some(value), Ok(policy)) = (read(&capacity.value), Policy::read(capacity)) else {
            refused = Some(Refusal::Unreadable(name.clone()));
            continue;
        };
        let quantity = policy
            .consumed(request.map(|(_, asked)| asked), &value)
            .map_err(|error| format!("capacity {name:?}: {error}"))?;
        if quantity.sign() < 0 {
            return Err(format!("capacity {name:?}: capacity value is negative"));
        }
        if policy.violated(&quantity) {
            refused = Some(Refusal::Policy(name.clone()));
        }
        consumed.push(Consumed {
            amount: nanos(&quantity),
            value: nanos(&value),
            quantity,
        });
    }
    Ok(refused.map_or(Consumption::Amounts(consumed), Consumption::Refused))
}

#[derive(Default)]
struct Policy {
    exists: bool,
    default: Option<Quantity>,
    range: Option<Range>,
    values: Option<Vec<Quantity>>,
}

struct Range {
    min: Option<Quantity>,
    max: Option<Quantity>,
    step: Option<Quantity>,
}

impl Policy {
    fn read(capacity: &DeviceCapacity) -> Result<Self, ()> {
        let Some(CapacityRequestPolicy {
            default,
            valid_range,
            valid_values,
        }) = &capacity.request_policy
        else {
            return Ok(Self::default());
        };
        let one = |quantity| read(quantity).ok_or(());
        Ok(Self {
            exists: true,
            default: default.as_ref().map(one).transpose()?,
            range: match valid_range {
                None => None,
                Some(range) => Some(Range {
                    min: if range.min.0.is_empty() {
                        None
                    } else {
                        Some(one(&range.min)?)
                    },
                    max: range.max.as_ref().map(one).transpose()?,
                    step: range.step.as_ref().map(one).transpose()?,
                }),
            },
            values: match valid_values {
                None => None,
                Some(values) => Some(values.iter().map(one).collect::<Result<_, _>>()?),
            },
        })
    }

    fn consumed(&self, asked: Option<&Quantity>, value: &Quantity) -> Result<Quantity, String> {
        let Some(asked) = asked else {
            return Ok(self.default.as_ref().unwrap_or(value).clone());
        };
        match self {
            Self {
                range:
                    Some(Range {
                        min: Some(min),
                        step,
                        ..
                    }),
                ..
            } => match step {
                _ if asked < min => Ok(min.clone()),
                None => Ok(asked.clone()),
                Some(step) => round_up(asked, min, step),
            },
            Self {
                values: Some(values),
                ..
            } => Ok(values
                .iter()
                .find(|value| asked <= value)
                .unwrap_or(asked)
                .clone()),
            _ => Ok(asked.clone()),
        }
    }

    fn violated(&self, consumed: &Quantity) -> bool {
        if !self.exists
            || self
                .default
                .as_ref()
                .is_some_and(|default| consumed.identical(default))
        {
            return false;
        }
        match self {
            Self {
                range: Some(Range { min, max, step }),
                ..
            } => {
                if max.as_ref().is_some_and(|max| consumed > max) {
                    return true;
                }
                let (Some(min), Some(step)) = (min, step) else {
                    return false;
                };
                let above = consumed.value().wrapping_sub(min.value());
                // A step of zero divides nothing: no amount is a multiple of it.
                above.checked_rem(step.value()) != Some(0)
            }
            Self {
                values: Some(values),
                ..
            } if !values.is_empty() => !values.contains(consumed),
            _ => false,
        }
    }
}

/// The smallest `min + n * step` that is at least `asked`, in whole units as upstream.
fn round_up(asked: &Quantity, min: &Quantity, step: &Quantity) -> Result<Quantity, String> {
    if *asked > Quantity::from_int(i64::MAX, Format::DecimalSi) {
        return Err(format!(
            "{NOT_REPRESENTABLE}: request {asked} exceeds MaxInt64"
        ));
    }
    let passes = || {
        format!("{NOT_REPRESENTABLE}: rounding request {asked} up to the next step passes MaxInt64")
    };
    let (step_value, min) = (step.value(), min.value());
    if step_value <= 0 {
        return Ok(asked.clone());
    }
    let above = asked.value().checked_sub(min).ok_or_else(passes)?;
    let steps = above / step_value + i64::from(above % step_value != 0);
    let rounded = step_value
        .checked_mul(steps)
        .and_then(|by| by.checked_add(min))
        .ok_or_else(passes)?;
    Ok(Quantity::from_int(rounded, step.format()))
}
