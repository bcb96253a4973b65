//! What a policy may be called, and what follows for the names in its source.

use crate::error::BuildError;

/// Names that Rust or cargo has for something else. A policy in another language could have them, but
/// may be written anew in Rust one day.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "supercargo-guest",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// A policy's name in its three forms.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `gpu-pairs`
    pub(super) package: String,
    /// `gpu_pairs`
    pub(super) module: String,
    /// `GpuPairs`
    pub(super) structure: String,
}

impl Names {
    /// Checks by the rule of `describe`, and that it begins with a letter, as a crate must.
    pub(super) fn new(name: &str) -> Result<Self, BuildError> {
        let wrong = |reason| BuildError::Name {
            name: name.to_owned(),
            reason,
        };
        let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(simple) {
            return Err(wrong("1 to 63 lower-case letters, digits and `-`"));
        }
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
            return Err(wrong(
                "it begins with a letter and ends with a letter or digit",
            ));
        }
        if TAKEN.contains(&name) {
            return Err(wrong("Rust has this word for something else"));
        }
        let capital = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        };
        Ok(Self {
            package: name.to_owned(),
            module: name.replace('-', "_"),
            structure: name.split('-').map(capital).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_a_policy_and_for_a_crate() {
        let names = Names::new("gpu-pairs-2").unwrap();
        assert_eq!(
            (names.module.as_str(), names.structure.as_str()),
            ("gpu_pairs_2", "GpuPairs2")
        );
        for wrong in [
            "",
            "-a",
            "a-",
            "2a",
            "A",
            "a_b",
            "a/b",
            "../a",
            "match",
            "supercargo-guest",
        ] {
            let error = Names::new(wrong).unwrap_err().to_string();
            assert!(error.contains("gpu-pairs"), "{error}");
        }
        assert!(Names::new(&"a".repeat(64)).is_err());
    }
}
