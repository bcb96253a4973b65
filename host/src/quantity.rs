//! Exact Kubernetes quantities (`k8s.io/apimachinery/pkg/api/resource.Quantity`).
//!
//! Selectors compare them, counters and capacities are sums of them, and what an allocation
//! consumes is written back into the claim. All three must agree with the API server to the last
//! digit, so nothing here is a float. As upstream, a number small enough is an `i64` with a decimal
//! scale, and everything else a big integer with a scale; the two are told apart in what they
//! answer ([`Quantity::as_int`] knows only the first kind), so the distinction is kept.
//!
//! One deviation: upstream takes exponents up to 2^31 and computes with as many digits. Here a
//! number has at most [`MAX_DIGITS`] digits and an exponent of at most [`MAX_EXPONENT`].

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

mod parse;
mod print;

pub use parse::{MAX_DIGITS, MAX_EXPONENT, QuantityError};

/// The suffix family in which a quantity was written and is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `12Mi`.
    BinarySi,
    /// `12M`.
    DecimalSi,
}

/// An exact decimal number with the suffix family it was written in.
///
/// Equality and order are those of the number: `1Ki == 1024`.
#[derive(Debug, Clone)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text it was parsed from, where upstream would print that text again.
    text: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Amount {
    /// `value * 10^scale`.
    Small { value: i64, scale: i32 },
    /// `unscaled * 10^-scale`.
    Big { unscaled: Box<BigInt>, scale: i32 },
}

impl Default for Quantity {
    fn default() -> Self {
        Self::from_int(0, Format::DecimalSi)
    }
}

impl Quantity {
    /// A whole number, printed in `format`.
    #[must_use]
    pub const fn from_int(value: i64, format: Format) -> Self {
        Self {
            amount: Amount::Small { value, scale: 0 },
            format,
            text: None,
        }
    }

    /// `value / 1000`, printed in `format`.
    #[must_use]
    pub const fn from_milli(value: i64, format: Format) -> Self {
        Self {
            amount: Amount::Small { value, scale: -3 },
            format,
            text: None,
        }
    }

