//! Holds an answer to the contract, as the host does.

use std::collections::BTreeMap;

use super::fixture::Fixture;
use super::lower::{Question, draws};
use crate::bindings::exports::supercargo::policy::allocation::{
    Amount, Assignment, Choice, ConstraintKind, Proposal,
};
use crate::bindings::exports::supercargo::policy::types::Value;
use crate::quantity::Quantity;

/// Why there is nothing to compare.
///
/// ```
/// use supercargo_guest::testkit::Unusable;
/// let refused = Unusable::Refused { reason: "not today".to_owned() };
/// assert_eq!(refused.to_string(), "the policy refused: not today");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The policy refused.
    #[error("the policy refused: {reason}")]
    Refused {
        /// Its reason.
        reason: String,
    },
    /// The policy could not read the settings.
    #[error("the policy cannot read its settings: {error}")]
    Settings {
        /// What is wrong with them.
        error: String,
    },
    /// The host would throw a proposal away.
    #[error("proposal {proposal} breaks the contract: {fault}")]
    Void {
        /// Which.
        proposal: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// The policy proposed nothing and did not say why.
    #[error("the policy proposed nothing; answer with a Refusal that says why")]
    Nothing,
    /// The fixture makes no sense.
    #[error("the fixture is wrong: {0}")]
    Fixture(String),
}

/// A proposal, in names.
///
/// ```
/// use supercargo_guest::testkit::Proposed;
/// fn is_certain(proposed: &Proposed) -> bool {
///     proposed.exact && proposed.score == 100.0
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// Whether these devices and no others are meant, and not an order of preference.
    pub exact: bool,
    /// The devices of each request that was assigned any.
    pub devices: BTreeMap<String, Vec<String>>,
    /// How good the node would be.
    pub score: f64,
    /// Why.
    pub reason: String,
    counts: BTreeMap<String, usize>,
}

