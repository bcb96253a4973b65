use super::*;

fn q(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn prints_the_canonical_form() {
    for (text, printed) in [
        ("0", "0"),
        ("00", "0"),
        ("+", "0"),
        (".", "0"),
        ("1.5", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1000", "1k"),
        ("1100", "1100"),
        ("12e6", "12e6"),
        ("12000e3", "12e6"),
        ("0.1m", "100u"),
        ("0.1n", "1n"),
        ("1e-20", "1e-9"),
        ("-0.1n", "-1n"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("0.0001Ki", "102400u"),
        ("+5", "+5"),
        ("005", "005"),
        ("8Ki", "8Ki"),
        ("1025Ki", "1025Ki"),
        ("100Ei", "9223372036854775807"),
        ("123456789012345678901", "123456789012345678901"),
        ("1e21", "1e21"),
        ("1000E", "1e21"),
        ("40Gi", "40Gi"),
        ("1500m", "1500m"),
    ] {
        assert_eq!(q(text).to_string(), printed, "{text}");
    }
}

#[test]
fn refuses_what_upstream_refuses() {
    use QuantityError as E;
    for (text, error) in [
        ("", E::Format),
        ("1.1.1", E::Format),
        (" 1", E::Format),
        ("1 ", E::Format),
        ("1x", E::Format),
        ("ä", E::Format),
        ("1e", E::Suffix),
        ("1-", E::Suffix),
        ("1K", E::Suffix),
        ("1mi", E::Suffix),
        ("1e9999999999999999999", E::Suffix),
        (".e-20", E::Numeric),
        ("1e1001", E::Range),
    ] {
        assert_eq!(Quantity::parse(text).err(), Some(error), "{text}");
    }
    assert_eq!(Quantity::parse(&"9".repeat(5000)), Err(E::Range));
}

#[test]
fn compares_as_numbers_whatever_the_suffix() {
    assert_eq!(q("1Ki"), q("1024"));
    assert_eq!(q("1"), q("1000m"));
    assert!(q("1Gi") > q("1G"));
    assert!(q("-1") < q("1n"));
    assert!(q("1e30") > q("1E"));
    assert!(q("1e500") > q("123456789012345678901"));
    assert!(q("1n") < q("1E"));
    assert_eq!(q("0.000"), q("0Ki"));
}

#[test]
fn adds_and_subtracts_exactly_beyond_64_bits() {
    let mut sum = q("9223372036854775807");
    sum.add(&q("1"));
    assert_eq!(sum, q("9223372036854775808"));
    sum.sub(&q("1"));
    assert_eq!(sum.to_string(), "9223372036854775807");
    let mut small = q("1");
    small.sub(&q("1n"));
    assert_eq!(small.to_string(), "999999999n");
    let mut zero = q("0");
    zero.add(&q("2Gi"));
    assert_eq!(
        (zero.to_string().as_str(), zero.format()),
        ("2Gi", Format::BinarySi)
    );
    let mut empty = q("2Gi");
    empty.sub(&q("2Gi"));
    assert!(empty.is_zero());
}

#[test]
fn rounds_values_away_from_zero() {
    assert_eq!(q("1.1").value(), 2);
    assert_eq!(q("-1.1").value(), -2);
    assert_eq!(q("1500u").milli_value(), 2);
    assert_eq!(q("1Ki").milli_value(), 1_024_000);
    assert_eq!(q("123456789012345678901n").value(), 123_456_789_013);
}

#[test]
fn knows_which_numbers_are_integers_to_upstream() {
    assert_eq!(q("1k").as_int(), Some(1000));
    assert_eq!(q("1000m").as_int(), None);
    assert_eq!(q("1.5").as_int(), None);
    assert_eq!(q("1Ki").as_int(), Some(1024));
    assert_eq!(q("1e30").as_int(), None);
    assert_eq!(q("9223372036854775807").as_int(), None);
}

#[test]
fn approximates_floats() {
    assert_eq!(q("1.5").approximate_float().to_bits(), 1.5f64.to_bits());
    assert_eq!(
        q("1Gi").approximate_float().to_bits(),
        1_073_741_824f64.to_bits()
    );
    assert_eq!(q("1e30").approximate_float().to_bits(), 1e30f64.to_bits());
    assert!(q("1e400").approximate_float().is_infinite());
}

#[test]
fn equal_numbers_hash_alike() {
    use std::hash::BuildHasher;
    let state = std::hash::RandomState::new();
    assert_eq!(state.hash_one(q("1k")), state.hash_one(q("1000000m")));
    assert_eq!(state.hash_one(q("0")), state.hash_one(q("0Ki")));
}

#[test]
fn identity_is_stricter_than_equality() {
    assert!(q("1Gi").identical(&q("1Gi")));
    assert!(!q("1Gi").identical(&q("1024Mi")));
    assert!(!q("1").identical(&q("1000m")));
}
