//! Semantic versions, as `github.com/blang/semver` reads and orders them.

use std::cmp::Ordering;

use super::Function;
use crate::cel::evaluate::{Failure, Frame};
use crate::cel::value::{Text, Value};

/// A version, borrowing its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<'t> {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    /// What stands between `-` and `+`.
    pre: Option<&'t str>,
}

impl<'t> Version<'t> {
    /// Reads a version; the problem is upstream's text.
    pub(crate) fn parse(text: &'t str) -> Result<Self, String> {
        if let Some((major, minor, patch)) = plain(text.as_bytes()) {
            return Ok(Self {
                major,
                minor,
                patch,
                pre: None,
            });
        }
        Self::parse_any(text)
    }

    #[cold]
    fn parse_any(text: &'t str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Version string empty".to_owned());
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let major = number(major, "major", "Major")?;
        let minor = number(minor, "minor", "Minor")?;
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        let (patch, pre) = match rest.split_once('-') {
            Some((patch, pre)) => (patch, Some(pre)),
            None => (rest, None),
        };
        let patch = number(patch, "patch", "Patch")?;
        for identifier in pre.into_iter().flat_map(|pre| pre.split('.')) {
            check_prerelease(identifier)?;
        }
        for identifier in build.into_iter().flat_map(|build| build.split('.')) {
            if identifier.is_empty() {
                return Err("Build meta data is empty".to_owned());
            }
            if !identifier.bytes().all(is_identifier) {
                return Err(format!(
                    "Invalid character(s) found in build meta data {identifier:?}"
                ));
            }
        }
        Ok(Self {
            major,
            minor,
            patch,
            pre,
        })
    }

    /// The version of a text that was read before.
    pub(crate) fn of(text: &'t str) -> Result<Self, Failure> {
        Self::parse(text).map_err(Failure::argument)
    }

    /// The order; build meta data has no part in it.
    pub(crate) fn cmp(&self, other: &Version<'_>) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| match (self.pre, other.pre) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) => compare_prereleases(a, b),
            })
    }
}

/// Whether the text is a version of three numbers and nothing else: what it says is not read.
pub(crate) fn is_plain(text: &str) -> bool {
    plain(text.as_bytes()).is_some()
}

/// The numbers of a version that has nothing else, in one pass: nearly all versions are so.
fn plain(text: &[u8]) -> Option<(u64, u64, u64)> {
    // No number of nineteen digits is too large.
    if text.len() > 19 {
        return None;
    }
    let mut numbers = [0u64; 3];
    let mut rest = text.iter();
    for (place, number) in numbers.iter_mut().enumerate() {
        let mut digits = 0;
        loop {
            match rest.next() {
                Some(digit @ b'0'..=b'9') => {
                    // A zero in front.
                    if digits > 0 && *number == 0 {
                        return None;
                    }
                    *number = *number * 10 + u64::from(digit - b'0');
                    digits += 1;
                }
                Some(b'.') if digits > 0 && place < 2 => break,
                None if digits > 0 && place == 2 => break,
                _ => return None,
            }
        }
    }
    let [major, minor, patch] = numbers;
    Some((major, minor, patch))
}

fn number(digits: &str, name: &str, title: &str) -> Result<u64, String> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {name} number {digits:?}"
        ));
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(format!(
            "{title} number must not contain leading zeroes {digits:?}"
        ));
    }
    digits.parse().map_err(|_| {
        format!(
            "strconv.ParseUint: parsing {digits:?}: {}",
            if digits.is_empty() {
                "invalid syntax"
            } else {
                "value out of range"
            }
        )
    })
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn check_prerelease(identifier: &str) -> Result<(), String> {
    if identifier.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
        if identifier.len() > 1 && identifier.starts_with('0') {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {identifier:?}"
            ));
        }
        if identifier.parse::<u64>().is_err() {
            return Err(format!(
                "strconv.ParseUint: parsing {identifier:?}: value out of range"
            ));
        }
        return Ok(());
    }
    if identifier.bytes().all(is_identifier) {
        return Ok(());
    }
    Err(format!(
        "Invalid character(s) found in prerelease {identifier:?}"
    ))
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let order = match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// Upstream's lenient reading: a `v` in front, missing numbers, zeros in front of numbers.
fn normalize(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            if part.len() <= 1 {
                return part.to_owned();
            }
            let trimmed = part.trim_start_matches('0');
            if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
                trimmed.to_owned()
            } else {
                format!("0{trimmed}")
            }
        })
        .collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    let text = parts.join(".");
    Version::parse(&text)?;
    Ok(text)
}

/// The text of a version, as the arguments ask for it; the inner problem is upstream's.
fn read<'a>(args: &[Value<'a>]) -> Result<Result<Text<'a>, String>, Failure> {
    match args {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => {
            Ok(Version::parse(text.as_str()).map(|_| text.clone()))
        }
        [Value::String(text), Value::Bool(true)] => Ok(normalize(text.as_str()).map(Text::from)),
        _ => Err(Failure::no_such_overload()),
    }
}

fn semver<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    read(args)?.map(Value::Semver).map_err(Failure::argument)
}

fn is_semver<'a>(_: &mut Frame<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Failure> {
    Ok(Value::Bool(read(args)?.is_ok()))
}

fn part<'a>(args: &[Value<'a>], part: impl Fn(&Version<'_>) -> u64) -> Result<Value<'a>, Failure> {
    match args {
        [Value::Semver(text)] => Ok(Value::Int(part(&Version::of(text.as_str())?).cast_signed())),
        _ => Err(Failure::no_such_overload()),
    }
}

/// The order of two versions.
pub(crate) fn compare(a: &str, b: &str) -> Result<Ordering, Failure> {
    Ok(Version::of(a)?.cmp(&Version::of(b)?))
}

/// The functions on versions alone; what quantities share is in [`super::quantities`].
pub(crate) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "semver" => semver,
        "isSemver" => is_semver,
        "major" => |_, args| part(args, |version| version.major),
        "minor" => |_, args| part(args, |version| version.minor),
        "patch" => |_, args| part(args, |version| version.patch),
        _ => return None,
    })
}