impl Proposed {
    /// The devices of a request, in the policy's order; empty where it was assigned none.
    ///
    /// ```
    /// # use supercargo_guest::testkit::Proposed;
    /// fn first(proposed: &Proposed) -> Option<&str> {
    ///     proposed.devices_of("gpus").first().copied()
    /// }
    /// ```
    #[must_use]
    pub fn devices_of(&self, request: &str) -> Vec<&str> {
        self.devices
            .get(request)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// As many devices of each request as it asks for: of a preference, those that it would get if
    /// nothing stood against it.
    ///
    /// ```
    /// # use supercargo_guest::testkit::Proposed;
    /// fn devices(proposed: &Proposed) -> usize {
    ///     proposed.up_to_count().values().map(Vec::len).sum()
    /// }
    /// ```
    #[must_use]
    pub fn up_to_count(&self) -> BTreeMap<String, Vec<String>> {
        let cut = |(name, devices): (&String, &Vec<String>)| {
            let count = self.counts.get(name).copied().unwrap_or(usize::MAX);
            (name.clone(), devices.iter().take(count).cloned().collect())
        };
        self.devices.iter().map(cut).collect()
    }
}

pub(super) fn check(
    fixture: &Fixture,
    question: &Question<'_>,
    proposals: Vec<Proposal>,
) -> Result<Vec<Proposed>, Unusable> {
    if proposals.is_empty() {
        return Err(Unusable::Nothing);
    }
    if let Some(void) = proposals.get(16).map(|_| 16) {
        let fault = "a policy may make 16 proposals".to_owned();
        return Err(Unusable::Void {
            proposal: void,
            fault,
        });
    }
    let one = |(number, proposal): (usize, Proposal)| {
        check_one(fixture, question, proposal).map_err(|fault| Unusable::Void {
            proposal: number,
            fault,
        })
    };
    proposals.into_iter().enumerate().map(one).collect()
}

fn check_one(
    fixture: &Fixture,
    question: &Question<'_>,
    proposal: Proposal,
) -> Result<Proposed, String> {
    if !(0.0..=100.0).contains(&proposal.score) {
        return Err(format!("score {} is not in 0..=100", proposal.score));
    }
    let (exact, assignments) = match &proposal.choice {
        Choice::Exact(assignments) => (true, assignments),
        Choice::Prefer(assignments) => (false, assignments),
    };
    let mut slots = Vec::new();
    let mut taken = Vec::new();
    let mut proposed = Proposed {
        exact,
        devices: BTreeMap::new(),
        score: proposal.score,
        reason: proposal.reason.clone(),
        counts: BTreeMap::new(),
    };
    for assignment in assignments {
        let number = assignment.request as usize;
        let found = question
            .raw
            .requests
            .get(number)
            .zip(question.requests.get(number));
        let (request, name) = found.ok_or_else(|| format!("there is no request {number}"))?;
        if slots.contains(&request.slot) {
            return Err(format!(
                "`{name}`: its request, or an alternative of it, is assigned twice"
            ));
        }
        slots.push(request.slot);
        let count = match request.amount {
            Amount::Exactly(count) => count as usize,
            Amount::All => request.devices.len(),
        };
        if exact && assignment.devices.len() != count {
            let got = assignment.devices.len();
            return Err(format!(
                "`{name}` asks for {count} devices and is assigned {got}"
            ));
        }
        let mut own = Vec::new();
        for device in &assignment.devices {
            let known = question.devices.get(*device as usize);
            let known = known.ok_or_else(|| format!("there is no device {device}"))?;
            if !request.devices.contains(device) {
                return Err(format!("`{}` may not serve `{name}`", known.name));
            }
            if own.contains(device) || exact && taken.contains(device) {
                return Err(format!("`{}` is assigned twice", known.name));
            }
            own.push(*device);
            proposed
                .devices
                .entry(name.clone())
                .or_default()
                .push(known.name.clone());
        }
        taken.extend(own);
        proposed.counts.insert(name.clone(), count);
    }
    if exact {
        counters_hold(question, &taken)?;
        constraints_hold(fixture, question, assignments)?;
    }
    Ok(proposed)
}

/// Whether the devices can be had together; the host only promised each alone.
fn counters_hold(question: &Question<'_>, taken: &[u32]) -> Result<(), String> {
    let mut left = question.left.clone();
    for device in taken
        .iter()
        .filter_map(|device| question.devices.get(*device as usize))
    {
        for (set, counter, amount) in draws(device) {
            let amount = amount.parse().unwrap_or(Quantity::ZERO);
            let after = left
                .get(&(set, counter))
                .and_then(|left| left.checked_sub(amount));
            match after.filter(|after| *after >= Quantity::ZERO) {
                Some(after) => {
                    left.insert((set, counter), after);
                }
                None => return Err(format!("`{counter}` of `{set}` does not suffice for all")),
            }
        }
    }
    Ok(())
}

/// Only for attributes that the policy declared: it cannot answer for others.
fn constraints_hold(
    fixture: &Fixture,
    question: &Question<'_>,
    assignments: &[Assignment],
) -> Result<(), String> {
    let table = &question.raw.devices;
    let width = table
        .attributes
        .len()
        .checked_div(table.pools.len())
        .unwrap_or(0);
    for (constraint, written) in question.raw.constraints.iter().zip(&fixture.constraints) {
        let Some(column) = constraint.attribute else {
            continue;
        };
        let covered = assignments
            .iter()
            .filter(|a| constraint.requests.contains(&a.request));
        let values: Vec<Option<&Value>> = covered
            .flat_map(|assignment| &assignment.devices)
            .map(|device| {
                table
                    .attributes
                    .get(*device as usize * width + column as usize)
            })
            .collect();
        let missing = values
            .iter()
            .any(|v| matches!(v, None | Some(Value::Absent)));
        let holds = !missing
            && match constraint.kind {
                ConstraintKind::MatchAttribute => values.windows(2).all(|two| match two {
                    [a, b] => a == b,
                    _ => true,
                }),
                ConstraintKind::DistinctAttribute => {
                    let mut rest = values.iter();
                    std::iter::from_fn(|| rest.next().map(|v| rest.clone().any(|o| o == v)))
                        .all(|repeated| !repeated)
                }
            };
        if !holds {
            return Err(format!("the devices break {written:?}"));
        }
    }
    Ok(())
}
