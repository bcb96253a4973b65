//! What is wrong with the input, told so that its author can fix it.

use std::fmt;
use std::sync::Arc;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Notice,
    /// The object is good, but what it needs is not there yet: its pods stay pending.
    Pending,
    /// The document cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notice => "notice",
            Self::Pending => "pending",
            Self::Error => "error",
        })
    }
}

/// One thing wrong in one place, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// The file as it was named when reading.
    pub file: Arc<str>,
    /// The document in the file, counted from 1; 0 when the whole file is meant.
    pub document: usize,
    /// The line in the file, counted from 1.
    pub line: usize,
    /// `Kind namespace/name`, as far as known.
    pub object: Option<String>,
    /// The field, like `spec.devices.requests[0].exactly.count`; empty for the whole document.
    pub path: String,
    /// What is wrong, with the value found.
    pub message: String,
    /// What to do; empty when the message says it all.
    pub cure: String,
}

impl fmt::Display for Problem {
    /// `error: file.yaml:12: DeviceClass gpu, spec.selectors[0]: message` and, on a second line,
    /// the cure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match (&self.object, self.document) {
            (Some(object), _) => write!(f, ": {object}")?,
            (None, 0) => {}
            (None, document) => write!(f, ": document {document}")?,
        }
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.cure.is_empty() {
            write!(f, "\n  to fix: {}", self.cure)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A problem within a document, before it is known which document of which file that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) line: usize,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) cure: String,
}

impl Finding {
    pub(crate) fn at(line: usize, message: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            line,
            path: String::new(),
            message: message.into(),
            cure: cure.into(),
        }
    }
}
