//! Whole numbers from one to another: `44`, or `"100-199"`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A run of numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Span {
    first: u32,
    last: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    One(u32),
    Run(String),
}

impl Span {
    /// Just one number.
    #[must_use]
    pub fn one(number: u32) -> Self {
        Self {
            first: number,
            last: number,
        }
    }

    /// The first number.
    #[must_use]
    pub fn first(self) -> u32 {
        self.first
    }

    /// The last number.
    #[must_use]
    pub fn last(self) -> u32 {
        self.last
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn holds(self, number: u32) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

impl TryFrom<Written> for Span {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::One(number) => return Ok(Self::one(number)),
            Written::Run(text) => text,
        };
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!(
                "{text:?} is no number and no run of numbers like \"0-7\""
            )),
        }
    }
}

impl From<Span> for Written {
    fn from(span: Span) -> Self {
        if span.first == span.last {
            Self::One(span.first)
        } else {
            Self::Run(span.to_string())
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.first)?;
        if self.last > self.first {
            write!(out, "-{}", self.last)?;
        }
        Ok(())
    }
}
