//! Where in an object a field stands, without allocating until somebody asks.
//!
//! A path is a list linked through the stack frames of whatever walks the object; it is written out
//! only when there is something to say about the field.

use std::fmt;

use super::tree::{Tree, Value};

/// One step into an object.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    /// A key the user chose, as in labels or attributes: written in brackets.
    Key(&'a str),
    /// A level that v1 has and the document's own version has not.
    Unwritten,
}

/// A field path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Path<'a> {
    last: Option<(&'a Path<'a>, Step<'a>)>,
}

impl<'a> Path<'a> {
    pub(crate) const fn root() -> Self {
        Self { last: None }
    }

    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        Self {
            last: Some((self, Step::Field(name))),
        }
    }

    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self {
            last: Some((self, Step::Index(index))),
        }
    }

    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        Self {
            last: Some((self, Step::Key(key))),
        }
    }

    pub(crate) const fn unwritten(&'a self) -> Self {
        Self {
            last: Some((self, Step::Unwritten)),
        }
    }

    fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut here = *self;
        while let Some((parent, step)) = here.last {
            steps.push(step);
            here = *parent;
        }
        steps.reverse();
        steps
    }

    /// The line of the field, or of the innermost part of the path that is there.
    pub(crate) fn line_in(&self, tree: &Tree) -> usize {
        let mut here = tree;
        let mut line = tree.line;
        for step in self.steps() {
            let found = match (step, &here.value) {
                (Step::Unwritten, _) => continue,
                (Step::Field(name) | Step::Key(name), Value::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key == name)
                    .map(|e| (e.line, &e.value)),
                (Step::Index(index), Value::List(items)) => {
                    items.get(index).map(|item| (item.line, item))
                }
                _ => None,
            };
            let Some((at, next)) = found else { break };
            (line, here) = (at, next);
        }
        line
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for step in self.steps() {
            match step {
                Step::Field(name) if first => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key}]")?,
                Step::Unwritten => continue,
            }
            first = false;
        }
        Ok(())
    }
}
