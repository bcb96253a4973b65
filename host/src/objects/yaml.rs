//! YAML text to trees, with bounds on everything an author could make grow.
//!
//! The parser hands out events one at a time and keeps no document of its own, so the bounds hold
//! before memory is spent: nesting by [`DEPTH_MAX`], and aliases by a budget of copied values (a
//! "billion laughs" document stops after [`ALIASED_VALUES_MAX`]).

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::problem::Finding;
use super::scalar;
use super::tree::{DEPTH_MAX, Entry, Tree, Value};

/// How many values aliases may copy in one document.
pub(crate) const ALIASED_VALUES_MAX: usize = 100_000;

/// The documents of a chunk of YAML whose first line is `first_line` of its file.
///
/// Usually one: files are split at `---` before. More come only from `...` within a chunk.
pub(crate) fn parse(text: &str, first_line: usize) -> Result<Vec<Tree>, Finding> {
    let mut builder = Builder {
        first_line,
        ..Builder::default()
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            Finding::at(
                builder.line(error.marker()),
                format!("this is not YAML: {}", error.info()),
                "",
            )
        })?;
        builder.take(event, &span.start)?;
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    first_line: usize,
    documents: Vec<Tree>,
    /// Collections begun and not yet ended, outermost first.
    open: Vec<Open>,
    anchors: BTreeMap<usize, Tree>,
    aliased: usize,
}

struct Open {
    anchor: usize,
    line: usize,
    kind: Collection,
}

/// A key that waits for its value.
enum Key {
    Name(String, usize),
    /// A plain `<<`.
    Merge,
}

enum Collection {
    List(Vec<Tree>),
    Map {
        entries: Vec<Entry>,
        key: Option<Key>,
        /// Values of `<<` keys, applied when the mapping ends.
        merges: Vec<Tree>,
    },
}

impl Builder {
    fn line(&self, marker: &Marker) -> usize {
        self.first_line + marker.line().saturating_sub(1)
    }

    fn take(&mut self, event: Event<'_>, at: &Marker) -> Result<(), Finding> {
        let line = self.line(at);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" && self.begin_merge() => {
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref());
                self.place(Tree { line, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(anchor, line, Collection::List(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                let kind = Collection::Map {
                    entries: Vec::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.begin(anchor, line, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, line),
        }
    }

    /// Notes that the next value of the innermost mapping is to be merged into it.
    fn begin_merge(&mut self) -> bool {
        match self.open.last_mut().map(|open| &mut open.kind) {
            Some(Collection::Map {
                key: key @ None, ..
            }) => {
                *key = Some(Key::Merge);
                true
            }
            _ => false,
        }
    }

    fn begin(&mut self, anchor: usize, line: usize, kind: Collection) -> Result<(), Finding> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(line));
        }
        if let Some(Open {
            kind: Collection::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err(Finding::at(
                line,
                "a key of a mapping is itself a list or mapping, keys of Kubernetes objects are \
                 strings",
                "if this is a template placeholder like {{ name }}, render the template first",
            ));
        }
        self.open.push(Open { anchor, line, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Finding> {
        let Some(Open { anchor, line, kind }) = self.open.pop() else {
            return Ok(());
        };
        let value = match kind {
            Collection::List(items) => Value::List(items),
            Collection::Map {
                mut entries,
                merges,
                ..
            } => {
                for merge in merges {
                    merge_into(&mut entries, merge, line)?;
                }
                Value::Map(entries)
            }
        };
        self.place(Tree { line, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Finding> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(Finding::at(
                line,
                "an alias (*name) points to an anchor (&name) that encloses it or is not there",
                "write the value out",
            ));
        };
        self.aliased = self.aliased.saturating_add(target.size());
        if self.aliased > ALIASED_VALUES_MAX {
            return Err(Finding::at(
                line,
                format!("aliases copy more than {ALIASED_VALUES_MAX} values in this document"),
                "write the values out, or split the document",
            ));
        }
        if self.open.len() + target.depth() > DEPTH_MAX {
            return Err(too_deep(line));
        }
        let copy = Tree {
            line,
            value: target.value.clone(),
        };
        self.place(copy, 0)
    }

    /// Puts a finished value where it belongs: into the innermost open collection.
    fn place(&mut self, tree: Tree, anchor: usize) -> Result<(), Finding> {
        if anchor != 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push(tree),
            Some(Collection::List(items)) => items.push(tree),
            Some(Collection::Map {
                entries,
                key,
                merges,
            }) => match key.take() {
                None => *key = Some(Key::Name(key_text(tree.value, tree.line)?, tree.line)),
                Some(Key::Merge) => merges.push(tree),
                Some(Key::Name(key, line)) => entries.push(Entry {
                    key,
                    line,
                    value: tree,
                }),
            },
        }
        Ok(())
    }
}

fn too_deep(line: usize) -> Finding {
    Finding::at(
        line,
        format!("the document nests deeper than {DEPTH_MAX} levels"),
        "no Kubernetes object needs that; look for a runaway generator",
    )
}

fn key_text(value: Value, line: usize) -> Result<String, Finding> {
    match value {
        Value::String(text) | Value::Number(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null => Ok("null".to_owned()),
        Value::List(_) | Value::Map(_) => {
            Err(Finding::at(line, "a key of a mapping must be a string", ""))
        }
    }
}

/// YAML's merge key: what the mapping does not set itself comes from the merged ones.
fn merge_into(entries: &mut Vec<Entry>, merge: Tree, line: usize) -> Result<(), Finding> {
    let sources = match merge.value {
        Value::List(items) => items,
        value => vec![Tree {
            line: merge.line,
            value,
        }],
    };
    for source in sources {
        let Value::Map(more) = source.value else {
            return Err(Finding::at(
                line,
                "the merge key << takes a mapping or a list of mappings",
                "write << : *anchor, where the anchor names a mapping",
            ));
        };
        for entry in more {
            if !entries.iter().any(|own| own.key == entry.key) {
                entries.push(entry);
            }
        }
    }
    Ok(())
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let suffix = tag
        .filter(|tag| tag.is_yaml_core_schema())
        .map(|tag| tag.suffix.as_str());
    match suffix {
        Some("str" | "binary") => Value::String(text.to_owned()),
        Some(_) => scalar::resolve(text),
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => Value::String(text.to_owned()),
    }
}
