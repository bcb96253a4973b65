//! A file as separate documents, so that a broken one does not take its neighbours along.
//!
//! YAML separators are found in the text, before any parsing: a document that does not parse then
//! ends where its author meant it to end. That includes separators mistyped with other dashes
//! (`–--`), which word processors make and which YAML reads as part of the document above.

use super::json;
use super::problem::Finding;
use super::tree::Tree;
use super::yaml;

/// Largest file read.
pub const FILE_BYTES_MAX: usize = 256 << 20;

/// A document of a file, parsed or not.
pub(crate) struct Document {
    /// Counted from 1.
    pub(crate) number: usize,
    /// What it seems to be, where it does not parse.
    pub(crate) guess: Option<String>,
    pub(crate) content: Result<Tree, Finding>,
}

/// A file taken apart.
pub(crate) struct Documents {
    pub(crate) documents: Vec<Document>,
    /// Separators that are none, with the document they end.
    pub(crate) separators: Vec<(usize, Finding)>,
}

/// Takes a file apart and parses each document.
pub(crate) fn split(file: &str, text: &str) -> Documents {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file has {} bytes, the limit is {FILE_BYTES_MAX}",
            text.len()
        );
        let content = Err(Finding::at(1, message, "split it into several files"));
        let documents = vec![Document {
            number: 1,
            guess: None,
            content,
        }];
        return Documents {
            documents,
            separators: Vec::new(),
        };
    }
    if text.trim_start().starts_with(['{', '[']) {
        match json::parse(text) {
            Ok(trees) => return numbered(trees),
            Err(finding) if file.ends_with(".json") => {
                let documents = vec![Document {
                    number: 1,
                    guess: None,
                    content: Err(finding),
                }];
                return Documents {
                    documents,
                    separators: Vec::new(),
                };
            }
            // A YAML flow mapping begins alike.
            Err(_) => {}
        }
    }
    yaml_documents(text)
}

fn numbered(trees: Vec<Tree>) -> Documents {
    let number = |(index, tree)| Document {
        number: index + 1,
        guess: None,
        content: Ok(tree),
    };
    Documents {
        documents: trees.into_iter().enumerate().map(number).collect(),
        separators: Vec::new(),
    }
}

fn yaml_documents(text: &str) -> Documents {
    let mut found = Documents {
        documents: Vec::new(),
        separators: Vec::new(),
    };
    let (mut begin, mut first_line) = (0, 1);
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let content = line.trim_end();
        let end = offset;
        offset += line.len();
        let next = match separator(content) {
            Separator::None => continue,
            // What follows on the same line belongs to the next document.
            Separator::Dashes => (end + 3, number),
            Separator::Mistyped => (end + content.len(), number),
        };
        take(text, begin..end, first_line, &mut found);
        if matches!(separator(content), Separator::Mistyped) {
            found
                .separators
                .push((found.documents.len(), mistyped(content, number)));
        }
        (begin, first_line) = next;
    }
    take(text, begin..text.len(), first_line, &mut found);
    found
}

fn take(text: &str, range: std::ops::Range<usize>, first_line: usize, found: &mut Documents) {
    let chunk = text.get(range).unwrap_or_default();
    let blank = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line.starts_with('%')
    };
    if chunk.lines().all(blank) {
        return;
    }
    let mut add = |content| {
        let number = found.documents.len() + 1;
        let guess = if Result::is_err(&content) {
            guess(chunk)
        } else {
            None
        };
        found.documents.push(Document {
            number,
            guess,
            content,
        });
    };
    match yaml::parse(chunk, first_line) {
        // Without indentation much still parses, as something else.
        Ok(trees) => match unindented(chunk, first_line) {
            Some(finding) => add(Err(finding)),
            None => trees.into_iter().for_each(|tree| add(Ok(tree))),
        },
        Err(finding) => {
            let flat = on_one_line(chunk, first_line).or_else(|| unindented(chunk, first_line));
            add(Err(flat.unwrap_or_else(|| {
                let cure = cure(chunk, first_line, &finding);
                let last = first_line + chunk.lines().count().saturating_sub(1);
                Finding {
                    cure,
                    line: finding.line.min(last),
                    ..finding
                }
            })));
        }
    }
}

