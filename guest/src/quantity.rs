//! Exact Kubernetes quantities.

use std::fmt;
use std::str::FromStr;

use crate::bindings::exports::supercargo::policy::types;

const NANOS: u32 = 1_000_000_000;

/// An exact Kubernetes quantity: so many units (bytes, pieces) and billionths of one.
///
/// ```
/// use supercargo_guest::Quantity;
///
/// let memory: Quantity = "80Gi".parse()?;
/// assert_eq!(memory.units(), 80 << 30);
/// assert!(memory > Quantity::new(1 << 30));
/// assert_eq!(memory.checked_sub("79Gi".parse()?), Some(Quantity::new(1 << 30)));
/// # Ok::<(), supercargo_guest::ParseQuantityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    units: i64,
    nanos: u32,
}

impl Quantity {
    /// Nothing.
    ///
    /// ```
    /// assert_eq!(supercargo_guest::Quantity::ZERO.units(), 0);
    /// ```
    pub const ZERO: Self = Self::new(0);

    /// So many whole units.
    ///
    /// ```
    /// assert_eq!(supercargo_guest::Quantity::new(8).units(), 8);
    /// ```
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self { units, nanos: 0 }
    }

    /// The greatest whole number not above it.
    ///
    /// ```
    /// let half: supercargo_guest::Quantity = "1500m".parse()?;
    /// assert_eq!(half.units(), 1);
    /// # Ok::<(), supercargo_guest::ParseQuantityError>(())
    /// ```
    #[must_use]
    pub const fn units(self) -> i64 {
        self.units
    }

    /// The billionths above [`Quantity::units`].
    ///
    /// ```
    /// let half: supercargo_guest::Quantity = "1500m".parse()?;
    /// assert_eq!(half.nanos(), 500_000_000);
    /// # Ok::<(), supercargo_guest::ParseQuantityError>(())
    /// ```
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The sum, if it can be held.
    ///
    /// ```
    /// use supercargo_guest::Quantity;
    /// assert_eq!(Quantity::new(1).checked_add(Quantity::new(2)), Some(Quantity::new(3)));
    /// assert_eq!(Quantity::new(i64::MAX).checked_add(Quantity::new(1)), None);
    /// ```
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let nanos = self.nanos.checked_add(other.nanos)?;
        let carry = i64::from(nanos / NANOS);
        let units = self.units.checked_add(other.units)?.checked_add(carry)?;
        Some(Self {
            units,
            nanos: nanos % NANOS,
        })
    }

    /// The difference, if it can be held.
    ///
    /// ```
    /// use supercargo_guest::Quantity;
    /// assert_eq!(Quantity::new(1).checked_sub(Quantity::new(2)), Some(Quantity::new(-1)));
    /// ```
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let (borrow, nanos) = match self.nanos.checked_sub(other.nanos) {
            Some(nanos) => (0, nanos),
            None => (1, self.nanos.checked_add(NANOS)?.checked_sub(other.nanos)?),
        };
        let units = self.units.checked_sub(other.units)?.checked_sub(borrow)?;
        Some(Self { units, nanos })
    }
}

impl From<types::Quantity> for Quantity {
    fn from(quantity: types::Quantity) -> Self {
        Self {
            units: quantity.units,
            nanos: quantity.nanos,
        }
    }
}

impl From<Quantity> for types::Quantity {
    fn from(quantity: Quantity) -> Self {
        Self {
            units: quantity.units,
            nanos: quantity.nanos,
        }
    }
}

/// Kubernetes' own form where it is a whole number, else a decimal fraction.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return write!(f, "{}", self.units);
        }
        let nanos = i128::from(self.units) * i128::from(NANOS) + i128::from(self.nanos);
        let sign = if nanos < 0 { "-" } else { "" };
        let nanos = nanos.unsigned_abs();
        let fraction = format!("{:09}", nanos % u128::from(NANOS));
        write!(
            f,
            "{sign}{}.{}",
            nanos / u128::from(NANOS),
            fraction.trim_end_matches('0')
        )
    }
}

/// A text that is no quantity, or one too great to hold.
///
/// ```
/// use supercargo_guest::Quantity;
/// assert!("80GB".parse::<Quantity>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseQuantityError(String);

impl fmt::Display for ParseQuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no quantity; write digits, perhaps a fraction, and perhaps one of \
             n u m k M G T P E Ki Mi Gi Ti Pi Ei, such as 80Gi or 1500m",
            self.0
        )
    }
}

impl std::error::Error for ParseQuantityError {}

/// Reads what fixtures and parameters hold. Finer than a billionth is rounded away from zero, as
/// Kubernetes does.
impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseQuantityError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 30 {
        return None;
    }
    let (multiplier, divisor) = scale(suffix)?;
    let digits = whole.bytes().chain(fraction.bytes());
    let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    // In billionths; 30 digits times 2^60 is more than 128 bits, hence the checks.
    let places = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let top = value
        .checked_mul(multiplier)?
        .checked_mul(i128::from(NANOS))?;
    let bottom = places.checked_mul(divisor)?;
    let nanos = top.checked_add(bottom - 1)? / bottom;
    let nanos = if negative { -nanos } else { nanos };
    Some(Quantity {
        units: i64::try_from(nanos.div_euclid(i128::from(NANOS))).ok()?,
        nanos: u32::try_from(nanos.rem_euclid(i128::from(NANOS))).ok()?,
    })
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    if let Some(exponent) = suffix
        .strip_prefix(['e', 'E'])
        .filter(|rest| !rest.is_empty())
    {
        let exponent: i32 = exponent.parse().ok()?;
        let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
        return Some(if exponent < 0 { (1, power) } else { (power, 1) });
    }
    Some(match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "" => (1, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn suffixes_and_fractions_are_exact() {
        assert_eq!(quantity("1.5Gi"), Quantity::new(3 << 29));
        assert_eq!(
            quantity("100m"),
            Quantity {
                units: 0,
                nanos: 100_000_000
            }
        );
        assert_eq!(quantity("2e3"), Quantity::new(2000));
        assert_eq!(quantity("1E"), Quantity::new(1_000_000_000_000_000_000));
        assert_eq!(quantity("0.1n"), Quantity { units: 0, nanos: 1 });
    }

    #[test]
    fn a_negative_quantity_is_a_floor_and_a_rest() {
        assert_eq!(
            quantity("-500m"),
            Quantity {
                units: -1,
                nanos: 500_000_000
            }
        );
        assert_eq!(quantity("-500m").to_string(), "-0.5");
        assert!(quantity("-1") < quantity("-500m"));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            ".",
            "1.2.3",
            "12GB",
            "9999999999999999999",
            "1e99",
            "--1",
            "x",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn sums_carry_and_differences_borrow() {
        assert_eq!(
            quantity("600m").checked_add(quantity("600m")),
            Some(quantity("1200m"))
        );
        assert_eq!(
            quantity("1").checked_sub(quantity("300m")),
            Some(quantity("700m"))
        );
    }
}
