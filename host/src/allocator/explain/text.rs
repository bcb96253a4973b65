//! Explanations in words.

use std::collections::BTreeMap;
use std::fmt;

use super::{Explanation, RequestExplanation, Rule};
use crate::allocator::capacity::Refusal;

impl Rule {
    /// The kind of rule in a word or two: what counts are grouped by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OtherNode => "on other nodes",
            Self::Outdated => "outdated",
            Self::IncompletePool { .. } => "in an incomplete pool",
            Self::InvalidPool { .. } => "in an invalid pool",
            Self::Selector { class: Some(_), .. } => "not of the class",
            Self::Selector { class: None, .. } => "not selected",
            Self::SelectorError(_) => "with a selector error",
            Self::Gate(_) => "needing a gate",
            Self::Taint { .. } => "tainted",
            Self::InUse { .. } => "in use",
            Self::NoCapacity(_) => "without the capacity",
            Self::Capacity { .. } => "with too little capacity left",
            Self::Counter { .. } | Self::UnknownCounters => "with exhausted counters",
            Self::Constraint { .. } => "lacking a constrained attribute",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNode => f.write_str("published for another node"),
            Self::Outdated => f.write_str("published in an outdated or unsupported slice"),
            Self::IncompletePool { pool, have, want } => write!(
                f,
                "pool {pool} is incomplete: {have} of {want} slices, its driver is updating it"
            ),
            Self::InvalidPool { pool, reason } => write!(f, "pool {pool} is invalid: {reason}"),
            Self::Selector {
                class,
                index,
                expression,
                values,
            } => {
                match class {
                    Some(class) => write!(f, "selector {index} of class {class} is false: ")?,
                    None => write!(f, "selector {index} is false: ")?,
                }
                if values.is_empty() {
                    return f.write_str(expression);
                }
                for (i, (name, value)) in values.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{name} is {value}")?;
                }
                Ok(())
            }
            Self::SelectorError(error) => write!(f, "selector cannot be evaluated: {error}"),
            Self::Gate(gate) => write!(f, "needs the feature gate {gate}"),
            Self::Taint { key, value, effect } if value.is_empty() => {
                write!(f, "taint {key}:{effect} is not tolerated")
            }
            Self::Taint { key, value, effect } => {
                write!(f, "taint {key}={value}:{effect} is not tolerated")
            }
            Self::InUse { holder: Some(holder) } => write!(f, "in use by claim {holder}"),
            Self::InUse { holder: None } => f.write_str("in use"),
            Self::NoCapacity(refusal) => refusal.fmt(f),
            Self::Capacity { name, asked, left } => {
                write!(f, "capacity {name}: {asked} asked, {left} left")
            }
            Self::Counter {
                set,
                counter,
                needed,
                left,
            } => write!(f, "counter {counter} of {set}: {needed} needed, {left} left"),
            Self::UnknownCounters => f.write_str(
                "a device in use is no longer published, so what is left of the pool's counters is unknown",
            ),
            Self::Constraint { attribute } => {
                write!(f, "lacks the attribute {attribute} that a constraint compares")
            }
        }
    }
}

impl RequestExplanation {
    /// How many devices each kind of rule refused, most first.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for refused in &self.refused {
            *counts.entry(refused.rule.kind()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

impl fmt::Display for RequestExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if let Some(error) = &self.error {
            return write!(f, "{name}: {error}");
        }
        let eligible = self.eligible.len();
        write!(
            f,
            "{name}: devices free {eligible} of {} needed",
            self.needed
        )?;
        for (i, (kind, count)) in self.counts().into_iter().enumerate() {
            write!(f, "{} {count} {kind}", if i == 0 { ";" } else { "," })?;
        }
        if let Some(shortage) = &self.shortage {
            write!(
                f,
                "; at most {} go together by {}",
                shortage.most, shortage.attribute
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, request) in self.requests.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            request.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "has no capacity {name}"),
            Self::Policy(name) => {
                write!(f, "its request policy does not allow the amount of {name}")
            }
            Self::Unreadable(name) => write!(f, "its capacity {name} is not a quantity"),
        }
    }
}
