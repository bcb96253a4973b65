//! A second, naive reading of Kubernetes quantities, so that answers and the verifier do not lean on
//! the reading that they check.

/// The value in billionths, if it fits and is not finer; upstream's `Quantity.Cmp` is this order.
#[must_use]
pub fn billionths(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(digits.len());
    let (number, suffix) = digits.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (factor, mut exponent) = suffix_of(suffix)?;
    let significant = format!("{whole}{}", fraction.trim_end_matches('0'));
    let mut value: i128 = significant
        .trim_start_matches('0')
        .parse()
        .or_else(|error| {
            if significant.chars().all(|c| c == '0') {
                Ok(0)
            } else {
                Err(error)
            }
        })
        .ok()?;
    exponent += 9 - i32::try_from(fraction.trim_end_matches('0').len()).ok()?;
    value = value.checked_mul(factor)?;
    while exponent > 0 && value != 0 {
        value = value.checked_mul(10)?;
        exponent -= 1;
    }
    while exponent < 0 && value != 0 {
        if value % 10 != 0 {
            return None;
        }
        value /= 10;
        exponent += 1;
    }
    Some(if negative { -value } else { value })
}

/// The binary factor and the decimal exponent that a suffix stands for.
fn suffix_of(suffix: &str) -> Option<(i128, i32)> {
    let decimal = |exponent| Some((1, exponent));
    let binary = |power: u32| Some((1_i128 << (10 * power), 0));
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
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::billionths;

    const ONE: i128 = 1_000_000_000;

    #[test]
    fn suffixes_exponents_and_fractions_are_read_exactly() {
        assert_eq!(billionths("1"), Some(ONE));
        assert_eq!(billionths("-1.50"), Some(-ONE * 3 / 2));
        assert_eq!(billionths("1500m"), billionths("1.5"));
        assert_eq!(billionths("1Ki"), billionths("1024"));
        assert_eq!(billionths("0.5Gi"), billionths("512Mi"));
        assert_eq!(billionths("12e6"), billionths("12M"));
        assert_eq!(billionths("1E3"), billionths("1k"));
        assert_eq!(billionths("0"), Some(0));
        assert_eq!(billionths("1n"), Some(1));
    }

    #[test]
    fn what_is_no_quantity_or_too_fine_is_none() {
        for text in [
            "",
            "-",
            "Gi",
            "1x",
            "1 Gi",
            "0.1n",
            "1e",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(billionths(text), None, "{text:?}");
        }
    }
}