    /// Reads a quantity exactly as the API server does.
    ///
    /// # Errors
    /// What upstream refuses, and numbers beyond [`MAX_DIGITS`] or [`MAX_EXPONENT`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    /// The suffix family.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn sign(&self) -> i32 {
        match &self.amount {
            Amount::Small { value, .. } => value.signum() as i32,
            Amount::Big { unscaled, .. } => match unscaled.sign() {
                num_bigint::Sign::Minus => -1,
                num_bigint::Sign::NoSign => 0,
                num_bigint::Sign::Plus => 1,
            },
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    /// The number as an integer, if it is one and upstream finds that out without big numbers
    /// (`AsInt64`): CEL's `isInteger` and `asInteger` are this.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.amount {
            Amount::Small { value, scale: 0 } => Some(value),
            Amount::Small { value, scale } if scale > 0 => scale_up(value, scale),
            _ => None,
        }
    }

    /// The nearest float, computed as upstream does (`AsApproximateFloat64`).
    #[must_use]
    pub fn approximate_float(&self) -> f64 {
        let (base, exponent) = match &self.amount {
            Amount::Small { value, scale } => (*value as f64, *scale),
            Amount::Big { unscaled, scale } => {
                // Parsing decimal digits rounds to nearest even, as upstream's big float does.
                let base = f64::from_str(&unscaled.to_string()).unwrap_or(f64::NAN);
                (base, scale.saturating_neg())
            }
        };
        if exponent == 0 {
            base
        } else {
            base * pow10_float(exponent)
        }
    }

    /// The number rounded up to a whole one (away from zero); overflow behaves as upstream's
    /// `Value()`, so compare first where it matters.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// A thousand times the number rounded up (away from zero), as upstream's `MilliValue()`.
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    fn scaled_value(&self, scale: i32) -> i64 {
        match &self.amount {
            Amount::Small { value, scale: own } if *own < scale => {
                scale_down(*value, scale.saturating_sub(*own)).0
            }
            Amount::Small { value, scale: own } => {
                scale_up(*value, own.saturating_sub(scale)).unwrap_or(0)
            }
            Amount::Big {
                unscaled,
                scale: own,
            } => {
                let down = i64::from(*own) + i64::from(scale);
                if down <= 0 {
                    let factor = BigInt::from(10).pow(u32::try_from(-down).unwrap_or(0));
                    return wrap(&(&**unscaled * factor));
                }
                let factor = BigInt::from(10).pow(u32::try_from(down).unwrap_or(0));
                // Rounds up, not away from zero: that is upstream's asymmetry for big numbers.
                let quotient = num_integer::Integer::div_ceil(&**unscaled, &factor);
                wrap(&quotient)
            }
        }
    }

    /// The number in nanos, unless that takes more than 128 bits.
    #[must_use]
    pub fn nanos(&self) -> Option<i128> {
        match &self.amount {
            Amount::Small { value: 0, .. } => Some(0),
            Amount::Small { value, scale } => {
                let factor = 10i128.checked_pow(u32::try_from(scale.checked_add(9)?).ok()?)?;
                i128::from(*value).checked_mul(factor)
            }
            Amount::Big { unscaled, scale } => {
                let factor = 10i128.checked_pow(u32::try_from(9i32.checked_sub(*scale)?).ok()?)?;
                unscaled.to_i128()?.checked_mul(factor)
            }
        }
    }

    /// A number given in nanos, printed as a decimal or, where it is a multiple of 1024, as binary.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Self {
        let kibi = 1024 * 1_000_000_000;
        Self {
            amount: Amount::Big {
                unscaled: Box::new(BigInt::from(nanos)),
                scale: 9,
            },
            format: if nanos % kibi == 0 {
                Format::BinarySi
            } else {
                Format::DecimalSi
            },
            text: None,
        }
    }

    /// Adds `other`; zero takes over the suffix family of what is added to it.
    pub fn add(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        if let (Amount::Small { value: a, scale: s }, Amount::Small { value: b, scale: t }) =
            (&self.amount, &other.amount)
            && let Some((value, scale)) = add_small(*a, *s, *b, *t)
        {
            self.amount = Amount::Small { value, scale };
            return;
        }
        self.add_big(other, false);
    }

    /// Subtracts `other`; zero takes over the suffix family of what is subtracted from it.
    pub fn sub(&mut self, other: &Self) {
        self.text = None;
        if self.is_zero() {
            self.format = other.format;
        }
        if let (Amount::Small { value: a, scale: s }, Amount::Small { value: b, scale: t }) =
            (&self.amount, &other.amount)
            && let Some((value, scale)) = b.checked_neg().and_then(|b| add_small(*a, *s, b, *t))
        {
            self.amount = Amount::Small { value, scale };
            return;
        }
        self.add_big(other, true);
    }

    fn add_big(&mut self, other: &Self, negate: bool) {
        let (a, s) = self.big();
        let (b, t) = other.big();
        let scale = s.max(t);
        let a = rescale(a, s, scale);
        let b = rescale(b, t, scale);
        self.amount = Amount::Big {
            unscaled: Box::new(if negate { a - b } else { a + b }),
            scale,
        };
    }

    /// The number as `unscaled * 10^-scale`.
    fn big(&self) -> (BigInt, i32) {
        match &self.amount {
            Amount::Small { value, scale } => (BigInt::from(*value), scale.saturating_neg()),
            Amount::Big { unscaled, scale } => ((**unscaled).clone(), *scale),
        }
    }

    /// Whether upstream's `==` on two quantities that were never changed since they were parsed
    /// holds: the same representation, family and remembered text. A `default` that is the same
    /// number in other words is not identical to a request.
    #[must_use]
    pub fn identical(&self, other: &Self) -> bool {
        match (&self.amount, &other.amount) {
            (Amount::Small { value: a, scale: s }, Amount::Small { value: b, scale: t }) => {
                a == b && s == t && self.format == other.format && self.text == other.text
            }
            _ => false,
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Amount::Small { value: a, scale: s }, Amount::Small { value: b, scale: t }) =
            (&self.amount, &other.amount)
        {
            if s == t {
                return a.cmp(b);
            }
            // 2^63 * 10^18 fits into an i128.
            let (wide_a, wide_b) = (i128::from(*a), i128::from(*b));
            let ten = |n: i32| 10i128.pow(n.unsigned_abs());
            match s.saturating_sub(*t) {
                up @ 1..=18 => return (wide_a * ten(up)).cmp(&wide_b),
                down @ -18..=-1 => return wide_a.cmp(&(wide_b * ten(down))),
                _ => {}
            }
        }
        let (a, s) = self.big();
        let (b, t) = other.big();
        if a.sign() != b.sign() || a.is_zero() {
            return a.sign().cmp(&b.sign());
        }
        let scale = s.max(t);
        rescale(a, s, scale).cmp(&rescale(b, t, scale))
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal numbers hash alike: trailing zeros go into the scale first.
        let (mut unscaled, mut scale) = self.big();
        if unscaled.is_zero() {
            scale = 0;
        }
        while !unscaled.is_zero() && (&unscaled % 10u32).is_zero() {
            unscaled /= 10u32;
            scale = scale.saturating_sub(1);
        }
        unscaled.hash(state);
        scale.hash(state);
    }
}

