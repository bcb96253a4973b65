//! Floats from text and to text, as Go's `strconv` does it.

/// From this decimal exponent on, shortest digits are written with an exponent.
const SHORTEST_EXPONENT: i32 = 6;

/// The integer part, within upstream's bounds (which leave out the least integer).
#[expect(clippy::cast_possible_truncation, reason = "the integer part is meant")]
pub(crate) fn to_int(value: f64) -> Option<i64> {
    (value > -9_223_372_036_854_775_808.0 && value < 9_223_372_036_854_775_808.0)
        .then_some(value as i64)
}

/// The integer part, if it is one of 64 bits without a sign.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked before"
)]
pub(crate) fn to_uint(value: f64) -> Option<u64> {
    (0.0..18_446_744_073_709_551_616.0)
        .contains(&value)
        .then_some(value as u64)
}

/// Go's `%g`: the shortest digits that read back, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn general(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..SHORTEST_EXPONENT).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}

/// Go's `ParseFloat`: decimal and hexadecimal, infinities and NaN in any case; what overflows is
/// refused.
pub(crate) fn double_from_text(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let negative = text.starts_with('-');
    match lower.as_str() {
        "inf" | "infinity" => {
            return Some(if negative {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        "nan" => return (unsigned.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    let value = match lower.strip_prefix("0x") {
        Some(digits) => {
            let value = hexadecimal(digits)?;
            if negative { -value } else { value }
        }
        None => {
            if !lower
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte))
            {
                return None;
            }
            text.parse::<f64>().ok()?
        }
    };
    value.is_finite().then_some(value)
}

/// Digits of a hexadecimal float after `0x`: a mantissa and a binary exponent, which must be there.
fn hexadecimal(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for digit in whole.chars().chain(fraction.chars()).filter(|c| *c != '_') {
        value = value.mul_add(16.0, f64::from(digit.to_digit(16)?));
    }
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value * 2f64.powi(shift))
}
