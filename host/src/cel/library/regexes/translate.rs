//! From RE2's syntax to that of the `regex` crate.

use std::iter::Peekable;
use std::str::Chars;

/// How often RE2 lets something repeat.
const MAX_REPEAT: u32 = 1000;

/// How deeply groups may nest; upstream allows a thousand.
const MAX_DEPTH: u32 = 250;

/// The same pattern in the other syntax, or what is wrong with it, in RE2's words.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        open: 0,
        whole: pattern,
        repeats: vec![1],
    };
    translation.run()?;
    Ok(translation.out)
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    open: u32,
    whole: &'p str,
    /// For every open group, the largest product of counted repetitions inside of it.
    repeats: Vec<u32>,
}

impl Translation<'_> {
    fn problem(&self, problem: &str) -> String {
        format!("{problem}: `{}`", self.whole)
    }

    fn run(&mut self) -> Result<(), String> {
        // What a repetition operator would apply to, and the repetitions within it.
        let mut operand: Option<u32> = None;
        let mut repeated = false;
        while let Some(c) = self.rest.next() {
            let is_repetition = match c {
                '*' | '+' | '?' => true,
                '{' => self.counted_ahead(),
                _ => false,
            };
            if is_repetition {
                let Some(inner) = operand else {
                    return Err(self.problem("missing argument to repetition operator"));
                };
                if repeated {
                    return Err(self.problem("invalid nested repetition operator"));
                }
                let factor = self.repetition(c)?;
                if factor > MAX_REPEAT || factor.saturating_mul(inner) > MAX_REPEAT {
                    return Err(self.problem("invalid repeat count"));
                }
                self.note(factor.max(1).saturating_mul(inner));
                operand = Some(factor.max(1).saturating_mul(inner));
                repeated = true;
                continue;
            }
            repeated = false;
            operand = Some(1);
            match c {
                '\\' => {
                    if !self.escape(false)? {
                        operand = None;
                    }
                }
                '[' => self.class()?,
                '(' => {
                    if self.group()? {
                        self.repeats.push(1);
                        self.open += 1;
                        if self.open > MAX_DEPTH {
                            return Err(self.problem("expression nests too deeply"));
                        }
                    }
                    operand = None;
                }
                ')' => {
                    if self.open == 0 {
                        return Err(self.problem("unexpected )"));
                    }
                    self.open -= 1;
                    let inner = self.repeats.pop().unwrap_or(1);
                    self.note(inner);
                    operand = Some(inner);
                    self.out.push(')');
                }
                '|' => {
                    operand = None;
                    self.out.push('|');
                }
                // Not a count, so a character.
                '{' | '}' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                ']' => self.out.push_str("\\]"),
                c => self.out.push(c),
            }
        }
        if self.open > 0 {
            return Err(self.problem("missing closing )"));
        }
        Ok(())
    }

    fn note(&mut self, product: u32) {
        if let Some(largest) = self.repeats.last_mut() {
            *largest = (*largest).max(product);
        }
    }

    /// Whether what follows an opening brace is a count.
    fn counted_ahead(&self) -> bool {
        let rest: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let closed = self.rest.clone().any(|c| c == '}');
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        closed
            && match rest.split_once(',') {
                None => number(&rest),
                Some((least, most)) => number(least) && (most.is_empty() || number(most)),
            }
    }

    /// Copies a repetition operator and a `?` after it; gives how often it repeats.
    fn repetition(&mut self, c: char) -> Result<u32, String> {
        let mut factor = 1;
        self.out.push(c);
        if c == '{' {
            let mut count = String::new();
            for c in self.rest.by_ref() {
                self.out.push(c);
                if c == '}' {
                    break;
                }
                count.push(c);
            }
            let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
            let (least, most) = match count.split_once(',') {
                None => (number(&count), number(&count)),
                Some((least, "")) => (number(least), number(least)),
                Some((least, most)) => (number(least), number(most)),
            };
            if least > most || most > MAX_REPEAT {
                return Err(self.problem("invalid repeat count"));
            }
            factor = most;
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(factor)
    }

    /// The beginning of a group. False for flags that hold from here on.
    fn group(&mut self) -> Result<bool, String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(true);
        }
        self.out.push('?');
        if self.rest.peek() == Some(&'P') || self.rest.peek() == Some(&'<') {
            let mut name = String::new();
            if self.rest.next_if_eq(&'P').is_some() && self.rest.peek() != Some(&'<') {
                return Err(self.problem("invalid named capture"));
            }
            self.rest.next();
            let mut closed = false;
            for c in self.rest.by_ref() {
                if c == '>' {
                    closed = true;
                    break;
                }
                name.push(c);
            }
            let valid = !name.is_empty()
                && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !closed || !valid {
                return Err(self.problem("invalid named capture"));
            }
            // Names play no part in any answer, and the other syntax is stricter about them.
            self.out.truncate(self.out.len() - 1);
            return Ok(true);
        }
        let mut negative = false;
        let mut any = false;
        while let Some(c) = self.rest.next() {
            match c {
                'i' | 'm' | 's' | 'U' => any = true,
                '-' if !negative => {
                    negative = true;
                    any = false;
                }
                ':' | ')' if !negative || any => {
                    self.out.push(c);
                    return Ok(c == ':');
                }
                _ => return Err(self.problem("invalid or unsupported Perl syntax")),
            }
            self.out.push(c);
        }
        Err(self.problem("missing closing )"))
    }

    /// What follows a backslash. False if it is nothing that could be repeated.
    fn escape(&mut self, in_class: bool) -> Result<bool, String> {
        let Some(c) = self.rest.next() else {
            return Err(self.problem("trailing backslash at end of expression"));
        };
        match c {
            'd' => self.out.push_str(if in_class { "0-9" } else { "[0-9]" }),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str(if in_class { "\\t\\n\\f\\r " } else { "[\\t\\n\\f\\r ]" }),
            'S' => self.out.push_str("[^\\t\\n\\f\\r ]"),
            'b' if !in_class => self.out.push_str("(?-u:\\b)"),
            'B' if !in_class => self.out.push_str("(?-u:\\B)"),
            'A' | 'z' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'Q' if !in_class => {
                let mut any = false;
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    any = true;
                    self.literal(c);
                }
                return Ok(any);
            }
            'p' | 'P' => self.unicode_class(c)?,
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'x' => self.hexadecimal()?,
            '0'..='7' => {
                let next_is_octal = matches!(self.rest.peek(), Some('0'..='7'));
                if c != '0' && !next_is_octal {
                    return Err(self.problem("invalid escape sequence"));
                }
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    self.rest.next();
                    code = code * 8 + digit;
                }
                self.literal(char::from_u32(code).unwrap_or_default());
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => self.literal(c),
            _ => return Err(self.problem("invalid escape sequence")),
        }
        Ok(true)
    }

    /// A character that stands for itself, in and out of brackets.
    fn literal(&mut self, c: char) {
        self.out.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
    }

    fn hexadecimal(&mut self) -> Result<(), String> {
        let mut digits = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            let mut closed = false;
            for c in self.rest.by_ref() {
                if c == '}' {
                    closed = true;
                    break;
                }
                digits.push(c);
            }
            if !closed {
                return Err(self.problem("invalid escape sequence"));
            }
        } else {
            digits.extend(self.rest.by_ref().take(2));
            if digits.len() != 2 {
                return Err(self.problem("invalid escape sequence"));
            }
        }
        let code = (digits.len() <= 8)
            .then(|| u32::from_str_radix(&digits, 16).ok())
            .flatten()
            .and_then(char::from_u32);
        match code {
            Some(c) if !digits.starts_with('+') => {
                self.literal(c);
                Ok(())
            }
            _ => Err(self.problem("invalid escape sequence")),
        }
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}` and their opposites.
    fn unicode_class(&mut self, c: char) -> Result<(), String> {
        let mut name = String::new();
        match self.rest.next() {
            Some('{') => {
                let mut closed = false;
                for c in self.rest.by_ref() {
                    if c == '}' {
                        closed = true;
                        break;
                    }
                    name.push(c);
                }
                if !closed {
                    return Err(self.problem("invalid character class range"));
                }
            }
            Some(letter) => name.push(letter),
            None => return Err(self.problem("invalid character class range")),
        }
        let mut negative = c == 'P';
        if let Some(rest) = name.strip_prefix('^') {
            negative = !negative;
            name = rest.to_owned();
        }
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
            return Err(self.problem("invalid character class range"));
        }
        let letter = if negative { 'P' } else { 'p' };
        self.out.push_str(&format!("\\{letter}{{{name}}}"));
        Ok(())
    }

    /// A class in brackets, whose opening one was read.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.next() else {
                return Err(self.problem("missing closing ]"));
            };
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.rest.peek() == Some(&':') => self.posix_class()?,
                '\\' => {
                    self.escape(true)?;
                }
                '-' => {
                    // A range, unless it stands at an end.
                    let at_end = first || self.rest.peek() == Some(&']');
                    if at_end {
                        self.literal('-');
                    } else {
                        self.out.push('-');
                    }
                }
                c if c.is_alphanumeric() => self.out.push(c),
                c => self.literal(c),
            }
            first = false;
        }
    }

    /// `[:alpha:]`, whose opening bracket was read; a bracket that begins none stands for itself.
    fn posix_class(&mut self) -> Result<(), String> {
        let ahead: String = self.rest.clone().take(12).collect();
        let Some(end) = ahead.find(":]") else {
            self.literal('[');
            return Ok(());
        };
        let name = ahead.get(1..end).unwrap_or_default();
        let plain = name.strip_prefix('^').unwrap_or(name);
        let known = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        if !known.contains(&plain) {
            return Err(self.problem("invalid character class range"));
        }
        self.out.push_str(&format!("[:{name}:]"));
        for _ in 0..end + 2 {
            self.rest.next();
        }
        Ok(())
    }
}