/// `a * 10^s + b * 10^t` at the smaller scale, unless that overflows.
fn add_small(a: i64, s: i32, b: i64, t: i32) -> Option<(i64, i32)> {
    if b == 0 {
        return Some((a, s));
    }
    if a == 0 {
        return Some((b, t));
    }
    match s.cmp(&t) {
        Ordering::Equal => Some((a.checked_add(b)?, s)),
        Ordering::Greater => Some((scale_up(a, s.checked_sub(t)?)?.checked_add(b)?, t)),
        Ordering::Less => Some((a.checked_add(scale_up(b, t.checked_sub(s)?)?)?, s)),
    }
}

/// `value * 10^by`, unless that overflows.
fn scale_up(value: i64, by: i32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    value.checked_mul(10i64.checked_pow(u32::try_from(by).ok()?)?)
}

/// `value / 10^by` rounded away from zero, and whether that is exact.
fn scale_down(value: i64, by: i32) -> (i64, bool) {
    let divisor = u32::try_from(by).ok().and_then(|by| 10i64.checked_pow(by));
    let Some(divisor) = divisor else {
        return (value.signum(), value == 0);
    };
    let quotient = value / divisor;
    if value % divisor == 0 {
        (quotient, true)
    } else {
        (quotient + value.signum(), false)
    }
}

/// Brings `unscaled * 10^-from` to the scale `to >= from`.
fn rescale(unscaled: BigInt, from: i32, to: i32) -> BigInt {
    match u32::try_from(i64::from(to) - i64::from(from)) {
        Ok(0) | Err(_) => unscaled,
        Ok(by) => unscaled * BigInt::from(10).pow(by),
    }
}

/// The low 64 bits, as Go's `big.Int.Int64`.
fn wrap(number: &BigInt) -> i64 {
    number.to_i64().unwrap_or_else(|| {
        let low = (number.abs() & BigInt::from(u64::MAX))
            .to_u64()
            .unwrap_or(0) as i64;
        if number.is_negative() {
            low.wrapping_neg()
        } else {
            low
        }
    })
}

/// Go's `math.Pow10`: two exact table entries multiplied, hence not always the nearest float.
fn pow10_float(n: i32) -> f64 {
    let entry = |n: i32| f64::from_str(&format!("1e{n}")).unwrap_or(f64::NAN);
    match n {
        0..=308 => entry(n / 32 * 32) * entry(n % 32),
        -323..=-1 => entry(-(-n / 32 * 32)) / entry(-n % 32),
        _ if n > 0 => f64::INFINITY,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
