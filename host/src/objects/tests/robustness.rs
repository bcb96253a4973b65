//! Whatever the text, the answer is objects and problems, never a panic.

use super::*;
use crate::objects::{workloads::workloads, write};
use proptest::prelude::*;

/// Pieces that mean something to YAML, JSON or Kubernetes.
const PIECES: [&str; 32] = [
    "---\n",
    "–--\n",
    "\n",
    " ",
    "  ",
    "\t",
    "- ",
    ": ",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "|-\n",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "# ",
    "...",
    "\u{feff}",
    "\u{2028}",
    "é",
    "null",
    "-1",
    "99999999999999999999",
    "exactly:",
    "spec:",
    "kind: List\n",
    "? ",
];

/// Everything the module does with a text.
fn all(file: &str, text: &str) {
    let problems = all_problems(file, text);
    assert!(
        problems
            .iter()
            .all(|problem| !problem.to_string().is_empty())
    );
    let (cluster, _) = Cluster::from_objects(read(file, text).objects);
    let made = workloads(&cluster);
    let claims: Vec<_> = made
        .claims
        .into_iter()
        .map(|claim| Object::ResourceClaim(claim.object))
        .collect();
    let again = read("again.yaml", &write::yaml(&claims));
    assert!(!again.has_errors(), "{:?}", again.problems);
}

/// A small example manifest with cuts, insertions and repetitions.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<String> = manifests(".")
        .into_iter()
        .chain(manifests("mistakes"))
        .map(|(_, text)| text)
        .filter(|text| text.len() < 8192)
        .collect();
    let edit = (
        any::<prop::sample::Index>(),
        0_usize..40,
        any::<prop::sample::Index>(),
        0..3,
    );
    (
        prop::sample::select(texts),
        proptest::collection::vec(edit, 0..8),
    )
        .prop_map(|(text, edits)| {
            let mut letters: Vec<char> = text.chars().collect();
            for (place, length, piece, action) in edits {
                let from = place.index(letters.len() + 1);
                let to = (from + length).min(letters.len());
                let replacement: Vec<char> = match action {
                    0 => Vec::new(),
                    1 => PIECES[piece.index(PIECES.len())].chars().collect(),
                    _ => letters[from..to].repeat(2),
                };
                letters.splice(from..to, replacement);
            }
            letters.into_iter().collect()
        })
}

proptest! {
    #[test]
    fn mutated_manifests_never_panic(text in mutated()) {
        all("mutated.yaml", &text);
    }

    #[test]
    fn random_text_never_panics(text in ".{0,200}", json in any::<bool>()) {
        all(if json { "random.json" } else { "random.yaml" }, &text);
    }

    #[test]
    fn random_pieces_never_panic(pieces in proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        all("pieces.yaml", &pieces.concat());
    }
}
