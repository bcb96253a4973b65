//! Ranges of sizes and of costs, with arithmetic that stops at the ends.

/// A least and a greatest value, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Range {
    pub(super) const ZERO: Self = Self::fixed(0);
    pub(super) const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };
    /// Start of a union: the empty range.
    pub(super) const NOTHING: Self = Self {
        min: u64::MAX,
        max: 0,
    };

    pub(super) const fn fixed(value: u64) -> Self {
        Self {
            min: value,
            max: value,
        }
    }

    pub(super) const fn up_to(max: u64) -> Self {
        Self { min: 0, max }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    /// Each end times a factor, rounded up.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self {
            min: scale(self.min, factor),
            max: scale(self.max, factor),
        }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Above 2^53 this is as inexact as upstream is, on purpose.
fn scale(value: u64, factor: f64) -> u64 {
    // The conversion saturates, as the account does.
    (value as f64 * factor).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let all = Range::UNKNOWN;
        assert_eq!(
            all.plus(Range::fixed(2)),
            Range {
                min: 2,
                max: u64::MAX
            }
        );
        assert_eq!(all.times(Range::fixed(3)), all);
        assert_eq!(Range::fixed(11).scaled(0.1), Range::fixed(2));
        assert_eq!(all.scaled(0.1).max, 1_844_674_407_370_955_264);
    }
}
