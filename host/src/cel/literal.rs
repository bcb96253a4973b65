//! The values of literals: numbers in their bases, strings with their escapes undone.

use super::ast::Literal;

/// Why a literal has no value.
pub(crate) type Invalid = &'static str;

const NOT_A_STRING: Invalid = "unable to unescape string";

/// The value of an int literal; `negative` if a minus sign belongs to it.
pub(crate) fn int(text: &str, negative: bool) -> Result<Literal, Invalid> {
    let (digits, base) = based(text);
    let value = if negative {
        i64::from_str_radix(&format!("-{digits}"), base)
    } else {
        i64::from_str_radix(digits, base)
    };
    value.map(Literal::Int).map_err(|_| "invalid int literal")
}

/// The value of a uint literal, suffix included.
pub(crate) fn uint(text: &str) -> Result<Literal, Invalid> {
    let (digits, base) = based(text.trim_end_matches(['u', 'U']));
    let value = u64::from_str_radix(digits, base);
    value.map(Literal::Uint).map_err(|_| "invalid uint literal")
}

/// The value of a floating-point literal; one too large is an error.
pub(crate) fn double(text: &str, negative: bool) -> Result<Literal, Invalid> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => {
            Ok(Literal::Double(if negative { -value } else { value }))
        }
        _ => Err("invalid double literal"),
    }
}

fn based(text: &str) -> (&str, u32) {
    text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16))
}

/// The value of a string literal, prefix and quotes included. Escaped numbers are code points.
pub(crate) fn string(text: &str) -> Result<Literal, Invalid> {
    let (raw, body) = unquoted(text);
    let body = with_unix_newlines(body);
    let mut value = String::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some(c) = rest.chars().next() {
        if c != '\\' || raw {
            value.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (code, tail) = match escape(rest)? {
            (Escape::Char(c), tail) => (u32::from(c), tail),
            (Escape::Byte(code) | Escape::Unicode(code), tail) => (code, tail),
        };
        value.push(char::from_u32(code).ok_or("invalid unicode code point")?);
        rest = tail;
    }
    Ok(Literal::String(value.into()))
}

/// The value of a bytes literal, prefix and quotes included. Escaped numbers are bytes.
pub(crate) fn bytes(text: &str) -> Result<Literal, Invalid> {
    let (raw, body) = unquoted(text.get(1..).unwrap_or_default());
    let body = with_unix_newlines(body);
    let mut value = Vec::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some(c) = rest.chars().next() {
        if c != '\\' || raw {
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (byte, tail) = match escape(rest)? {
            (Escape::Char(c), tail) => (u8::try_from(c).map_err(|_| NOT_A_STRING)?, tail),
            (Escape::Byte(code), tail) => (u8::try_from(code).map_err(|_| NOT_A_STRING)?, tail),
            (Escape::Unicode(_), _) => return Err(NOT_A_STRING),
        };
        value.push(byte);
        rest = tail;
    }
    Ok(Literal::Bytes(value.into()))
}

/// Whether the literal is raw, and what stands between its quotes.
fn unquoted(text: &str) -> (bool, &str) {
    let quoted = text.trim_start_matches(['r', 'R']);
    let raw = quoted.len() < text.len();
    for quote in ["\"\"\"", "'''", "\"", "'"] {
        if quoted.len() >= 2 * quote.len()
            && let Some(open) = quoted.strip_prefix(quote)
            && let Some(body) = open.strip_suffix(quote)
        {
            return (raw, body);
        }
    }
    (raw, quoted)
}

fn with_unix_newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

enum Escape {
    Char(char),
    /// Written in octal or as two hexadecimal digits.
    Byte(u32),
    /// Written as four or eight hexadecimal digits.
    Unicode(u32),
}

/// The escape sequence at the start of `rest`, which is a backslash, and what follows it.
fn escape(rest: &str) -> Result<(Escape, &str), Invalid> {
    let mut chars = rest.chars();
    let (_, kind) = (chars.next(), chars.next().ok_or(NOT_A_STRING)?);
    let number = |from: usize, length: usize, base: u32| {
        let digits = rest.get(from..from + length).ok_or(NOT_A_STRING)?;
        let value = u32::from_str_radix(digits, base).map_err(|_| NOT_A_STRING)?;
        Ok((value, rest.get(from + length..).unwrap_or_default()))
    };
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '\'' | '"' | '`' | '?' => kind,
        'x' | 'X' => return number(2, 2, 16).map(|(code, tail)| (Escape::Byte(code), tail)),
        'u' => return number(2, 4, 16).map(|(code, tail)| (Escape::Unicode(code), tail)),
        'U' => return number(2, 8, 16).map(|(code, tail)| (Escape::Unicode(code), tail)),
        '0'..='3' => return number(1, 3, 8).map(|(code, tail)| (Escape::Byte(code), tail)),
        _ => return Err(NOT_A_STRING),
    };
    Ok((Escape::Char(plain), chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_reach_both_ends_of_their_range() {
        assert_eq!(int("9223372036854775808", true), Ok(Literal::Int(i64::MIN)));
        assert!(int("9223372036854775808", false).is_err());
        assert_eq!(int("0x10", true), Ok(Literal::Int(-16)));
        assert_eq!(uint("0xFFu"), Ok(Literal::Uint(255)));
        assert!(uint("18446744073709551616u").is_err());
        assert!(double("1e400", false).is_err());
    }

    #[test]
    fn strings_are_code_points_and_bytes_are_bytes() {
        let text = |value: &str| Ok(Literal::String(value.into()));
        assert_eq!(string(r#""a\x41\101\u00e9\n""#), text("aAA\u{e9}\n"));
        assert_eq!(string(r#"r"a\x""#), text(r"a\x"));
        assert_eq!(string("'''a\r\nb'''"), text("a\nb"));
        assert_eq!(string("''''''"), text(""));
        assert_eq!(string(r"'\ud800'"), Err("invalid unicode code point"));
        let byte = |value: &[u8]| Ok(Literal::Bytes(value.into()));
        assert_eq!(bytes(r"b'\xff\377é'"), byte(b"\xff\xff\xc3\xa9"));
        assert_eq!(bytes(r"b'\u0041'"), Err(NOT_A_STRING));
    }
}