enum Separator {
    None,
    Dashes,
    Mistyped,
}

fn separator(line: &str) -> Separator {
    if let Some(rest) = line.strip_prefix("---")
        && (rest.is_empty() || rest.starts_with([' ', '\t']))
    {
        return Separator::Dashes;
    }
    let dashes = line.chars().filter(|letter| is_dash(*letter)).count();
    let all = dashes == line.chars().count();
    if all && (dashes > 1 || (dashes == 1 && !line.is_ascii())) {
        Separator::Mistyped
    } else {
        Separator::None
    }
}

/// The hyphens, dashes and minus signs that look like `-`, and `-` itself.
fn is_dash(letter: char) -> bool {
    matches!(
        letter,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

fn mistyped(line: &str, number: usize) -> Finding {
    let foreign = line
        .chars()
        .find(|letter| is_dash(*letter) && !letter.is_ascii());
    let why = match foreign {
        Some(dash) => format!(
            "the line `{line}` separates no documents: it has the character U+{:04X}, not only '-'",
            u32::from(dash)
        ),
        None => format!("the line `{line}` separates no documents: it is not exactly three '-'"),
    };
    Finding::at(
        number,
        why,
        "did you mean `---`? The documents around it are read as if it were",
    )
}

/// The lines that say something, by position.
fn content(chunk: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    chunk.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    })
}

/// A manifest whose line breaks were lost on the way, usually by copying a web page.
fn on_one_line(chunk: &str, first_line: usize) -> Option<Finding> {
    let (index, _) = content(chunk).find(|(_, line)| {
        line.contains("apiVersion:") && (line.contains(" kind:") || line.contains(" metadata:"))
    })?;
    Some(Finding::at(
        first_line + index,
        "the line breaks of this manifest are lost: several fields stand on one line",
        "put every field on a line of its own and indent what belongs to metadata: and spec: by \
         two spaces",
    ))
}

/// A manifest whose indentation was lost: something is to follow below, and nothing is indented.
fn unindented(chunk: &str, first_line: usize) -> Option<Finding> {
    let parent = |line: &str| matches!(line.trim_end(), "metadata:" | "spec:" | "containers:");
    let (index, _) = content(chunk).find(|(_, line)| parent(line))?;
    let flat = content(chunk).all(|(_, line)| !line.starts_with([' ', '\t']));
    let followed = content(chunk).any(|(later, _)| later > index);
    (flat && followed).then(|| {
        Finding::at(
            first_line + index,
            "the indentation of this manifest is lost: every line begins in the first column",
            "indent by two spaces what belongs to the field above, like\n    metadata:\n      \
             name: single-gpu\n    spec:\n      devices:",
        )
    })
}

/// `Kind name` from the text of a document that does not parse.
fn guess(chunk: &str) -> Option<String> {
    let word = |key: &str| {
        let (_, rest) = chunk.split_once(key)?;
        let word = rest.split_whitespace().next()?;
        (!word.ends_with(':') && word.len() < 100).then(|| word.trim_matches('"').to_owned())
    };
    let kind = word("kind:")?;
    Some(word("name:").map_or(kind.clone(), |name| format!("{kind} {name}")))
}

/// What usually stands behind a syntax error, judged by the text.
fn cure(chunk: &str, first_line: usize, finding: &Finding) -> String {
    let at = finding.line.saturating_sub(first_line);
    let near = |test: fn(&str) -> bool| chunk.lines().skip(at.saturating_sub(2)).take(4).any(test);
    if !finding.cure.is_empty() {
        finding.cure.clone()
    } else if near(|line| line.contains("{{")) {
        "this looks like a template: render it first (helm template, kustomize build)".to_owned()
    } else if chunk
        .lines()
        .any(|line| line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t'))
    {
        "indent with spaces: YAML takes no tabs".to_owned()
    } else if near(|line| line.trim() == "...") {
        "replace the line `...`, which stands for left out text, by the fields meant".to_owned()
    } else if near(|line| line.contains(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'])) {
        "replace typographic quotes by \" or '".to_owned()
    } else {
        "check this line and the one above: each `key: value` on a line of its own, the same \
         indentation for fields of one level, quotes and brackets closed"
            .to_owned()
    }
}
