//! Tokens: the lexical grammar of CEL, longest match first.

use super::ErrorKind;
use super::source::Problem;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Ident,
    /// An identifier in back quotes, good for fields only.
    EscapedIdent,
    Int,
    Uint,
    Float,
    String,
    Bytes,
    /// An operator, a bracket, or one of the words `in`, `true`, `false`, `null`.
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// A token and the bytes of the source that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    /// The text of the token in the source it was read from.
    pub(crate) fn text<'s>(&self, source: &'s str) -> &'s str {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Operators and brackets, longer ones before their prefixes.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%",
];

/// Words that are no identifiers.
const WORDS: [&str; 4] = ["in", "true", "false", "null"];

/// The tokens of `source`, ending with one [`TokenKind::End`].
pub(crate) fn lex(source: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::with_capacity(source.len() / 4);
    let mut rest = source;
    loop {
        rest = skip_blank(rest);
        let start = source.len() - rest.len();
        let (kind, length) = if rest.is_empty() {
            (TokenKind::End, 0)
        } else {
            next(rest).ok_or_else(|| {
                let shown: String = rest.chars().take(20).collect();
                Problem::at(
                    ErrorKind::Syntax,
                    offset(start),
                    format!("Syntax error: token recognition error at: '{shown}'"),
                )
            })?
        };
        tokens.push(Token {
            kind,
            start: offset(start),
            end: offset(start + length),
        });
        if kind == TokenKind::End {
            return Ok(tokens);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Sources are bounded far below 4 GiB before they come here.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn skip_blank(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
        match rest.strip_prefix("//") {
            Some(comment) => {
                rest = comment
                    .find('\n')
                    .and_then(|newline| comment.get(newline..))
                    .unwrap_or_default();
            }
            None => return rest,
        }
    }
}

/// The longest token at the start of `rest`, and its length in bytes.
fn next(rest: &str) -> Option<(TokenKind, usize)> {
    if let Some(length) = number(rest) {
        return Some(length);
    }
    if let Some(length) = string(rest) {
        return Some((TokenKind::String, length));
    }
    if let Some(length) = rest.strip_prefix(['b', 'B']).and_then(string) {
        return Some((TokenKind::Bytes, length + 1));
    }
    let word = count(rest, |c| c.is_ascii_alphanumeric() || c == '_');
    if word > 0 {
        let text = rest.get(..word)?;
        let keyword = WORDS.iter().find(|keyword| **keyword == text);
        return Some((
            keyword.map_or(TokenKind::Ident, |keyword| TokenKind::Symbol(keyword)),
            word,
        ));
    }
    if let Some(inner) = rest.strip_prefix('`') {
        let name = count(inner, |c| {
            c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ')
        });
        let closed = inner.get(name..)?.starts_with('`');
        return (name > 0 && closed).then_some((TokenKind::EscapedIdent, name + 2));
    }
    SYMBOLS
        .iter()
        .find(|symbol| rest.starts_with(**symbol))
        .map(|symbol| (TokenKind::Symbol(symbol), symbol.len()))
}

fn count(text: &str, accept: impl Fn(char) -> bool) -> usize {
    text.find(|c| !accept(c)).unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    count(text, |c| c.is_ascii_digit())
}

fn number(rest: &str) -> Option<(TokenKind, usize)> {
    let suffixed = |length: usize| match rest.get(length..)?.strip_prefix(['u', 'U']) {
        Some(_) => Some((TokenKind::Uint, length + 1)),
        None => Some((TokenKind::Int, length)),
    };
    if let Some(hex) = rest.strip_prefix("0x") {
        let length = count(hex, |c| c.is_ascii_hexdigit());
        if length > 0 {
            return suffixed(length + 2);
        }
    }
    let whole = digits(rest);
    let fraction = rest.get(whole..)?.strip_prefix('.').map_or(0, digits);
    let mantissa = if fraction > 0 {
        whole + 1 + fraction
    } else {
        whole
    };
    if mantissa == 0 {
        return None;
    }
    let exponent = exponent(rest.get(mantissa..)?);
    if fraction > 0 || exponent > 0 {
        return Some((TokenKind::Float, mantissa + exponent));
    }
    suffixed(whole)
}

fn exponent(rest: &str) -> usize {
    let Some(after_e) = rest.strip_prefix(['e', 'E']) else {
        return 0;
    };
    let after_sign = after_e.strip_prefix(['+', '-']).unwrap_or(after_e);
    match digits(after_sign) {
        0 => 0,
        length => rest.len() - after_sign.len() + length,
    }
}

/// The length of a string literal with its prefix and quotes.
fn string(rest: &str) -> Option<usize> {
    let (raw, quoted) = match rest.strip_prefix(['r', 'R']) {
        Some(quoted) => (true, quoted),
        None => (false, rest),
    };
    let prefix = rest.len() - quoted.len();
    for quote in ["\"\"\"", "'''", "\"", "'"] {
        if let Some(body) = quoted.strip_prefix(quote)
            && let Some(length) = string_body(body, quote, raw)
        {
            return Some(prefix + 2 * quote.len() + length);
        }
    }
    None
}

/// The length of what stands before the closing quote.
fn string_body(body: &str, quote: &str, raw: bool) -> Option<usize> {
    let one_line = quote.len() == 1;
    let mut at = 0;
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at);
        }
        let c = rest.chars().next()?;
        at += match c {
            '\\' if !raw => escape(rest)?,
            '\n' | '\r' if one_line => return None,
            _ => c.len_utf8(),
        };
    }
}

