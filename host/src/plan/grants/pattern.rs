//! The pattern language of grants.
//!
//! A pattern is the text itself, in which `*` stands for any run of characters but `/`, the empty run
//! too. That is all of it: `/dev/nvidia*` admits `/dev/nvidia0` and not `/dev/nvidia-caps/nvidia-cap1`.
//! A text with `.` or `..` between slashes is admitted by no `*`, so that a path cannot climb out of
//! where a pattern put it, and there is no way to write a `*` that stands for itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a pattern.
const MOST_BYTES: usize = 4096;

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing would match.
    #[error("is empty")]
    Empty,
    /// Longer than what it could match.
    #[error("has {0} bytes; at most {MOST_BYTES} can match")]
    TooLong(usize),
    /// NUL, line breaks and their like.
    #[error("{0:?} holds a control character")]
    Control(String),
    /// A slash where there can be none.
    #[error("{0:?} holds `/`; write a name")]
    Slash(String),
    /// No absolute path.
    #[error("{0:?} is no plain absolute path; write one without `.`, `..`, `//` and a last `/`")]
    NoPath(String),
    /// No relative path.
    #[error(
        "{0:?} is no plain path below a folder; write one without `.`, `..`, `//`, and `/` at either end"
    )]
    NotBelow(String),
}

/// Whether `value` matches `pattern`.
fn matches(pattern: &str, value: &str) -> bool {
    if !pattern.contains('*') {
        return pattern == value;
    }
    let mut patterns = pattern.split('/');
    let mut values = value.split('/');
    loop {
        match (patterns.next(), values.next()) {
            (None, None) => return true,
            (Some(pattern), Some(value)) => {
                if matches!(value, "." | "..") || !segment(pattern.as_bytes(), value.as_bytes()) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// Matches without slashes: each part between stars is found at its first place, and the last at the end.
fn segment(pattern: &[u8], value: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let found = rest.windows(part.len()).position(|window| window == part);
        let Some(after) = found.and_then(|at| rest.get(at + part.len()..)) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether a path starts at the root and says what it means; `/` itself is none.
pub(in crate::plan) fn plain_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(plain_below)
}

fn plain_below(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    path.len() <= MOST_BYTES && !path.contains(char::is_control) && path.split('/').all(plain)
}

fn text(pattern: &str) -> Result<(), PatternError> {
    match pattern {
        "" => Err(PatternError::Empty),
        long if long.len() > MOST_BYTES => Err(PatternError::TooLong(long.len())),
        odd if odd.contains(char::is_control) => Err(PatternError::Control(odd.to_owned())),
        _ => Ok(()),
    }
}

fn name(pattern: &str) -> Result<(), PatternError> {
    text(pattern)?;
    if pattern.contains('/') {
        return Err(PatternError::Slash(pattern.to_owned()));
    }
    Ok(())
}

fn path(pattern: &str) -> Result<(), PatternError> {
    text(pattern)?;
    if plain_path(pattern) {
        return Ok(());
    }
    Err(PatternError::NoPath(pattern.to_owned()))
}

fn below(pattern: &str) -> Result<(), PatternError> {
    text(pattern)?;
    if plain_below(pattern) {
        return Ok(());
    }
    Err(PatternError::NotBelow(pattern.to_owned()))
}

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Whether the pattern admits a value. What is sensitive is admitted by its full name alone.
            #[must_use]
            pub fn admits(&self, value: &str, sensitive: bool) -> bool {
                $check(value).is_ok() && matches(&self.0, value) && !(sensitive && !self.is_literal())
            }

            /// Whether there is no `*` in it.
            #[must_use]
            pub fn is_literal(&self) -> bool {
                !self.0.contains('*')
            }

            /// The pattern that admits just this; none where there is none.
            #[must_use]
            pub fn just(value: &str) -> Option<Self> {
                Self::try_from(value.to_owned()).ok().filter(Self::is_literal)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PatternError;

            fn try_from(pattern: String) -> Result<Self, PatternError> {
                $check(&pattern)?;
                Ok(Self(pattern))
            }
        }

        impl From<$name> for String {
            fn from(pattern: $name) -> Self {
                pattern.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

pattern! {
    /// A pattern for names: there is no `/` in it.
    Name name
}
pattern! {
    /// A pattern for absolute paths.
    Path path
}
pattern! {
    /// A pattern for paths below a folder.
    Below below
}
pattern! {
    /// A pattern for any text, such as an argument.
    Words text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(pattern: &str) -> Path {
        Path::try_from(pattern.to_owned()).unwrap()
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        let nodes = path("/dev/nvidia*");
        for (value, admitted) in [
            ("/dev/nvidia0", true),
            ("/dev/nvidia", true),
            ("/dev/nvidia-caps/nvidia-cap1", false),
            ("/dev/nvidia*", true),
            ("/dev/nvidi", false),
            ("/xdev/nvidia0", false),
        ] {
            assert_eq!(nodes.admits(value, false), admitted, "{value}");
        }
        let libraries = path("/usr/lib/*/lib*.so.*");
        assert!(libraries.admits("/usr/lib/x86_64-linux-gnu/libcuda.so.1", false));
        assert!(!libraries.admits("/usr/lib/libcuda.so.1", false));
    }

    #[test]
    fn no_path_climbs_out() {
        let all = path("/run/example/*");
        for value in [
            "/run/example/..",
            "/run/example/.",
            "/run/example/",
            "/run/example/../x",
            "/run/example//x",
            "run/example/x",
            "/run/example/x\0",
            "/run/example/x\n",
        ] {
            assert!(!all.admits(value, false), "{value:?}");
        }
    }

    #[test]
    fn parts_between_stars_are_found_in_order_and_do_not_overlap() {
        let pattern = Name::try_from("ab*ba*ab".to_owned()).unwrap();
        assert!(pattern.admits("abbaab", false));
        assert!(pattern.admits("abxbaxab", false));
        assert!(!pattern.admits("abaab", false));
        assert!(!pattern.admits("ab", false));
        let doubled = Name::try_from("a**b".to_owned()).unwrap();
        assert!(doubled.admits("ab", false) && doubled.admits("axb", false));
        assert!(!doubled.admits("a", false));
    }

    #[test]
    fn what_is_sensitive_needs_its_full_name() {
        let star = Name::try_from("LD_*".to_owned()).unwrap();
        assert!(star.admits("LD_PRELOAD", false));
        assert!(!star.admits("LD_PRELOAD", true));
        assert!(Name::just("LD_PRELOAD").unwrap().admits("LD_PRELOAD", true));
        assert_eq!(Name::just("LD_*"), None);
    }

    #[test]
    fn patterns_that_say_something_else_than_they_mean_are_refused() {
        for wrong in [
            "", "dev/x", "/", "/a/../b", "/a//b", "/a/./b", "/a/", "/a\nb",
        ] {
            assert!(Path::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
        assert!(Name::try_from("a/b".to_owned()).is_err());
        assert!(Below::try_from("/power/control".to_owned()).is_err());
        assert!(Below::try_from("power/control".to_owned()).is_ok());
        assert!(Path::try_from("x".repeat(5000)).is_err());
    }
}
