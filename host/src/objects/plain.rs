//! One YAML or JSON document that is no Kubernetes object: a configuration file.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Problem;
use super::documents;
use super::problem::{Finding, Severity};
use super::tree::{Tree, Value};

/// A document as a JSON value that still knows its lines.
#[derive(Debug, Clone)]
pub struct Plain {
    /// The value.
    pub value: Json,
    tree: Tree,
}

impl Plain {
    /// The line of the field at `path` (`rules[2].policy`), or of the innermost one around it that
    /// is written.
    pub fn line_of(&self, path: &str) -> usize {
        let mut here = &self.tree;
        let mut line = here.line;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (&here.value, step.strip_suffix(']')) {
                (Value::List(items), Some(index)) => {
                    let item = index
                        .parse::<usize>()
                        .ok()
                        .and_then(|index| items.get(index));
                    item.map(|item| (item.line, item))
                }
                (Value::Map(entries), None) => {
                    let entry = entries.iter().find(|entry| entry.key == step);
                    entry.map(|entry| (entry.line, &entry.value))
                }
                _ => None,
            };
            let Some((found, value)) = next else { break };
            (line, here) = (found, value);
        }
        line
    }
}

/// Reads a file that holds one document.
///
/// # Errors
/// The text is neither YAML nor JSON, holds no document or several, or writes a key twice.
pub fn plain(file: &str, text: &str) -> Result<Plain, Box<Problem>> {
    let split = documents::split(file, text);
    let findings = split
        .separators
        .into_iter()
        .map(|(_, finding)| Err(finding));
    let documents = split.documents.into_iter().map(|document| document.content);
    let read: Result<Vec<Tree>, Finding> = findings.chain(documents).collect();
    let one = read.and_then(|mut trees| match (trees.pop(), trees.is_empty()) {
        (Some(tree), true) => value(&tree).map(|value| Plain { value, tree }),
        (None, _) => Err(Finding::at(1, "the file is empty", "write one document")),
        (Some(tree), false) => Err(Finding::at(
            tree.line,
            "a second document begins here",
            "keep one document",
        )),
    });
    one.map_err(|finding| {
        Box::new(Problem {
            severity: Severity::Error,
            file: Arc::from(file),
            document: 0,
            line: finding.line,
            object: None,
            path: finding.path,
            message: finding.message,
            cure: finding.cure,
        })
    })
}

fn value(tree: &Tree) -> Result<Json, Finding> {
    Ok(match &tree.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(text) => text.parse().map(Json::Number).map_err(|_| {
            Finding::at(
                tree.line,
                format!("the number {text} is out of range"),
                "write a smaller one",
            )
        })?,
        Value::String(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let mut map = serde_json::Map::new();
            for entry in entries {
                if map
                    .insert(entry.key.clone(), value(&entry.value)?)
                    .is_some()
                {
                    let message = format!("`{}` is written twice", entry.key);
                    return Err(Finding::at(entry.line, message, "keep one of them"));
                }
            }
            Json::Object(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "policies:\n- name: a\n  wasm: a.wasm\n- name: b\n  settings:\n    group: 4\n";

    #[test]
    fn a_document_is_a_value_with_lines() {
        let read = plain("c.yaml", TEXT).unwrap();
        assert_eq!(read.value["policies"][1]["settings"]["group"], 4);
        assert_eq!(read.line_of("policies[1].settings.group"), 6);
        assert_eq!(read.line_of("policies[0].wsm"), 2);
        assert_eq!(read.line_of("nothing"), 1);
    }

    #[test]
    fn what_is_not_one_document_is_refused_with_its_line() {
        let refusal = |text| plain("c.yaml", text).unwrap_err().to_string();
        assert!(refusal("a: 1\na: 2\n").starts_with("error: c.yaml:2: `a` is written twice"));
        assert!(refusal("a: 1\n---\nb: 2\n").contains("second document"));
        assert!(refusal("").contains("empty"), "{}", refusal(""));
        assert!(refusal("a: [\n").contains("not YAML"));
    }
}