/// The length of the escape sequence at the start of `rest`, backslash included.
fn escape(rest: &str) -> Option<usize> {
    let (kind, digits) = rest.as_bytes().get(1).zip(rest.as_bytes().get(2..))?;
    let hex = |length: usize| {
        digits
            .get(..length)?
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then_some(2 + length)
    };
    match kind {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => {
            Some(2)
        }
        b'x' | b'X' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        b'0'..=b'3' => digits
            .get(..2)?
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'7'))
            .then_some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<&str> {
        let tokens = lex(source).unwrap();
        tokens.iter().map(|token| token.text(source)).collect()
    }

    fn kinds(source: &str) -> Vec<TokenKind> {
        let tokens = lex(source).unwrap();
        tokens.iter().map(|token| token.kind).collect()
    }

    #[test]
    fn the_longest_token_wins() {
        assert_eq!(tokens("a<=b"), ["a", "<=", "b", ""]);
        assert_eq!(tokens("1.5e3.x"), ["1.5e3", ".", "x", ""]);
        assert_eq!(tokens("1.x"), ["1", ".", "x", ""]);
        assert_eq!(tokens("1ex"), ["1", "ex", ""]);
        assert_eq!(tokens("0x1Fu"), ["0x1Fu", ""]);
        assert_eq!(tokens("inner in trues"), ["inner", "in", "trues", ""]);
    }

    #[test]
    fn comments_and_blanks_are_skipped() {
        assert_eq!(tokens("a // b\n\t+ c // d"), ["a", "+", "c", ""]);
    }

    #[test]
    fn numbers_know_their_kind() {
        use TokenKind::{End, Float, Int, Uint};
        assert_eq!(
            kinds("1 1u .5 1e5 0xAu"),
            [Int, Uint, Float, Float, Uint, End]
        );
    }

    #[test]
    fn strings_end_at_their_own_quotes() {
        assert_eq!(
            tokens(r#""a\"b" 'c"' r"\d" b'x' bR'y' '' "#),
            [
                r#""a\"b""#,
                r#"'c"'"#,
                r#"r"\d""#,
                "b'x'",
                "bR'y'",
                "''",
                ""
            ]
        );
        let long = "\"\"\"a\n\"b\" \"\"\"";
        assert_eq!(tokens(long), [long, ""]);
    }

    #[test]
    fn what_is_no_token_is_an_error_with_its_place() {
        let error = lex("true && #").unwrap_err();
        assert_eq!(error.position, Some(8));
        assert!(lex("'open").is_err());
        assert!(lex(r"'\q'").is_err());
        assert!(lex("a = b").is_err());
        assert!(lex("'two\nlines'").is_err());
    }
}
