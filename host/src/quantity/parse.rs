//! Reading quantities: what upstream's `ParseQuantity` accepts, its oddities included.

use std::str::FromStr;
use std::sync::Arc;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Zero};

use super::{Amount, Format, Quantity};

/// The longest run of digits that is read.
pub const MAX_DIGITS: usize = 4096;
/// The largest decimal exponent that is read (`1e1000`). Very small numbers round up to `1n`.
pub const MAX_EXPONENT: i64 = 1000;

/// Below this exponent even [`MAX_DIGITS`] digits are less than a nano.
const MIN_EXPONENT: i64 = -6000;
/// Decimal digits that always fit an `i64`.
const SMALL_DIGITS: usize = 18;
/// No number is more precise than this many decimal places.
const NANO: i32 = 9;

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number followed by a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// No digits.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// None of the known suffixes.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// More digits or a larger exponent than are supported.
    #[error(
        "quantity out of range: at most {MAX_DIGITS} digits and an exponent of at most {MAX_EXPONENT}"
    )]
    Range,
}

struct Parts<'a> {
    positive: bool,
    /// Digits before the point without leading zeros; `0` if there are none.
    num: &'a str,
    denom: &'a str,
    /// Whether there was any digit at all.
    digits: bool,
    suffix: &'a str,
}

enum Suffix {
    Decimal(i64, Format),
    Binary(u32),
}

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    if text == "0" {
        return Ok(Quantity {
            text: Some(Arc::from(text)),
            ..Quantity::default()
        });
    }
    let parts = split(text)?;
    let suffix = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
    if parts.num.len() > MAX_DIGITS || parts.denom.len() > MAX_DIGITS {
        return Err(QuantityError::Range);
    }
    if matches!(suffix, Suffix::Decimal(exponent, _) if exponent > MAX_EXPONENT) {
        return Err(QuantityError::Range);
    }
    match small(text, &parts, &suffix) {
        Some(quantity) => Ok(quantity),
        None => big(&parts, &suffix),
    }
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let (positive, rest) = match text.as_bytes().first() {
        Some(b'-') => (false, text.get(1..).unwrap_or_default()),
        Some(b'+') => (true, text.get(1..).unwrap_or_default()),
        _ => (true, text),
    };
    let number = rest.trim_start_matches('0');
    let zeros = number.len() < rest.len();
    let (num, rest) = take(number, |byte| byte.is_ascii_digit());
    let (denom, rest) = match rest.strip_prefix('.') {
        Some(rest) => take(rest, |byte| byte.is_ascii_digit()),
        None => ("", rest),
    };
    let (letters, tail) = take(rest, |byte| b"eEinumkKMGTP".contains(&byte));
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    let (_, tail) = take(tail, |byte| byte.is_ascii_digit());
    if !tail.is_empty() {
        return Err(QuantityError::Format);
    }
    debug_assert!(rest.starts_with(letters));
    Ok(Parts {
        positive,
        num: if num.is_empty() { "0" } else { num },
        denom,
        digits: zeros || !num.is_empty() || !denom.is_empty(),
        suffix: rest,
    })
}

fn take(text: &str, accept: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !accept(byte))
        .unwrap_or(text.len());
    // Only ASCII is accepted, so `end` is on a character boundary.
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn interpret(suffix: &str) -> Option<Suffix> {
    let decimal = |exponent| Some(Suffix::Decimal(exponent, Format::DecimalSi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => Some(Suffix::Binary(10)),
        "Mi" => Some(Suffix::Binary(20)),
        "Gi" => Some(Suffix::Binary(30)),
        "Ti" => Some(Suffix::Binary(40)),
        "Pi" => Some(Suffix::Binary(50)),
        "Ei" => Some(Suffix::Binary(60)),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent = i64::from_str(exponent).ok()?;
            Some(Suffix::Decimal(exponent, Format::DecimalExponent))
        }
    }
}

/// Numbers that certainly fit an `i64` with a scale; upstream decides by the count of digits.
fn small(text: &str, parts: &Parts<'_>, suffix: &Suffix) -> Option<Quantity> {
    let digits = parts.num.len() + parts.denom.len();
    let (scale, mantissa, format) = match *suffix {
        Suffix::Decimal(exponent, format) if digits <= SMALL_DIGITS => {
            let scale = i32::try_from(exponent).ok()?;
            (scale, 1i64, format)
        }
        Suffix::Binary(exponent)
            if parts.denom.is_empty() && parts.num.len() + (exponent as usize * 3 / 10) < 15 =>
        {
            (0, 1i64 << exponent, Format::BinarySi)
        }
        _ => return None,
    };
    let scale = scale.checked_sub(i32::try_from(parts.denom.len()).ok()?)?;
    if scale < -NANO {
        return None;
    }
    let shifted = [parts.num, parts.denom].concat();
    let number = i64::from_str(&shifted).ok()?;
    let value = number.checked_mul(mantissa)?;
    let value = if parts.positive { value } else { -value };
    let reuse = match format {
        Format::BinarySi => number & 0x07 != 0,
        _ => scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'),
    };
    Some(Quantity {
        amount: Amount::Small { value, scale },
        format,
        text: reuse.then(|| Arc::from(text)),
    })
}

fn big(parts: &Parts<'_>, suffix: &Suffix) -> Result<Quantity, QuantityError> {
    if !parts.digits {
        return Err(QuantityError::Numeric);
    }
    let mut unscaled =
        BigInt::from_str(&[parts.num, parts.denom].concat()).map_err(|_| QuantityError::Numeric)?;
    let mut scale = i64::try_from(parts.denom.len()).map_err(|_| QuantityError::Range)?;
    let mut format = match *suffix {
        Suffix::Decimal(exponent, format) => {
            scale -= exponent.max(MIN_EXPONENT);
            format
        }
        Suffix::Binary(exponent) => {
            unscaled <<= exponent;
            Format::BinarySi
        }
    };
    let mut scale = i32::try_from(scale).map_err(|_| QuantityError::Range)?;
    if !unscaled.is_zero() {
        // What is there but smaller than a nano is a nano: who asks for something gets something.
        let by = scale - NANO;
        let factor = BigInt::from(10).pow(by.unsigned_abs());
        unscaled = if by > 0 {
            unscaled.div_ceil(&factor)
        } else {
            unscaled * factor
        };
        scale = NANO;
    }
    if format == Format::BinarySi {
        let one = BigInt::from(10).pow(scale.unsigned_abs());
        let max = BigInt::from(i64::MAX) * &one;
        if unscaled > max {
            unscaled = BigInt::from(i64::MAX);
            scale = 0;
        } else if !unscaled.is_zero() && unscaled < BigInt::one() * one {
            format = Format::DecimalSi;
        }
    }
    if !parts.positive {
        unscaled = -unscaled;
    }
    Ok(Quantity {
        amount: Amount::Big {
            unscaled: Box::new(unscaled),
            scale,
        },
        format,
        text: None,
    })
}
