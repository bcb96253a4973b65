//! Writing quantities: the text that upstream's `CanonicalizeBytes` produces.
//!
//! One deviation: upstream drops the exponent of decimal numbers beyond `E` (10^21 prints as `1`).
//! Here they print with an exponent, `1e21`, which reads back as the same number.

use std::fmt;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::Zero;

use super::{Format, Quantity};

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return f.write_str(text);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        let (unscaled, scale) = self.big();
        if self.format == Format::BinarySi {
            let limit = Quantity::from_int(1024, Format::DecimalSi);
            let minus = Quantity::from_int(-1024, Format::DecimalSi);
            // Small and fractional numbers are not rounded but written as decimals.
            if (*self >= limit || *self <= minus)
                && let Some(whole) = whole(&unscaled, scale)
            {
                return write_binary(f, whole);
            }
        }
        write_decimal(f, unscaled, -scale, self.format)
    }
}

fn whole(unscaled: &BigInt, scale: i32) -> Option<BigInt> {
    let factor = BigInt::from(10).pow(scale.unsigned_abs());
    if scale <= 0 {
        return Some(unscaled * factor);
    }
    let (quotient, remainder) = unscaled.div_rem(&factor);
    remainder.is_zero().then_some(quotient)
}

fn write_binary(f: &mut fmt::Formatter<'_>, mut number: BigInt) -> fmt::Result {
    let mut suffix = "";
    for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
        let (quotient, remainder) = number.div_rem(&BigInt::from(1024));
        if !remainder.is_zero() {
            break;
        }
        number = quotient;
        suffix = larger;
    }
    write!(f, "{number}{suffix}")
}

fn write_decimal(
    f: &mut fmt::Formatter<'_>,
    mut number: BigInt,
    mut exponent: i32,
    format: Format,
) -> fmt::Result {
    let ten = BigInt::from(10);
    loop {
        let (quotient, remainder) = number.div_rem(&ten);
        if !remainder.is_zero() {
            break;
        }
        number = quotient;
        exponent += 1;
    }
    while exponent % 3 != 0 {
        number *= 10;
        exponent -= 1;
    }
    let suffix = match (format, exponent) {
        (_, 0) => "",
        (Format::DecimalExponent, _) => return write!(f, "{number}e{exponent}"),
        (_, -9) => "n",
        (_, -6) => "u",
        (_, -3) => "m",
        (_, 3) => "k",
        (_, 6) => "M",
        (_, 9) => "G",
        (_, 12) => "T",
        (_, 15) => "P",
        (_, 18) => "E",
        _ => return write!(f, "{number}e{exponent}"),
    };
    write!(f, "{number}{suffix}")
}
